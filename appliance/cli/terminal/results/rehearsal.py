"""A rehearsal for eyes: what each statement did, and when each table was blocked."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from appliance.cli.terminal.output import duration, print_table
from appliance.documents.problems import printable
from appliance.rehearsals.results.report import Direction, Rehearsal, StatementReport, TableReport
from appliance.rehearsals.results.written import (
    HONEST,
    IN_WORDS,
    did,
    directions,
    estimates,
    milliseconds,
    rows_of,
    sizes_of,
)
from appliance.rehearsals.watch.locks import short

_BAR = 40
_SHOWN_TABLES = 20
_MARKS = {"both": "█", "writers": "▒"}


def print_rehearsal(rehearsal: Rehearsal) -> None:
    """All of it, the verdict last."""
    for way, direction in directions(rehearsal):
        typer.echo(f"{'The migration' if way == 'up' else 'The way back'}, {duration(direction.seconds)}:")
        _print_direction(direction)
        typer.echo()
    comparison = rehearsal.schema_after_down
    if comparison is not None:
        typer.echo(
            "After the way back the schema is as before." if comparison.same else "The schema differs:"
        )
        for line in comparison.difference:
            typer.echo(f"  {printable(line)}")
    for note in (*rehearsal.notes, *rehearsal.up.notes, *(rehearsal.down.notes if rehearsal.down else ())):
        typer.echo(note)
    typer.echo(HONEST)
    if rehearsal.kept:
        typer.echo(f"The branch '{rehearsal.branch}' is kept: appliance branch list {rehearsal.workflow}")
    for reason in rehearsal.reasons:
        typer.echo(printable(reason))
    typer.echo(IN_WORDS[rehearsal.verdict])


def _print_direction(direction: Direction) -> None:
    rows = [line for statement in direction.statements for line in _lines(statement)]
    print_table(("line", "statement", "time", "table", "strongest lock", "held", "what it did"), rows)
    for statement in direction.statements:
        for finding in statement.findings:
            typer.echo(f"{_name(statement)}:{finding.line}: {finding.rule}: {finding.message}")
    if direction.changes is not None and (what := did(direction.changes)):
        typer.echo(f"All in all it {what}.")
    if direction.left_invalid:
        typer.echo(f"Left invalid: {', '.join(direction.left_invalid)}.")
    tables = direction.tables[:_SHOWN_TABLES]
    if not tables:
        return
    typer.echo()
    total_ms = max(
        direction.seconds * 1000, *(each.end_ms for table in tables for each in table.blocked), 1.0
    )
    print_table(
        (
            "table",
            "readers wait",
            "writers wait",
            "rows, about",
            "size",
            "blocked (█ readers and writers, ▒ writers)",
        ),
        [_table(table, total_ms) for table in tables],
    )
    for line in estimates(direction):
        typer.echo(line)
    if len(direction.tables) > len(tables):
        typer.echo(f"… and {len(direction.tables) - len(tables)} more tables: --json has them all.")


def _lines(statement: StatementReport) -> list[Sequence[str]]:
    place = f"{_name(statement)}:{statement.line}"
    locks = [(each.table, short(each.mode), milliseconds(each.held_ms)) for each in statement.locks]
    first, *more = locks or [("", "", "")]
    shown = statement.statement if len(statement.statement) <= 60 else f"{statement.statement[:59]}…"
    head = (place, printable(shown), milliseconds(statement.ms), *first, did(statement))
    return [head, *(("", "", "", *lock, "") for lock in more)]


def _name(statement: StatementReport) -> str:
    return statement.file.rsplit("/", 1)[-1]


def _table(table: TableReport, total_ms: float) -> tuple[str, ...]:
    return (
        table.table,
        milliseconds(table.reader_blocked_ms),
        milliseconds(table.writer_blocked_ms),
        rows_of(table),
        sizes_of(table),
        bar(table, total_ms),
    )


def bar(table: TableReport, total_ms: float) -> str:
    """The time of the migration from left to right; a stretch is one mark at least."""
    marks = ["·"] * _BAR
    for each in table.blocked:
        first = min(int(max(each.start_ms, 0.0) / total_ms * _BAR), _BAR - 1)
        last = min(max(int(each.end_ms / total_ms * _BAR), first + 1), _BAR)
        marks[first:last] = _MARKS[each.who] * (last - first)
    return "".join(marks)
