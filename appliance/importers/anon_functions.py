"""Calls of PostgreSQL Anonymizer's masking functions, and what stands for each here.

Names as its documentation of masking functions has them, versions 1 to 3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import sqlglot
from pydantic import JsonValue
from sqlglot import expressions as ex
from sqlglot.errors import SqlglotError

from appliance.importers.built import date_between, letters, number_between, one_of
from appliance.importers.parameters import days_of, given, percent_of
from appliance.importers.rules import Equal, number_of

_NAMED = {
    "first_name": "first_name",
    "last_name": "last_name",
    "name": "full_name",
    "email": "email",
    "free_email": "email",
    "safe_email": "email",
    "company": "company",
    "company_name": "company",
    "city": "city",
    "city_name": "city",
    "address": "street",
    "street_name": "street",
    "street_address": "street",
    "postcode": "postcode",
    "zip": "postcode",
    "zip_code": "postcode",
    "iban": "iban",
    "phone": "phone",
    "phone_number": "phone",
    "cell_number": "phone",
    "username": "username",
    "user_agent": "user_agent",
    "domain_suffix": "domain",
    "ipv4": "ip",
    "ipv6": "ip",
    "ip": "ip",
    "mac_address": "mac",
    "uuidv4": "uuid",
    "credit_card_number": "card",
    "country": "country",
    "country_name": "country",
    "region": "region",
    "state_name": "region",
    "title": "title",
    "string": "random_string",
    "hash": "hash",
}
"""By what follows ``fake_``, ``dummy_``, ``pseudo_`` or ``random_``."""
_PREFIXES = ("fake_", "dummy_", "pseudo_", "random_")
_GENDERS = {"first_name_female": "female", "first_name_male": "male"}


def _partial(arguments: Sequence[JsonValue]) -> Equal:
    numbers = [each for each in arguments[1:] if isinstance(each, int)]
    cover = next((each for each in arguments[1:] if isinstance(each, str)), "")
    if len(numbers) < 2:
        return Equal(why="How much of the value is shown cannot be read.")
    params = given(keep_first=numbers[0], keep_last=numbers[-1], cover=cover[:1] or None)
    return Equal("partial", params, note="Covered letter by letter: the length stays.")


def _noise(arguments: Sequence[JsonValue]) -> Equal:
    return Equal("number_noise", given(percent=percent_of(arguments[-1] if arguments else None) or 10))


def _date_noise(arguments: Sequence[JsonValue]) -> Equal:
    days = days_of(arguments[-1] if arguments else None)
    return Equal("date_shift", given(max_days=days), note="The same for all dates of a subject.")


def _in_range(arguments: Sequence[JsonValue]) -> Equal:
    found = re.fullmatch(
        r"\s*([\[(])\s*(-?\d+)\s*,\s*(-?\d+)\s*([\])])\s*", str(arguments[0] if arguments else "")
    )
    if found is None:
        return Equal(why="The range cannot be read.")
    low, high = int(found[2]) + (found[1] == "("), int(found[3]) - (found[4] == ")")
    return Equal("random_number", {"min": low, "max": high})


def _two(arguments: Sequence[JsonValue]) -> tuple[JsonValue, JsonValue]:
    """The first two arguments; None where there are fewer."""
    first, second, *_ = (*arguments, None, None)
    return first, second


_BUILT: dict[str, Callable[[Sequence[JsonValue]], Equal]] = {
    "partial": _partial,
    "partial_email": lambda _: Equal("email", note="Nothing of the address is kept."),
    "noise": _noise,
    "dnoise": _date_noise,
    "random_date_between": lambda arguments: date_between(*_two(arguments)),
    "random_int_between": lambda arguments: number_between(*_two(arguments)),
    "random_bigint_between": lambda arguments: number_between(*_two(arguments)),
    "random_in_int4range": _in_range,
    "random_in_int8range": _in_range,
    "random_in": lambda arguments: one_of(_two(arguments)[0]),
    "random_string": lambda arguments: letters(_two(arguments)[0]),
    "random_date": lambda _: Equal("random_date", {"earliest": "1900-01-01", "latest": "2000-12-31"}),
    "lorem_ipsum": lambda _: Equal("lorem", note="As long as the original."),
    "hash": lambda _: Equal("hash"),
    "digest": lambda _: Equal("hash"),
    "hex_hash": lambda _: Equal("hash"),
}
_NO_EQUAL = {
    "image_blur": "Images are not blurred here.",
    "ternary": "It depends on a condition.",
    "shuffle_column": "Rows of a table are not shuffled.",
}


def equal_of_call(call: str) -> Equal:
    """What stands for a call such as ``anon.partial(phone, 2, $$***$$, 2)``."""
    try:
        parsed = sqlglot.parse_one(call, read="postgres")
    except SqlglotError:
        return Equal(why="The call cannot be read.")
    function = parsed.expression if isinstance(parsed, ex.Dot) else parsed
    if not isinstance(function, ex.Func):
        return Equal(why="It is no call of a function.")
    name = str(function.this if isinstance(function, ex.Anonymous) else function.sql_name()).lower()
    arguments = function.expressions if isinstance(function, ex.Anonymous) else list(function.args.values())
    values = [_value(each) for each in arguments if isinstance(each, ex.Expression)]
    return equal_of_function(name, values)


def equal_of_function(name: str, arguments: Sequence[JsonValue]) -> Equal:
    """What stands for a function, by its name without ``anon.``."""
    name = name.lower().removeprefix("anon.")
    if name in _NO_EQUAL or name.startswith("generalize"):
        return Equal(
            why=_NO_EQUAL.get(name, "It turns a value into a range, and the column into another type.")
        )
    if name in _BUILT:
        return _BUILT[name](arguments)
    prefix = next((each for each in _PREFIXES if name.startswith(each)), "")
    if not prefix:
        return Equal()
    kind = name.removeprefix(prefix)
    locale = next(
        (each for each in arguments if isinstance(each, str) and re.fullmatch(r"[a-z]{2}_[A-Z]{2}", each)),
        None,
    )
    bare = kind.removesuffix("_locale")
    if gender := _GENDERS.get(bare):
        return Equal("first_name", {"gender": gender, "locale": locale or "en_US"})
    mask = _NAMED.get(bare, "")
    named = locale if mask in {"last_name", "full_name", "first_name"} else None
    return Equal(mask, given(locale=named)) if mask else Equal()


def _value(node: ex.Expression) -> JsonValue:
    """A literal of the call; None for anything else, such as the column."""
    if isinstance(node, ex.Cast):
        return _value(node.this)
    if isinstance(node, ex.Neg):
        inner = _value(node.this)
        return -inner if isinstance(inner, int | float) else None
    if isinstance(node, ex.Array):
        return [_value(each) for each in node.expressions]
    if isinstance(node, ex.Interval):
        return f"{node.this.name if node.this else ''} {node.args.get('unit') or ''}".strip()
    if isinstance(node, ex.Literal | ex.RawString | ex.Boolean):
        return (
            node.name
            if getattr(node, "is_string", False) or isinstance(node, ex.RawString)
            else number_of(node.name)
        )
    return node.name if isinstance(node, ex.HexString | ex.National) else None
