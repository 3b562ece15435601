"""Reading the source in the run's snapshot, and giving way: what was read so far is read anew."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import closing
from typing import TypeVar

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.errors import ApplianceError
from appliance.postgres.source.lock_watch import Covered, LockWatch, described, still_in_the_way
from appliance.postgres.source.snapshot import import_snapshot
from appliance.steps.calling.context import StepContext

Read = TypeVar("Read")

MOST_YIELDS = 10


def read_source(
    context: StepContext,
    watch: LockWatch,
    what: str,
    read: Callable[[Connection[TupleRow]], Read],
    *,
    keys: Collection[str] = (),
) -> Read:
    """What ``read`` makes of a session in the run's snapshot; it is called again after giving way.

    ``keys`` are the settings whose keys the session is opened with.

    Raises our errors: its own, and those of a table that stays locked, by name.
    """

    def once(covered: Covered) -> Read:
        with closing(context.connect_source(keys=keys)) as source:
            covered.pids = (source.info.backend_pid,)
            import_snapshot(source, context.snapshot())
            return read(source)

    return giving_way(context, watch, what, once)


def giving_way(context: StepContext, watch: LockWatch, what: str, work: Callable[[Covered], Read]) -> Read:
    """Do some work on sessions that it names in what it is given; again, when they were in the way."""
    tables: set[tuple[str, str]] = set()
    for _ in range(MOST_YIELDS):
        with watch.covering() as covered:
            try:
                return work(covered)
            except (ApplianceError, psycopg.Error) as error:
                if not covered.gave_way:
                    raise named(watch, error) from None
                tables = covered.tables
        context.notice(
            f"A session waited on the source for {described(tables)}: the run let go of it, and reads {what}"
            " anew."
        )
    raise still_in_the_way(tables, MOST_YIELDS)


def named(watch: LockWatch, error: ApplianceError | psycopg.Error) -> ApplianceError | psycopg.Error:
    """With the names of what is locked, where something is."""
    if isinstance(error, ApplianceError) and error.sqlstate == "55P03":
        locked = watch.locked_tables()
        if locked:
            return error.explain(f"{error.why} Locked as a whole by a session now: {described(locked)}.")
    return error
