"""How far a run is, put together from what its steps say. Knows nothing of how it is shown."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from appliance.contract.step_messages import Progress
from appliance.postgres.plan import Plan

_RATE_WINDOW_S = 10.0
_SHORTEST_TRAIL_S = 0.2
"""Messages that arrive together say how far the copying is, not how fast it goes."""


@dataclass
class TableProgress:
    """One table's copying, its pieces taken together."""

    name: str
    expected: int
    rows: int = 0
    bytes: int = 0
    done: bool = False
    pieces: dict[str, Progress] = field(default_factory=dict)
    parts: int = 1
    active: bool = False

    def take(self, message: Progress) -> None:
        """Take in one message about one piece."""
        self.pieces[message.part or ""] = message
        self.rows = sum(piece.rows for piece in self.pieces.values())
        self.bytes = sum(piece.bytes for piece in self.pieces.values())
        finished = sum(piece.done for piece in self.pieces.values())
        self.done = finished >= self.parts
        self.active = finished < len(self.pieces)
        if self.done:
            self.expected = self.rows
        else:
            self.expected = max(self.expected, self.rows)


@dataclass
class StepState:
    """One step, all its parts taken together."""

    name: str
    parts: int = 1
    running: int = 0
    finished: int = 0
    began: float = 0.0
    seconds: float | None = None
    failed: bool = False

    @property
    def state(self) -> str:
        """``running``, ``done`` or ``failed``."""
        if self.failed:
            return "failed"
        return "done" if self.seconds is not None else "running"


class RunState:
    """What is known of a run so far."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.steps: dict[str, StepState] = {}
        self.tables: dict[str, TableProgress] = {}
        self.other: dict[str, Progress] = {}
        """The last word of each step but ``copy``."""
        self._trail: deque[tuple[float, int, int]] = deque()
        self.rows = 0
        self.bytes = 0

    def plan(self, plan: Plan) -> None:
        """Expect the plan's tables."""
        parts: dict[str, int] = {}
        for shard in plan.shards:
            for item in shard.items:
                name = plan.tables[item.table].qualified
                parts[name] = parts.get(name, 0) + 1
        for table in plan.tables:
            self.expect(table.qualified, table.estimated_rows, parts.get(table.qualified, 1))

    def expect(self, table: str, rows: int, parts: int = 1) -> None:
        """Expect one table, in so many pieces."""
        self.tables[table] = TableProgress(table, rows, parts=max(parts, 1))

    def step_started(self, name: str, parts: int = 1) -> None:
        """One part of a step begins."""
        step = self.steps.setdefault(name, StepState(name, parts, began=self._clock()))
        step.running += 1
        step.failed = False
        if name == "copy" and not self._trail:
            self._trail.append((step.began, 0, 0))

    def step_ended(self, name: str, *, worked: bool) -> None:
        """One part of a step is over."""
        step = self.steps[name]
        step.running -= 1
        step.finished += worked
        step.failed = not worked
        if step.finished >= step.parts:
            step.seconds = self._clock() - step.began

    def progress(self, message: Progress) -> None:
        """A step says how far it is."""
        if message.step != "copy" or message.table is None:
            self.other[message.step] = message
            return
        table = self.tables.setdefault(
            message.table, TableProgress(message.table, message.rows_expected or message.rows)
        )
        before_rows, before_bytes = table.rows, table.bytes
        table.take(message)
        self.rows += table.rows - before_rows
        self.bytes += table.bytes - before_bytes
        self._trail.append((self._clock(), self.rows, self.bytes))
        while len(self._trail) > 2 and self._trail[-1][0] - self._trail[0][0] > _RATE_WINDOW_S:
            self._trail.popleft()

    @property
    def rows_expected(self) -> int:
        """Of all tables; it settles as tables finish."""
        return sum(table.expected for table in self.tables.values())

    @property
    def rate(self) -> tuple[float, float]:
        """Rows and bytes a second, lately."""
        if len(self._trail) < 2:
            return 0.0, 0.0
        (first_at, first_rows, first_bytes), (at, rows, size) = self._trail[0], self._trail[-1]
        passed = at - first_at
        if passed < _SHORTEST_TRAIL_S:
            return 0.0, 0.0
        return max(rows - first_rows, 0) / passed, max(size - first_bytes, 0) / passed

    @property
    def seconds_left(self) -> float | None:
        """Of the copying, at the present rate; None while that is not known."""
        rows_rate, _ = self.rate
        left = self.rows_expected - self.rows
        return left / rows_rate if rows_rate > 0 and left > 0 else None
