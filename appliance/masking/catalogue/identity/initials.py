"""``initials``: capital letters in place of a person's."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from appliance.masking.examples import draw
from appliance.masking.expressions.drawing import Digest, text_message
from appliance.masking.expressions.sql_text import identifier, short_match
from appliance.masking.mask import Mask, Masked, Original, Promises, SubjectParams, subject_problems
from appliance.masking.scope import Scope, never_itself, unless_empty
from appliance.masking.shape import TEXT, Shape, Value

MOST = 3
_WITHOUT_CAPITALS = 2
_LETTERS = 26
_CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class InitialsParams(SubjectParams):
    """How they are written."""

    form: Literal["points", "plain"] = Field(
        default="points",
        description="`points` writes `K.T.`, `plain` writes `KT`. A column too short for points gets none.",
        examples=["plain"],
    )


class Initials(Mask[InitialsParams]):
    """As many letters as the value has capitals, so that a whole name becomes initials too."""

    name = "initials"
    of_person = True
    summary = "Replaces initials, or a whole name, with the initials of no one."
    params = InitialsParams
    kinds = TEXT
    proof = "by_chance"
    promises = Promises(
        length="at most six characters",
        format="one to three capital letters of A to Z, as many as the value has, or two where it has none",
    )
    hides = "the letters; of a whole name all but how many capital letters it has."
    learnt = (
        "how many capital letters a value has, up to three, and which rows have the same output, and so may"
        " have equal values (or the same subject). The n pairs open themselves and nothing else."
    )
    originals = (Original("A.L."), Original("Ann Marie Lee"))

    def compile(self, value: Value, params: InitialsParams, scope: Scope) -> Masked:
        """A byte of the digest for each letter."""
        most = _most(value.shape)
        points = _points(value.shape, params)
        start, count = f"left({value.text}, 200)", identifier(scope.alias("appliance_capitals"))
        capitals = f"length({start}) - length(translate({start}, '{_CAPITALS}', ''))"
        few = min(_WITHOUT_CAPITALS, most)
        letters = f"CASE {count} WHEN 0 THEN {few} ELSE least({count}, {most}) END"

        def made(digest: Digest, step: int) -> str:
            each = [
                f"chr(65 + mod({digest.number(place, 8)} + {step if place == 0 else 0}, {_LETTERS}))"
                for place in range(most)
            ]
            if points:
                each = [f"{letter} || '.'" for letter in each]
            width = 2 if points else 1
            return f"left({' || '.join(each)}, ({letters}) * {width})"

        drawn = self.drawn_from(params, text_message(value.key_text), scope)

        def initials(digest: Digest) -> str:
            first = made(digest, 0)
            return first if drawn.of_subject else never_itself(first, value, made(digest, 1))

        sql = scope.drawn(
            value,
            params.key_of(self.name),
            drawn.message,
            lambda digest: (
                f"(SELECT {initials(digest)}"
                f" FROM (SELECT {capitals} AS {count} OFFSET 0) AS appliance_counted)"
            ),
        )
        letter = "[A-Z][.]" if points else "[A-Z]"
        return Masked(
            unless_empty(value, sql),
            "by_chance",
            chance=1 / _LETTERS if drawn.of_subject else 0.0,
            shape_sql=short_match(value.text, f"(({letter}){{1,{most}}})? *"),
            repeats=drawn.by_value,
        )

    def example(self, original: Original, params: InitialsParams) -> str:
        """In a column without a limit."""
        key, columns = params.key_of(self.name), params.subject_columns
        digest = draw.of_subject(key, columns) if columns else draw.of_text(key, original.text)
        capitals = sum("A" <= sign <= "Z" for sign in original.text)
        count = min(capitals, MOST) or _WITHOUT_CAPITALS
        point = "." if params.form == "points" else ""

        def made(step: int) -> str:
            numbers = (draw.number(digest, place, 8) for place in range(count))
            moved = (number + (step if place == 0 else 0) for place, number in enumerate(numbers))
            return "".join(chr(65 + number % _LETTERS) + point for number in moved)

        first = made(0)
        return first if first != original.text else made(1)

    def problems(self, shape: Shape, params: InitialsParams, scope: Scope) -> list[str]:
        """A subject that is not there."""
        return subject_problems(params, scope)


def _points(shape: Shape, params: InitialsParams) -> bool:
    return params.form == "points" and (shape.length is None or shape.length >= 2 * MOST)


def _most(shape: Shape) -> int:
    return MOST if shape.length is None else min(MOST, shape.length)
