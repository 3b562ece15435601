"""Parameters of other tools' rules in the units that masks here take."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import JsonValue

from appliance.importers.rules import number_of

_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(year|yr|y|month|mon|week|w|day|d|hour|h)s?\b", re.IGNORECASE)
_DAYS = {
    "y": 365.0,
    "yr": 365.0,
    "year": 365.0,
    "mon": 30.0,
    "month": 30.0,
    "week": 7.0,
    "w": 7.0,
    "day": 1.0,
    "d": 1.0,
}
_MOST_DAYS = 3650
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ].*)?")


def days_of(interval: object) -> int | None:
    """An interval such as ``1 year 2 mons`` in whole days, one at least; None where it says none."""
    found = _PART.findall(str(interval or ""))
    days = sum(float(number) * _unit(unit.lower()) for number, unit in found)
    return min(max(1, round(days)), _MOST_DAYS) if found else None


def _unit(unit: str) -> float:
    return _DAYS.get(unit, 1 / 24 if unit.startswith("h") else 1.0)


def percent_of(ratio: object) -> float | None:
    """A ratio (0.3) in percent (30)."""
    number = number_of(ratio)
    return round(abs(number) * 100, 6) if number else None


def date_of(value: object) -> str | None:
    """The day of a fixed date; None for a template or nothing."""
    found = _DATE.fullmatch(str(value or "").strip())
    return found[1] if found else None


def given(**params: JsonValue | None) -> Mapping[str, JsonValue]:
    """Those parameters that have a value."""
    return {name: value for name, value in params.items() if value is not None}
