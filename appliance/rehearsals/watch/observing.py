"""A program that migrates a branch by itself: its statements and locks as the server shows them to others.

Statements are seen in ``pg_stat_activity`` by the watch's looks: one that begins and ends between two of
them is seen only if it is still its session's last.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.errors import ApplianceError, WrongRequestError
from appliance.rehearsals.directing import Stage, table_reports
from appliance.rehearsals.results.report import CatalogChanges, Direction, Failure, LockHeld, StatementReport
from appliance.rehearsals.statements import SHOWN_LONGEST, split_statements
from appliance.rehearsals.watch.catalog import changes, read_sizes, read_state
from appliance.rehearsals.watch.locks import strongest
from appliance.rehearsals.watch.timeline import Timeline
from appliance.rehearsals.watch.watching import Watch, Watched

PROGRAM = "program"
"""What stands for a file in a report of such statements."""
_MOST = 1000
_SLACK_S = 60.0
_ACTIVITY = """
SELECT pid, extract(epoch FROM clock_timestamp() - query_start)::float8,
    CASE WHEN state = 'active' THEN 0 ELSE extract(epoch FROM clock_timestamp() - state_change) END::float8,
    state = 'active', query, query_start::text
FROM pg_stat_activity
WHERE datname = current_database() AND usename = %s AND backend_type = 'client backend' ORDER BY query_start
"""


@dataclass(frozen=True)
class Outcome:
    """How the program has ended."""

    failure: Failure | None = None
    stopped: bool = False


@dataclass
class _Seen:
    """A statement, in seconds of ``time.monotonic``."""

    query: str
    began: float
    ended: float
    over: bool = False


@dataclass
class Sessions:
    """The program's sessions, which are those of its role, and what they were seen to send."""

    role: str
    seen: dict[tuple[int, str], _Seen] = field(default_factory=dict)
    overlooked: bool = False

    def pids(self, session: Connection[TupleRow]) -> list[int]:
        """Those that there are now; their statements are written down."""
        found = []
        for pid, since_s, ended_s, active, query, start in session.execute(_ACTIVITY, [self.role]).fetchall():
            found.append(pid)
            if query and since_s is not None:
                self._note((pid, start), query, since_s, ended_s, active)
        return found

    def _note(self, key: tuple[int, str], query: str, since_s: float, ended_s: float, active: bool) -> None:
        now = time.monotonic()
        known = self.seen.get(key)
        if known is None:
            if len(self.seen) >= _MOST:
                self.overlooked = True
                return
            known = self.seen[key] = _Seen(query, now - since_s, now)
        if not known.over:
            known.ended = now - ended_s
            known.over = not active


def observe(stage: Stage, role: str, perform: Callable[[], Outcome]) -> Direction:
    """Have the program do its work, in the branch as ``role``, and say what was seen. Raises our errors."""
    with closing(stage.look()) as session:
        before = read_state(session)
        sizes = read_sizes(session, before.tables())
    sessions = Sessions(role)
    # The program is ended by what has started it; its sessions only if they outlive it.
    watched = Watched(pids=sessions.pids, cancel=lambda: None, unwanted=stage.unwanted)
    with Watch(stage.look, before, watched, stage.minutes * 60 + _SLACK_S) as watch:
        began = time.monotonic()
        cancelled = False
        try:
            outcome = perform()
        except (KeyboardInterrupt, ApplianceError):
            if not watch.is_unwanted():
                raise
            outcome, cancelled = Outcome(), True
        ended = time.monotonic()
    if cancelled := cancelled or watch.cancelled:
        # How it ended is our own doing.
        outcome = Outcome()
    for (table, mode), stretches in watch.timeline.stretches_between(began, ended).items():
        for stretch in stretches:
            watch.timeline.hold(table, mode, stretch)
    with closing(stage.look()) as session:
        after = read_state(session)
        sizes_after = read_sizes(session, [oid for oid in after.tables() if oid in before.relations])
    names = {oid: table.name for oid, table in before.tables().items()}
    notes = [*watch.notes]
    if sessions.overlooked:
        notes.append(f"It sent more than {_MOST} statements: those after them are not listed.")
    return Direction(
        seconds=round(ended - began, 3),
        statements=_reports(sessions, watch.timeline, names),
        tables=table_reports(
            watch.timeline, before, sizes, sizes_after, began=began, source_rows=stage.source_rows
        ),
        left_invalid=tuple(sorted(after.invalid() - before.invalid())),
        changes=CatalogChanges.model_validate(vars(changes(before, after))),
        stopped=outcome.stopped,
        cancelled=cancelled,
        failure=outcome.failure,
        notes=tuple(notes),
    )


def _reports(sessions: Sessions, timeline: Timeline, names: dict[int, str]) -> tuple[StatementReport, ...]:
    reports = []
    for place, each in enumerate(sorted(sessions.seen.values(), key=lambda seen: seen.began), start=1):
        by_table: dict[int, dict[str, float]] = {}
        for (table, mode), stretch in timeline.seen_between(each.began, each.ended).items():
            by_table.setdefault(table, {})[mode] = stretch.seconds
        locks = [
            LockHeld(table=names[table], mode=mode, held_ms=round(modes[mode] * 1000, 1))
            for table, modes in by_table.items()
            for mode in [strongest(modes)]
        ]
        reports.append(
            StatementReport(
                file=PROGRAM,
                line=place,
                statement=shown(each.query),
                ms=round(max(each.ended - each.began, 0.0) * 1000, 1),
                in_transaction=True,
                locks=tuple(sorted(locks, key=lambda lock: lock.table)),
            )
        )
    return tuple(reports)


def shown(query: str) -> str:
    """The text without what stands in quotes. The server cuts a long one: then a quote may have no end."""
    try:
        found = "; ".join(each.shown for each in split_statements(query, PROGRAM))
    except WrongRequestError:
        found = " ".join(query.split("'", 1)[0].split("$", 1)[0].split()) + " …"
    return found if len(found) <= SHOWN_LONGEST else f"{found[: SHOWN_LONGEST - 1]}…"
