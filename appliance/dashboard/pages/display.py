"""Numbers, times and states as people read them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Protocol, TypeVar

from markupsafe import Markup, escape

from appliance.contract.rehearsals import RehearsedTable, ReportedDirection
from appliance.system.disk import readable

_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAY_WORDS = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}

NOTHING = "\N{EN DASH}"
STATES: dict[str, tuple[str, str]] = {
    "healthy": ("good", "Healthy"),
    "unhealthy": ("bad", "Unhealthy"),
    "offline": ("bad", "Offline"),
    "new": ("idle", "Not enrolled yet"),
    "revoked": ("idle", "Revoked"),
    "running": ("busy", "Running"),
    "retrying": ("warn", "Retrying"),
    "succeeded": ("good", "Succeeded"),
    "failed": ("bad", "Failed"),
    "refused": ("bad", "Refused"),
    "cancelled": ("idle", "Cancelled"),
    "lost": ("warn", "No news"),
    "skipped": ("idle", "Not reached"),
    "waiting": ("idle", "Waiting"),
    "active": ("good", "Active"),
    "invalid": ("bad", "Invalid"),
    "pending": ("idle", "On its way"),
    "accepted": ("busy", "Accepted"),
    "done": ("good", "Done"),
    "expired": ("idle", "Expired"),
    "stopped": ("warn", "Stopped"),
    "ok": ("good", "OK"),
    "degraded": ("warn", "Degraded"),
    "down": ("bad", "Down"),
    "unknown": ("idle", "Unknown"),
    "ready": ("good", "Filled in"),
    "missing": ("bad", "Missing"),
    "placeholder": ("warn", "Still changeme"),
}
"""Of anything that has a state: its tone and its words."""

MOST_STRETCHES = 6
_WAITED = {"both": "readers and writers", "writers": "writers"}


@dataclass(frozen=True)
class Stretch:
    """A part of a bar: from where, how wide, in hundredths of the whole; and who waited then."""

    start: float
    width: float
    who: str


def blocked_bar(table: RehearsedTable, way: ReportedDirection) -> list[Stretch]:
    """When others waited for a table, over the time of the migration. The shortest can be seen."""
    ends = [each.end_ms for every in way.tables for each in every.blocked]
    whole = max(way.seconds * 1000, 1.0, *ends)
    stretches = []
    for each in table.blocked:
        width = min(max((each.end_ms - each.start_ms) / whole * 100, 0.8), 100.0)
        start = min(each.start_ms / whole * 100, 100.0 - width)
        stretches.append(Stretch(round(start, 2), round(width, 2), each.who))
    return stretches


def blocked_text(table: RehearsedTable) -> str:
    """The same in words, for who sees no bar."""
    said = [
        f"{_WAITED[each.who]} from {in_seconds(each.start_ms)} to {in_seconds(each.end_ms)}"
        for each in table.blocked[:MOST_STRETCHES]
    ]
    if more := len(table.blocked) - len(said):
        said.append(f"and {more} times more")
    return "; ".join(said) or "no one waited"


def in_seconds(milliseconds: float) -> str:
    """``0.12 s``, ``34.5 s``."""
    return f"{milliseconds / 1000:.2f} s" if milliseconds < 10_000 else f"{milliseconds / 1000:.1f} s"


STEPS = {
    "open_snapshot": "Open snapshot",
    "plan": "Plan",
    "schema": "Create schema",
    "copy": "Copy and mask",
    "close_snapshot": "Close snapshot",
    "finish": "Build indexes",
    "verify": "Verify",
    "attest": "Attest",
    "publish": "Publish",
    "upload": "Deliver to a bucket",
    "container": "Run your container",
}
COMPONENTS = {
    "scheduler": "Scheduler",
    "dag_processor": "DAG processor",
    "api_server": "Execution API",
    "status": "Status service",
    "postgres": "PostgreSQL",
    "docker": "Docker",
    "reporting": "Reporting",
}
CHECKS = {
    "row_counts": "Row counts match the snapshot",
    "constraints": "Constraints are valid",
    "masked_values": "No masked value survived",
    "distinct_counts": "Distinct values did not collapse",
    "scrubbed_text": "Nothing was left in scrubbed text",
    "kept_columns": "Nothing personal was seen in what is kept",
}


def state(name: str | None) -> Markup:
    """A state as a small badge: a tone, a shape and a word, so that colour is never all there is."""
    tone, word = STATES.get(name or "unknown", ("idle", (name or "unknown").replace("_", " ").capitalize()))
    return Markup('<span class="badge {}">{}</span>').format(tone, word)


def when(seconds: float | None) -> Markup:
    """A moment, in UTC; the page turns it into the reader's own time."""
    if seconds is None:
        return Markup('<span class="faint">never</span>')
    moment = datetime.fromtimestamp(seconds, UTC)
    return Markup('<time datetime="{}" data-when>{} UTC</time>').format(
        moment.isoformat(timespec="seconds"), moment.strftime("%Y-%m-%d %H:%M")
    )


