"""``address``: street, postal code and city in one column."""

from __future__ import annotations

from pydantic import Field

from appliance.masking.catalogue.contact.places import HOUSE_NUMBERS
from appliance.masking.catalogue.picked import Words
from appliance.masking.examples import draw
from appliance.masking.expressions.drawing import Digest, text_message
from appliance.masking.expressions.sql_text import literal
from appliance.masking.mask import Mask, Masked, Original, Promises, SubjectParams, subject_problems
from appliance.masking.scope import Scope, never_itself, unless_empty
from appliance.masking.shape import TEXT, Shape, Value
from appliance.masking.word_lists import WordList, word_list

_CODES = 90_000
_FIRST_CODE = 10_000
_LONGEST = 400
"""Bytes; no address that is made has as many."""


class AddressParams(SubjectParams):
    """What an address has."""

    postcode: bool = Field(
        default=True,
        strict=True,
        description="A postal code of five digits before the city.",
        examples=[False],
    )
    country: bool = Field(
        default=False, strict=True, description="A country's name at the end, in English.", examples=[True]
    )
    lines: bool = Field(
        default=False, strict=True, description="A line for each part, instead of commas.", examples=[True]
    )


class Address(Mask[AddressParams]):
    """Each part is drawn for itself: street, code, city and country need not go together."""

    name = "address"
    of_person = True
    summary = "Replaces a whole postal address with a made-up one."
    params = AddressParams
    kinds = TEXT
    proof = "by_chance"
    promises = Promises(
        length="at most 48 characters, or 74 with a country; fitted to a shorter column",
        format="`12 Elm Rd, 48213 Bergen`, and with `country` a country; they need not go together",
    )
    hides = "the whole address, its length and its country."
    learnt = (
        "which rows have the same output, and so have equal values (or the same subject). The n pairs open"
        " themselves and nothing else."
    )
    originals = (Original("Musterstraße 5, 12345 Köln"),)

    def compile(self, value: Value, params: AddressParams, scope: Scope) -> Masked:
        """By the value's digest, or by that of the row's subject."""
        words = _words(value.shape.length, params, scope.encoding)
        drawn = self.drawn_from(params, text_message(value.key_text), scope)
        between = literal(_between(params))

        def made(digest: Digest, step: int) -> str:
            street, city, *country = words.lists
            number = f"(1 + mod({digest.number(8, 30)}, {HOUSE_NUMBERS}))::text"
            place = scope.word(city, digest.number(4, 30))
            if params.postcode:
                place = f"({_FIRST_CODE} + mod({digest.number(6, 30)}, {_CODES}))::text || ' ' || {place}"
            first = scope.word(street, f"{digest.number(0, 30)} + {step}")
            parts = [f"{number} || ' ' || {first}", place]
            parts += [scope.word(each, digest.number(12, 30)) for each in country]
            return f" || {between} || ".join(parts)

        sql = scope.drawn(
            value,
            params.key_of(self.name),
            drawn.message,
            lambda digest: (
                made(digest, 0) if drawn.of_subject else never_itself(made(digest, 0), value, made(digest, 1))
            ),
        )
        return Masked(
            unless_empty(value, sql),
            "by_chance",
            shape_sql=_shape(value.text, params),
            repeats=drawn.by_value,
        )

    def example(self, original: Original, params: AddressParams) -> str:
        """In a column without a limit."""
        key, columns = params.key_of(self.name), params.subject_columns
        digest = draw.of_subject(key, columns) if columns else draw.of_text(key, original.text)
        street, city, *country = _words(None, params, "UTF8").lists

        def word(words: WordList, first: int) -> str:
            return words.words[draw.number(digest, first, 30) % len(words)]

        code = f"{_FIRST_CODE + draw.number(digest, 6, 30) % _CODES} " if params.postcode else ""
        number = 1 + draw.number(digest, 8, 30) % HOUSE_NUMBERS
        parts = [
            f"{number} {word(street, 0)}",
            f"{code}{word(city, 4)}",
            *(word(each, 12) for each in country),
        ]
        return _between(params).join(parts)

    def problems(self, shape: Shape, params: AddressParams, scope: Scope) -> list[str]:
        """A column too short for enough streets and cities, or a subject that is not there."""
        found = subject_problems(params, scope)
        if not _words(shape.length, params, scope.encoding).enough:
            found.append(f"the column has {shape.length} characters, too few for an address")
        return found


def _between(params: AddressParams) -> str:
    return "\n" if params.lines else ", "


def _words(length: int | None, params: AddressParams, encoding: str) -> Words:
    """The lists for street, city and country, whose longest words fit together."""
    names = ("street", "city", *(("country",) if params.country else ()))
    whole = tuple(word_list(name, encoding=encoding) for name in names)
    fixed = len("199 ") + (len(names) - 1) * len(_between(params)) + (len("12345 ") if params.postcode else 0)
    if length is None or fixed + sum(each.longest for each in whole) <= length:
        return Words(whole)
    share = max(0, length - fixed) // len(names)
    return Words(tuple(word_list(name, longest=share, encoding=encoding) for name in names))


def _shape(text: str, params: AddressParams) -> str:
    part = "[^0-9,\\n]+"
    between = "\\n" if params.lines else ", "
    code = "[0-9]{5} " if params.postcode else ""
    pattern = f"[0-9]{{1,3}} {part}{between}{code}{part}" + (f"{between}{part}" if params.country else "")
    return (
        f"CASE WHEN octet_length({text}) > {_LONGEST} THEN false"
        f" ELSE {text} ~ {literal(f'^({pattern})?$')} END"
    )
