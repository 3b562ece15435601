"""``copy``: one shard of tables from the source, masked by its own SQL, into ``<twin>__next``."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, closing
from functools import partial

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow
from pydantic import BaseModel

from appliance.errors import ApplianceError, RequestWrong
from appliance.postgres import evidence, ledger
from appliance.postgres.bindings import bind_words
from appliance.postgres.chosen_rows import chosen_rows, gives_evidence
from appliance.postgres.connect import database_failure
from appliance.postgres.copy_sql import copy_in, copy_out
from appliance.postgres.copy_stream import Copied, HalfBrokeError, SourceBrokeError, pipe
from appliance.postgres.evidence_parts import Loaded
from appliance.postgres.evidence_parts import relations as relations_of
from appliance.postgres.left_out import count_left_out
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
        ExitStack() as stack,
        closing(context.connect_source(keyed=True)) as source,
        closing(context.connect_target(target.connection, target.next_database)) as into,
    ):
        import_snapshot(source, context.snapshot())
        bind_words(source, plan.bindings)
        counts = plan.left_out_sql is not None and shard == _last_shard(plan, shard.target)
        without_keys = None
        if counts or any(plan.tables[item.table].apart for item in shard.items):
            without_keys = stack.enter_context(closing(context.connect_source()))
            import_snapshot(without_keys, context.snapshot())
        skipped, relations = 0, relations_of(plan)
        for item in shard.items:
            copied = _copy_once(context, plan, item, source, into, relations, without_keys)
            skipped += copied is None
            moved.append(copied or _arrived(into, item))
        if counts and without_keys is not None and plan.left_out_sql is not None:
            # What somebody has written as a condition is part of this query.
            _count_left_out(without_keys, into, plan.left_out_sql)
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


def _last_shard(plan: Plan, target: int) -> Shard:
    """The least costly one: it has time to count."""
    return [shard for shard in plan.shards if shard.target == target][-1]


def _count_left_out(source: Connection[TupleRow], into: Connection[TupleRow], query: str) -> None:
    try:
        count_left_out(source, into, query)
    except psycopg.Error as error:
        what = "The rows that filters leave out could not be counted."
        raise database_failure(what, error) from None


def _copy_once(  # noqa: PLR0917
    context: StepContext,
    plan: Plan,
    item: CopyItem,
    source: Connection[TupleRow],
    into: Connection[TupleRow],
    relations: Mapping[int, Loaded],
    without_keys: Connection[TupleRow] | None,
) -> Copied | None:
    """Copy one piece; None where it had arrived already."""
    table = plan.tables[item.table]
    report = _Reporter(context, table, item)
    try:
        if not ledger.begin(into, item.key, table.qualified):
            return None
        copied = Copied(0, 0)
        for batch, piece in enumerate(_pieces(table, item, without_keys)):
            on_bytes = partial(report.after, copied)
            moved = pipe(source.pgconn, into.pgconn, copy_out(table, piece), copy_in(table), on_bytes)
            copied = Copied(copied.rows + moved.rows, copied.bytes + moved.bytes)
            if piece.ctids is None or gives_evidence(batch):
                evidence.gather(source, into, plan, piece, moved.rows, relations[item.table])
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


def _pieces(
    table: PlannedTable, item: CopyItem, without_keys: Connection[TupleRow] | None
) -> Iterable[CopyItem]:
    """The piece as it is, or batch by batch where free SQL chooses its rows in a session of its own."""
    if not table.apart:
        return (item,)
    assert without_keys is not None  # noqa: S101
    return chosen_rows(without_keys, table, item)


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

    def after(self, before: Copied, rows: int, size: int) -> None:
        """So far, with what earlier batches of the piece have moved."""
        self(before.rows + rows, before.bytes + size)

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