def utc(seconds: float) -> str:
    """A moment in plain words, with its zone."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def ago(seconds: float | None) -> Markup:
    """A moment as a distance from now; the page keeps it current."""
    if seconds is None:
        return Markup('<span class="faint">never</span>')
    moment = datetime.fromtimestamp(seconds, UTC)
    return Markup('<time datetime="{}" data-ago>{} UTC</time>').format(
        moment.isoformat(timespec="seconds"), moment.strftime("%Y-%m-%d %H:%M")
    )


def duration(seconds: float | None) -> str:
    """How long, with two units at most."""
    if seconds is None:
        return NOTHING
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit} {rest} {smaller}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def count(number: float | None) -> str:
    """A whole number with its thousands apart."""
    return NOTHING if number is None else f"{number:,.0f}".replace(",", "\u202f")


def size(number: float | None) -> str:
    """Bytes in a fitting unit."""
    return NOTHING if number is None else readable(number)


def percent(share: float) -> str:
    """A share from 0 to 1; only what is really finished reads 100 %."""
    return "100 %" if share >= 1 else f"{min(99, int(share * 100))} %"


def schedule(cron: str | None, timezone: str = "UTC") -> str:
    """A cron line in words where it is a simple one, else as it is."""
    if not cron:
        return "On demand"
    fields = cron.split()
    as_it_is = f"{cron} ({timezone})"
    if len(fields) != 5 or not fields[0].isdigit() or fields[2:4] != ["*", "*"]:
        return as_it_is
    minute, hour, _, _, weekday = fields
    if hour == "*" and weekday == "*":
        return f"Every hour at :{int(minute):02}"
    days = _days(weekday)
    return f"{days} at {int(hour):02}:{int(minute):02} {timezone}" if hour.isdigit() and days else as_it_is


def _days(weekday: str) -> str:
    if weekday == "*":
        return "Every day"
    if weekday.lower() in {"1-5", "mon-fri"}:
        return "On weekdays"
    number = _DAY_WORDS.get(weekday.lower(), int(weekday) if re.fullmatch("[0-7]", weekday) else -1)
    return f"Every {_DAYS[number]}" if number >= 0 else ""


class OfColumns(Protocol):
    """What is said of a pattern of columns."""

    @property
    def pattern(self) -> str: ...


RowT = TypeVar("RowT", bound=OfColumns)


def by_table(rows: Iterable[RowT]) -> list[tuple[str, list[RowT]]]:
    """Rows in order, those beside one another that are about the same table."""
    return [
        (table, list(group)) for table, group in groupby(rows, lambda row: row.pattern.rpartition(".")[0])
    ]


def action(name: str) -> str:
    """An audit action in words."""
    return name.replace(".", ": ", 1).replace("_", " ")


def paragraphs(text: str | None) -> Markup:
    """Text with its line breaks kept."""
    return Markup("<br>").join(escape(line) for line in (text or "").splitlines())
