"""Whether a value written in a workflow is a value of a column's type, and its text form for PostgreSQL."""

from __future__ import annotations

import ipaddress
import json
import math
import re
import uuid
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import JsonValue

from appliance.documents.problems import did_you_mean
from appliance.masking.expressions.sql_text import array_literal
from appliance.masking.shape import Shape

_INTEGER_BITS = {"smallint": 15, "integer": 31, "bigint": 63}
_HEX = re.compile(r"\\x([0-9a-fA-F]{2})*")


class WrongConstantError(ValueError):
    """Says what is wrong as the end of a sentence that begins with the value."""


def constant_text(shape: Shape, value: JsonValue) -> str:
    """The text form that PostgreSQL reads as this value of this type. Raises WrongConstantError.

    For types it does not know (ranges, intervals, geometry, …) any text passes: planning asks the source.
    """
    if value is None:
        raise WrongConstantError("is nothing; the mask 'null' gives NULL")
    if shape.is_array:
        return _array(shape, value)
    return _CHECKS.get(shape.kind, _other)(shape, value)


def _text(shape: Shape, value: Any) -> str:
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        raise WrongConstantError("is not text")
    if "\0" in text:
        raise WrongConstantError("holds a NUL character, which PostgreSQL text cannot")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise WrongConstantError("holds half of a surrogate pair, which PostgreSQL text cannot")
    if shape.length is not None and len(text) > shape.length:
        raise WrongConstantError(f"has {len(text)} characters, and {shape.length} fit")
    return text


def _integer(shape: Shape, value: Any) -> str:
    try:
        number = value if isinstance(value, int) and not isinstance(value, bool) else int(_string(value))
    except ValueError:
        raise WrongConstantError("is not a whole number") from None
    limit = 1 << _INTEGER_BITS[shape.kind]
    if not -limit <= number < limit:
        raise WrongConstantError(f"is out of range for {shape.cast}")
    return str(number)


def _numeric(shape: Shape, value: Any) -> str:
    try:
        number = Decimal(str(value)) if isinstance(value, int | float) else Decimal(_string(value))
    except (InvalidOperation, ValueError):
        raise WrongConstantError("is not a number") from None
    if isinstance(value, bool) or not number.is_finite() or abs(number.adjusted()) > 1_000:
        raise WrongConstantError("is not a number")
    if shape.precision is not None:
        scale = shape.scale or 0
        if round(number, scale) != number:
            raise WrongConstantError(f"has more digits after the point than {shape.cast} keeps")
        if number and number.adjusted() >= shape.precision - scale:
            raise WrongConstantError(f"is too large for {shape.cast}")
    return format(number, "f")


def _float(shape: Shape, value: Any) -> str:
    try:
        number = float(value) if isinstance(value, int | float) else float(_string(value))
    except (ValueError, OverflowError):
        raise WrongConstantError("is not a number") from None
    largest = 3.4028234663852886e38 if shape.kind == "real" else math.inf
    if isinstance(value, bool) or not math.isfinite(number) or abs(number) > largest:
        raise WrongConstantError(f"is not a number that fits {shape.cast}")
    if shape.kind == "real" and 0 < abs(number) < 1e-37:
        raise WrongConstantError("is too close to zero for real")
    return repr(number)


def _boolean(shape: Shape, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value in ("true", "false"):
        return str(value)
    raise WrongConstantError("is not true or false")


def _date(shape: Shape, value: Any) -> str:
    try:
        return date.fromisoformat(_string(value)).isoformat()
    except ValueError:
        raise WrongConstantError("is not a date like 1970-01-31") from None


def _timestamp(shape: Shape, value: Any) -> str:
    try:
        moment = datetime.fromisoformat(_string(value))
    except ValueError:
        raise WrongConstantError("is not a time like 1970-01-31 12:00:00") from None
    if shape.kind == "timestamptz" and moment.tzinfo is None:
        return f"{moment.isoformat(' ')}+00:00"
    if shape.kind == "timestamp" and moment.tzinfo is not None:
        raise WrongConstantError("has a time zone, and the column has none")
    return moment.isoformat(" ")


def _uuid(shape: Shape, value: Any) -> str:
    try:
        return str(uuid.UUID(_string(value)))
    except ValueError:
        raise WrongConstantError("is not a UUID") from None


def _bytea(shape: Shape, value: Any) -> str:
    text = _string(value)
    if not _HEX.fullmatch(text):
        raise WrongConstantError("is not hexadecimal bytes like \\x00ff")
    return text


def _inet(shape: Shape, value: Any) -> str:
    try:
        return str(ipaddress.ip_interface(_string(value)))
    except ValueError:
        raise WrongConstantError("is not an IP address") from None


def _json(shape: Shape, value: Any) -> str:
    try:
        document = json.loads(value, parse_constant=_no_constant) if isinstance(value, str) else value
        # All escapes but those of JSON itself are written out, so jsonb accepts what is here.
        text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        raise WrongConstantError("is not JSON (a text value is written in its own quotes: '\"…\"')") from None
    if "\\u0000" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise WrongConstantError("holds a character that PostgreSQL cannot store")
    return text


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _enum(shape: Shape, value: Any) -> str:
    if not isinstance(value, str) or value not in shape.enum_labels:
        close = did_you_mean(str(value), shape.enum_labels)
        labels = ", ".join(shape.enum_labels[:20]) + (", …" if len(shape.enum_labels) > 20 else "")
        hint = f"; did you mean {close}?" if close else ""
        raise WrongConstantError(f"is not a label of {shape.cast}: {labels}{hint}")
    return value


def _array(shape: Shape, value: Any) -> str:
    if isinstance(value, str) and value == "{}":
        return value
    if not isinstance(value, list):
        raise WrongConstantError("is not a list, and the column is an array")
    element = Shape(**{**vars(shape), "array_cast": None})
    return array_literal(tuple(constant_text(element, each) for each in value))


def _other(shape: Shape, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise WrongConstantError(f"is not text that PostgreSQL could read as {shape.cast}")
    return _text(Shape("text", "text"), value)


def _string(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 1_000:
        raise WrongConstantError("is not text, or too long")
    return value


_CHECKS: dict[str, Callable[[Shape, Any], str]] = {
    "text": _text,
    "smallint": _integer,
    "integer": _integer,
    "bigint": _integer,
    "numeric": _numeric,
    "real": _float,
    "double": _float,
    "boolean": _boolean,
    "date": _date,
    "timestamp": _timestamp,
    "timestamptz": _timestamp,
    "uuid": _uuid,
    "bytea": _bytea,
    "inet": _inet,
    "json": _json,
    "jsonb": _json,
    "enum": _enum,
}
