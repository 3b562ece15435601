"""Five-field cron expressions, checked for real: ``30 2 1,15 * MON-FRI`` and nothing that can never come."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST_MONTH = dict(zip(range(1, 13), (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), strict=True))
_ITEM = re.compile(r"(\*|\w+)(?:-(\w+))?(?:/([0-9]{1,4}))?")
_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class CronError(ValueError):
    """The text is not a cron expression; ``expected`` says what should stand there."""

    def __init__(self, what: str, expected: str) -> None:
        self.expected = expected
        super().__init__(what)


@dataclass(frozen=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 7, _WEEKDAYS),
)


@dataclass(frozen=True)
class Cron:
    """When a schedule comes. A day matches as cron has it: either day field, if both are restricted."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Sunday."""


def parse_cron(text: str) -> Cron:
    """Read five fields of numbers, names, ``*``, lists, ranges and steps. Raises CronError."""
    words = text.split()
    if len(words) == 1 and words[0].lower() in _NICKNAMES:
        raise CronError(f"`{text}` is a nickname", f'"{_NICKNAMES[words[0].lower()]}"')
    if len(words) != len(_FIELDS) or len(text) > 200:
        shape = 'five fields: minute hour day month weekday, for example "0 2 * * *"'
        raise CronError(f"has {len(words)} field{'' if len(words) == 1 else 's'}", shape)
    minutes, hours, days, months, weekdays = (
        _parse_field(word, field) for word, field in zip(words, _FIELDS, strict=True)
    )
    if words[4].startswith("*") and min(days) > max(_LONGEST_MONTH[month] for month in months):
        raise CronError("never comes: none of its months has such a day", "a day that its months have")
    return Cron(minutes, hours, days, months, frozenset(day % 7 for day in weekdays))


def _parse_field(word: str, field: _Field) -> frozenset[int]:
    values: set[int] = set()
    for item in word.split(","):
        values |= _parse_item(item, field)
    return frozenset(values)


def _parse_item(item: str, field: _Field) -> set[int]:
    match = _ITEM.fullmatch(item)
    if match is None or (match[1] == "*" and match[2]):
        raise CronError(f"the {field.name} `{item}` is not understood", "a number, *, 1-5, 1,15 or */10")
    start, end, step = match.groups()
    low = field.low if start == "*" else _value(start, field)
    high = field.high if start == "*" else _value(end or start, field)
    if field.names == _WEEKDAYS:
        # Sunday ends a week too: mon-sun, 5-7. The star counts it once.
        high = 6 if start == "*" else 7 if end and high == 0 else high
    if high < low:
        raise CronError(f"the {field.name} `{item}` runs backwards", "the smaller value first")
    if step is None:
        return set(range(low, high + 1))
    if not end and start != "*":
        raise CronError(
            f"the {field.name} `{item}` steps from one value", f"a range, as in {start}-{field.high}/{step}"
        )
    if not 1 <= int(step) <= field.high - field.low + 1:
        raise CronError(
            f"the {field.name} `{item}` has a step that does not fit", f"1 to {field.high - field.low + 1}"
        )
    return set(range(low, high + 1, int(step)))


def _value(word: str, field: _Field) -> int:
    if word.isascii() and word.isdigit():
        if len(word) <= 2 and field.low <= int(word) <= field.high:
            return int(word)
        raise CronError(f"the {field.name} {word[:20]} is out of range", f"{field.low} to {field.high}")
    if word.lower() in field.names:
        return field.names.index(word.lower()) + field.low
    known = f" or {field.names[0].upper()} to {field.names[-1].upper()}" if field.names else ""
    raise CronError(
        f"the {field.name} `{word[:20]}` is not understood", f"{field.low} to {field.high}{known}"
    )
