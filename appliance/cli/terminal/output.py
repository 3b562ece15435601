"""What commands print: tables for eyes, plain columns for a pipe, JSON when asked."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import typer

from appliance.system.disk import readable


def print_json(data: Any) -> None:
    """Indented JSON on standard output."""
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str = "", clipped: str | None = None
) -> None:
    """A table; in a pipe, columns with two blanks between and no escape codes.

    Texts of the column ``clipped``, which must be the last, are cut to one line each.
    """
    if not rows:
        if empty:
            typer.echo(empty)
        return
    if sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415 - a pipe does without it, and is quicker
        from rich.table import Table  # noqa: PLC0415

        table = Table(box=None, pad_edge=False, header_style="bold")
        for i, column in enumerate(columns):
            # Where the terminal is narrow, sentences wrap; an id that was cut could not be copied.
            wraps = column != clipped and any(" " in row[i] for row in rows)
            table.add_column(column, no_wrap=not wraps, overflow="ellipsis")
        for row in rows:
            table.add_row(*(_coloured(cell) for cell in row))
        Console().print(table)
        return
    if clipped is not None:
        rows = [[*row[:-1], _clipped(row[-1])] for row in rows]
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
    for row in [[column.upper() for column in columns], *rows]:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def coloured(state: str) -> str:
    """A state in its colour, where eyes see it."""
    colour = _COLOURS.get(state)
    seen = colour is not None and sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return typer.style(state, fg=colour) if seen else state


def _clipped(text: str) -> str:
    first = text.split("\n", 1)[0]
    return first if len(first) <= _CLIPPED_AT else f"{first[: _CLIPPED_AT - 1].rstrip()}…"


def moment(at: datetime | None) -> str:
    """To the second, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if at else ""


def counted(number: int, noun: str) -> str:
    """``1 row``, ``2,000 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float | None) -> str:
    """``48s``, ``3m 20s``, ``2h 05m``."""
    if seconds is None:
        return ""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f}s" if seconds < 10 else f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02}m"


def size(count: float | None) -> str:
    """Bytes as people read them; empty for what is not known."""
    return "" if count is None else readable(count)


_CLIPPED_AT = 100
"""In a pipe, which has no width."""
_COLOURS = {
    "ok": "green",
    "healthy": "green",
    "done": "green",
    "succeeded": "green",
    "active": "green",
    "running": "cyan",
    "queued": "cyan",
    "retrying": "yellow",
    "waiting": "yellow",
    "cancelled": "yellow",
    "unknown": "yellow",
    "degraded": "yellow",
    "copying": "cyan",
    "not healthy": "red",
    "down": "red",
    "failed": "red",
    "refused": "red",
    "invalid": "red",
}


def _coloured(cell: str) -> str:
    from rich.markup import escape  # noqa: PLC0415

    colour = _COLOURS.get(cell)
    return f"[{colour}]{cell}[/{colour}]" if colour else escape(cell)


def print_json_line(data: Mapping[str, object]) -> None:
    """One JSON object on one line."""
    typer.echo(json.dumps(data, ensure_ascii=False, default=str))
