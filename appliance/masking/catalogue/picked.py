"""What the masks that pick from word lists have in common."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

from appliance.masking.examples import draw
from appliance.masking.expressions.drawing import Digest, text_message
from appliance.masking.expressions.sql_text import literal
from appliance.masking.mask import Mask, Masked, Original, SubjectParams, subject_problems
from appliance.masking.scope import Scope, never_itself, unless_empty
from appliance.masking.shape import TEXT, Shape, Value
from appliance.masking.word_lists import ENOUGH_WORDS, WordList, word_list


@dataclass(frozen=True)
class Words:
    """The lists that a mask picks from, cut to what fits a column."""

    lists: tuple[WordList, ...]

    @property
    def enough(self) -> bool:
        """Whether there is something to pick from."""
        return all(len(words) >= ENOUGH_WORDS for words in self.lists)

    def unnested(self, number: int) -> str:
        """One list as a function in FROM, without a binding."""
        return _unnested(self.lists[number].words)


@cache
def _unnested(words: tuple[str, ...]) -> str:
    # A thousand tables have a thousand columns with the same few lists.
    return f"unnest(ARRAY[{', '.join(map(literal, words))}]::text[])"


def two_words(names: tuple[str, ...], length: int | None, encoding: str) -> Words:
    """Two lists whose words fit side by side with a blank between them."""
    whole = tuple(word_list(name, encoding=encoding) for name in names)
    if length is None or sum(words.longest for words in whole) < length:
        return Words(whole)
    half = (length - 1) // 2
    return Words(tuple(word_list(name, longest=half, encoding=encoding) for name in names))


class PickedMask(Mask[SubjectParams], ABC):
    """One word of one list, or one of each of two lists with a blank between them."""

    params = SubjectParams
    kinds = TEXT
    proof = "outside_domain"
    lists: ClassVar[tuple[str, ...]]
    hides = "the value, its length and its language."
    learnt = (
        "which rows have the same output, and so may have equal values (or the same subject); many originals "
        "share one output. The n pairs open themselves and nothing else."
    )

    def words(self, length: int | None, encoding: str) -> Words:
        """The lists, cut to what fits a column."""
        return Words(tuple(word_list(name, longest=length, encoding=encoding) for name in self.lists))

    def pick(self, words: Words, digest: Digest, step: int, scope: Scope) -> str:
        """The output for a digest; another ``step`` gives another output."""
        first = scope.word(words.lists[0], f"{digest.number(0, 30)} + {step}")
        if len(words.lists) == 1:
            return first
        return f"{first} || ' ' || {scope.word(words.lists[1], digest.number(4, 30))}"

    def domain_sql(self, words: Words) -> str:
        """A query of everything that ``pick`` can give."""
        if len(words.lists) == 1:
            return f"SELECT w FROM {words.unnested(0)} AS a (w)"
        return f"SELECT v || ' ' || w FROM {words.unnested(0)} AS a (v), {words.unnested(1)} AS b (w)"

    def compile(self, value: Value, params: SubjectParams, scope: Scope) -> Masked:
        """A pick by the value's keyed digest, or by that of the row's subject."""
        words = self.words(value.shape.length, scope.encoding)
        drawn = self.drawn_from(params, text_message(value.key_text), scope)

        def picked(digest: Digest) -> str:
            first, second = (self.pick(words, digest, step, scope) for step in (0, 1))
            return first if drawn.of_subject else never_itself(first, value, second)

        sql = unless_empty(value, scope.drawn(value, params.key_of(self.name), drawn.message, picked))
        return Masked(
            sql,
            "outside_domain",
            chance=1 / len(words.lists[0]) if drawn.of_subject else 0.0,
            output_domain_sql=self.domain_sql(words),
            repeats=drawn.by_value,
        )

    def example(self, original: Original, params: SubjectParams) -> str:
        """A pick for a column without a limit."""
        words, key, subject = self.words(None, "UTF8"), params.key_of(self.name), params.subject_columns
        digest = draw.of_subject(key, subject) if subject else draw.of_text(key, original.text)
        first = self.picked_example(words, digest, 0)
        return first if first != original.text else self.picked_example(words, digest, 1)

    def picked_example(self, words: Words, digest: bytes, step: int) -> str:
        """What ``pick`` gives, computed here."""
        picked = [_nth(words.lists[0], draw.number(digest, 0, 30) + step)]
        if len(words.lists) > 1:
            picked.append(_nth(words.lists[1], draw.number(digest, 4, 30)))
        return " ".join(picked)

    def problems(self, shape: Shape, params: SubjectParams, scope: Scope) -> list[str]:
        """A column too short for enough words, or a subject that is not there."""
        found = subject_problems(params, scope)
        if not self.words(shape.length, scope.encoding).enough:
            found.append(f"the column has {shape.length} characters, too few for the mask '{self.name}'")
        return found


def _nth(words: WordList, place: int) -> str:
    return words.words[place % len(words)]
