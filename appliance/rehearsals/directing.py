"""One direction of a rehearsal, the migration or its way back: performed under watch, and summed up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.rehearsals.performing import Performance
from appliance.rehearsals.results.report import Blocked, Direction, Failure, TableReport
from appliance.rehearsals.statements import Statement
from appliance.rehearsals.watch.catalog import CatalogState, read_sizes, read_state
from appliance.rehearsals.watch.timeline import Stretch, Timeline, joined
from appliance.rehearsals.watch.watching import Watch, Watched

_OPEN_AT_END = Failure(
    sqlstate=None, why="The files end inside a transaction, so the server undid it: there is no COMMIT."
)

Open = Callable[[], Connection[TupleRow]]


@dataclass(frozen=True)
class Stage:
    """A branch, and the two ways into it."""

    look: Open
    """As the appliance: for looks and probes."""
    migrate: Open
    """As the migration's role, with that role's own settings."""
    minutes: float
    source_rows: Mapping[str, int]
    """About how many rows each table has in the source, where the run has left some out."""
    say: Callable[[str], None] = field(default=lambda _: None)
    """How far it is."""
    unwanted: Callable[[], bool] = field(default=lambda: False)
    """Whether it was asked to end."""


def direct(stage: Stage, statements: Sequence[Statement]) -> Direction:
    """Perform the statements. A failure of theirs is in what is returned; raises our errors and psycopg's."""
    with closing(stage.look()) as session:
        before = read_state(session)
        sizes = read_sizes(session, before.tables())
    with closing(stage.migrate()) as session:
        pid = session.info.backend_pid
        performance = Performance(session, before, sizes, stage.say)
        began = time.monotonic()
        watched = Watched(pids=lambda _: [pid], cancel=lambda: _cancel(session), unwanted=stage.unwanted)
        with Watch(stage.look, before, watched, stage.minutes * 60) as watch:
            performance.perform(statements, watch)
            seconds = time.monotonic() - began
    with closing(stage.look()) as session:
        after = read_state(session)
        sizes_after = read_sizes(session, [oid for oid in after.tables() if oid in before.relations])
    return Direction(
        seconds=round(seconds, 3),
        statements=performance.reports(),
        tables=table_reports(
            watch.timeline, before, sizes, sizes_after, began=began, source_rows=stage.source_rows
        ),
        left_invalid=tuple(sorted(after.invalid() - before.invalid())),
        stopped=watch.out_of_time,
        cancelled=performance.cancelled,
        failure=_OPEN_AT_END if performance.left_open else None,
        notes=tuple(watch.notes),
    )


def table_reports(
    timeline: Timeline,
    before: CatalogState,
    sizes: Mapping[int, int],
    sizes_after: Mapping[int, int],
    *,
    began: float,
    source_rows: Mapping[str, int],
) -> tuple[TableReport, ...]:
    """What became of every table that was locked by more than a look at it."""
    reports = []
    for table in timeline.tables():
        mode, seconds = timeline.strongest_of(table)
        known = before.relations[table]
        readers, writers = timeline.blocked(table, "reader"), timeline.blocked(table, "writer")
        reports.append(
            TableReport(
                table=known.name,
                strongest=mode,
                held_ms=round(seconds * 1000, 1),
                reader_blocked_ms=_longest(readers),
                writer_blocked_ms=_longest(writers),
                probed=table in timeline.probed,
                rows_before=known.rows if known.rows >= 0 else None,
                rows_in_source=source_rows.get(known.name),
                bytes_before=sizes.get(table, 0),
                bytes_after=sizes_after.get(table),
                blocked=tuple(_blocked(readers, writers, began)),
            )
        )
    return tuple(reports)


def _longest(stretches: Sequence[Stretch]) -> float:
    return round(max((each.seconds for each in stretches), default=0.0) * 1000, 1)


def _blocked(readers: Sequence[Stretch], writers: Sequence[Stretch], began: float) -> list[Blocked]:
    """Stretches in their order: when only writers waited, and when readers did, who wait for less."""
    result = []
    for stretch in joined([*readers, *writers]):
        both = any(each.start < stretch.end and stretch.start < each.end for each in readers)
        result.append(
            Blocked(
                start_ms=round((stretch.start - began) * 1000, 1),
                end_ms=round((stretch.end - began) * 1000, 1),
                who="both" if both else "writers",
            )
        )
    return result


def _cancel(session: Connection[TupleRow]) -> None:
    with suppress(psycopg.Error):
        session.cancel()
