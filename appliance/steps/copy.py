"""``copy``: one shard of tables from the source, masked by its own SQL, into ``<twin>__next``."""

from __future__ import annotations

import itertools
import time
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Sequence

from pydantic import BaseModel

from appliance.errors import WorkFailedError, WrongRequestError
from appliance.postgres.copying.copy_stream import Copied
from appliance.postgres.plan import CopyItem, Plan, PlannedTable, Shard
from appliance.postgres.source.lock_watch import Age, GaveWayError, LockWatch, described, still_in_the_way
from appliance.steps.calling.context import StepContext
from appliance.steps.kept.on_source import count_originals
from appliance.steps.source.copy_ends import CopyEnds, LockedError

_REPORT_EVERY_S = 0.5
_FIRST_WAIT_S = 1.0
"""For a locked table, while there are others to go on with."""
_LONGEST_WAIT_S = 5.0
_MOST_YIELDS = 20
"""Of one piece: then a session locks its table again and again."""
_TOGETHER = 16
"""Small tables in one transaction: each is locked on the source for as long as they all take."""
_COUNT = "left out"


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
    shard = _shard(plan, context.call.shard)
    limits = context.spec.workflow.limits
    age = Age(context.snapshot().taken_at, limits.snapshot_s, lambda: _half_over(context))
    counts = plan.left_out_sql is not None and shard == _last_shard(plan, shard.target)
    apart = counts or any(plan.tables[item.table].apart for item in shard.items)
    with (
        LockWatch(context.connect_source, limits.yield_s, age) as watch,
        CopyEnds(context, plan, plan.targets[shard.target], watch, apart=apart) as ends,
    ):
        copying = _Copying(context, plan, ends)
        moved = copying.all_of(shard)
        if counts and plan.left_out_sql is not None:
            copying.count_left_out(plan.left_out_sql)
        if shard == _looking_shard(plan):
            count_originals(context, watch, plan.source.encoding)
    return CopyResult(
        tables=len({item.table for item in shard.items}),
        rows=sum(copied.rows for copied in moved),
        bytes=sum(copied.bytes for copied in moved),
        skipped=copying.skipped,
        seconds=round(time.monotonic() - began, 3),
    )


def _half_over(context: StepContext) -> None:
    minutes = context.spec.workflow.limits.snapshot_s / 60
    context.notice(
        f"The run's snapshot of the source is half as old as it may become ({minutes:g} minutes): vacuum"
        " cleans nothing behind it. The run ends then (limits.snapshot_max_min)."
    )


def _shard(plan: Plan, number: int | None) -> Shard:
    if number is None or not 0 <= number < len(plan.shards):
        raise WrongRequestError(
            f"The plan has no shard {number}.", f"It has the shards 0 to {len(plan.shards) - 1}."
        )
    return plan.shards[number]


def _last_shard(plan: Plan, target: int) -> Shard:
    """The least costly one: it has time to count."""
    return [shard for shard in plan.shards if shard.target == target][-1]


def _looking_shard(plan: Plan) -> Shard:
    """The one beside whose end others are still copied, so that no run waits for the look alone."""
    shards = [shard for shard in plan.shards if shard.target == 0]
    return shards[0] if len(shards) > plan.parallel else shards[-1]


class _Copying:
    """The pieces of a shard in turn: one whose table is locked by another session is put off."""

    def __init__(self, context: StepContext, plan: Plan, ends: CopyEnds) -> None:
        self._context, self._plan, self._ends = context, plan, ends
        self.skipped = 0
        self._waited: dict[str, float] = defaultdict(float)
        self._yielded: dict[str, int] = defaultdict(int)

    def all_of(self, shard: Shard) -> list[Copied]:
        queue = deque(shard.items)
        moved = []
        alone: set[str] = set()
        while queue:
            item = queue.popleft()
            try:
                self._ends.wait_for_room()
                some = [] if item.key in alone else self._like(item, queue, alone)
                if some:
                    alone.update(each.key for each in (item, *some))
                    copied = self._together([item, *some])
                    if copied is not None:
                        for each in some:
                            queue.remove(each)
                        moved += copied
                        continue
                moved.append(self._one(item))
            except LockedError:
                queue.append(item)
            except GaveWayError:
                self._give_way(item)
                queue.appendleft(item)
        return moved

    def _like(self, item: CopyItem, others: Iterable[CopyItem], alone: Collection[str]) -> list[CopyItem]:
        """Further small pieces that can be copied with this one."""
        if not self._ends.may_go_together(item):
            return []
        fit = (
            each
            for each in others
            if each.key not in alone and self._ends.may_go_together(each) and self._ends.alike(item, each)
        )
        return list(itertools.islice(fit, _TOGETHER - 1))

    def _together(self, items: Sequence[CopyItem]) -> list[Copied] | None:
        copied = self._ends.copy_together(items, _FIRST_WAIT_S)
        for item, each in zip(items, copied or [], strict=False):
            _Reporter(self._context, self._plan.tables[item.table], item).done(each)
        return copied

    def _one(self, item: CopyItem) -> Copied:
        table = self._plan.tables[item.table]
        report = _Reporter(self._context, table, item)
        waited = self._waited[item.key]
        wait_s = min(_LONGEST_WAIT_S if waited else _FIRST_WAIT_S, self._longest_wait_s - waited)
        try:
            copied = self._ends.copy(item, wait_s, report)
        except LockedError:
            self._waited[item.key] += wait_s
            if self._waited[item.key] >= self._longest_wait_s:
                raise _locked(table, self._longest_wait_s) from None
            raise
        if copied is None:
            self.skipped += 1
            return self._ends.arrived(item)
        report.done(copied)
        return copied

    def count_left_out(self, query: str) -> None:
        """Bring what filters leave out, as the source counts it, to the target."""
        while True:
            try:
                self._ends.count_left_out(query)
            except GaveWayError:
                self._let_go(_COUNT, "counts anew what filters leave out")
            else:
                return

    def _give_way(self, item: CopyItem) -> None:
        name = self._plan.tables[item.table].qualified
        self._let_go(item.key, f"takes up again what it was reading of {name}")

    def _let_go(self, work: str, then: str) -> None:
        tables = self._ends.in_the_way_of
        self._yielded[work] += 1
        if self._yielded[work] > _MOST_YIELDS:
            raise still_in_the_way(tables, _MOST_YIELDS)
        self._context.notice(
            f"A session waited on the source for {described(tables)}: the run let go of it, and {then}."
        )
        self._ends.reopen()

    @property
    def _longest_wait_s(self) -> int:
        return self._context.spec.workflow.limits.lock_timeout_s


def _locked(table: PlannedTable, waited_s: int) -> WorkFailedError:
    return WorkFailedError(
        f"A table of the source is locked by another session. Table: {table.qualified}.",
        "An ALTER TABLE, TRUNCATE or VACUUM FULL holds it for longer than limits.lock_timeout_s"
        f" ({waited_s} s).",
        "Run it again when that has ended: SELECT * FROM pg_locks WHERE mode = 'AccessExclusiveLock';",
        sqlstate="55P03",
        table=table.qualified,
    )


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
