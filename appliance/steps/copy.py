"""``copy``: one shard of tables from the source, masked by its own SQL, into ``<twin>__next``."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from contextlib import closing

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow
from pydantic import BaseModel

from appliance.errors import ApplianceError, RequestWrong
from appliance.postgres import evidence, ledger
from appliance.postgres.bindings import bind
from appliance.postgres.copy_sql import copy_in, copy_out
from appliance.postgres.copy_stream import Copied, HalfBrokeError, SourceBrokeError, pipe
from appliance.postgres.evidence_parts import Loaded
from appliance.postgres.evidence_parts import relations as relations_of
from appliance.postgres.plan import CopyItem, Plan, PlannedTable, Shard
from appliance.postgres.server_errors import named_failure
from appliance.postgres.snapshot import import_snapshot
from appliance.steps.context import StepContext

_REPORT_EVERY_S = 0.5


class CopyResult(BaseModel):
    """What a shard moved. Rows that an earlier attempt had moved count too."""

    tables: int
    rows: int
    bytes: int
    skipped: int
    """Pieces that had arrived before."""
    seconds: float


def run(context: StepContext) -> CopyResult:
    """Copy every piece of the shard, each in a transaction of its own on the target. Raises our errors."""
    began = time.monotonic()
    plan = context.plan()
    shard = _shard(plan, context.shard)
    target = plan.targets[shard.target]
    moved = []
    with (
        closing(context.connect_source()) as source,
        closing(context.connect_target(target.connection, target.next_database)) as into,
    ):
        import_snapshot(source, context.snapshot())
        bind(source, context.key(), (*plan.bindings, *evidence.bindings(plan)))
        skipped, relations = 0, relations_of(plan)
        for item in shard.items:
            copied = _copy_once(context, plan, item, source, into, relations)
            skipped += copied is None
            moved.append(copied or _arrived(into, item))
    return CopyResult(
        tables=len({item.table for item in shard.items}),
        rows=sum(copied.rows for copied in moved),
        bytes=sum(copied.bytes for copied in moved),
        skipped=skipped,
        seconds=round(time.monotonic() - began, 3),
    )


def _shard(plan: Plan, number: int | None) -> Shard:
    if number is None or not 0 <= number < len(plan.shards):
        raise RequestWrong(
            f"The plan has no shard {number}.", f"It has the shards 0 to {len(plan.shards) - 1}."
        )
    return plan.shards[number]


def _copy_once(  # noqa: PLR0917
    context: StepContext,
    plan: Plan,
    item: CopyItem,
    source: Connection[TupleRow],
    into: Connection[TupleRow],
    relations: Mapping[int, Loaded],
) -> Copied | None:
    """Copy one piece; None where it had arrived already."""
    table = plan.tables[item.table]
    report = _Reporter(context, table, item)
    try:
        if not ledger.begin(into, item.key, table.qualified):
            return None
        copied = pipe(source.pgconn, into.pgconn, copy_out(table, item), copy_in(table), report)
        evidence.gather(source, into, plan, item, copied.rows, relations[item.table])
        ledger.commit(into, item.key, copied.rows, copied.bytes)
    except HalfBrokeError as error:
        _stop(source)
        raise _explain(error, table) from None
    except psycopg.Error as error:
        raise named_failure("A table could not be written.", error, table=table.qualified) from None
    except BaseException:
        _stop(source)
        raise
    report.done(copied)
    return copied


def _arrived(into: Connection[TupleRow], item: CopyItem) -> Copied:
    rows, size = ledger.arrived_item(into, item.key)
    return Copied(rows, size)


def _explain(error: HalfBrokeError, table: PlannedTable) -> ApplianceError:
    reading = isinstance(error, SourceBrokeError)
    what = "A table could not be read from the source." if reading else "A table could not be written."
    return named_failure(what, error.error, table=table.qualified)


def _stop(source: Connection[TupleRow]) -> None:
    """The source's server should not go on computing rows that nobody takes."""
    with contextlib.suppress(psycopg.Error):
        source.cancel_safe(timeout=5)


class _Reporter:
    """Says how far a piece is, twice a second at most."""

    def __init__(self, context: StepContext, table: PlannedTable, item: CopyItem) -> None:
        self._context = context
        self._table = table.qualified
        self._part = f"{item.part + 1}/{item.parts}" if item.parts > 1 else None
        self._expected = table.estimated_rows // item.parts
        self._next = time.monotonic() + _REPORT_EVERY_S

    def __call__(self, rows: int, size: int) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _REPORT_EVERY_S
            self._say(rows, size, done=False)

    def done(self, copied: Copied) -> None:
        """The piece has arrived."""
        self._say(copied.rows, copied.bytes, done=True)

    def _say(self, rows: int, size: int, *, done: bool) -> None:
        self._context.progress(
            part=self._part,
            table=self._table,
            rows=rows,
            rows_expected=rows if done else max(self._expected, rows),
            bytes=size,
            done=done,
        )
