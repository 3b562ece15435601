"""The bar of a pull: on a terminal it moves, in a pipe it is a line now and then."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from appliance.cli.terminal.output import size
from appliance.documents.problems import printable

_LINE_EVERY_S = 5.0


class PullBar:
    """One thing that is counted. A context manager."""

    def __init__(self, title: str, total: int, *, in_bytes: bool) -> None:
        self._title, self._total, self._in_bytes = title, max(total, 1), in_bytes
        self._done = 0
        self._next_line = time.monotonic() + _LINE_EVERY_S
        self._console = Console(stderr=True)
        self._moving = self._console.is_terminal and not self._console.is_dumb_terminal
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[shown]}", markup=False),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._moving,
        )
        self._task = self._bars.add_task(title, total=self._total, shown="")

    def __enter__(self) -> PullBar:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def more(self, amount: int) -> None:
        """So much more is done."""
        self.at(self._done + amount)

    def at(self, done: int, note: str = "") -> None:
        """So much is done now."""
        self._done = done
        counted = (
            f"{size(done)} of {size(self._total)}" if self._in_bytes else f"{done:,} of {self._total:,} rows"
        )
        shown = printable(f"{counted}{f', {note}' if note else ''}")
        if self._moving:
            self._bars.update(self._task, completed=min(done, self._total), shown=shown)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _LINE_EVERY_S
            self._console.print(f"{self._title}: {shown}", soft_wrap=True, highlight=False, markup=False)
