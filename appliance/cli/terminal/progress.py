"""The live display of a run: on a terminal it moves, in a pipe it is a line now and then."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from appliance.cli.terminal.output import counted, duration, size
from appliance.cli.terminal.run_state import RunState, TableProgress
from appliance.contract.step_messages import Notice, Progress
from appliance.documents.problems import printable
from appliance.postgres.plan import Plan

_LINE_EVERY_S = 5.0
_REFRESH_A_SECOND = 4
_SHOWN_TABLES = 8
_MARKS = {"done": ("✓", "green"), "running": ("…", "cyan"), "failed": ("✗", "red")}
_PLAIN_MARKS = {"✓": "+", "…": ".", "✗": "x"}


class RunDisplay:
    """Shows a run from what is passed to it. A context manager: the moving part ends with the block."""

    def __init__(
        self, console: Console, title: str, *, ticked: bool = False, announced: bool = False
    ) -> None:
        """``ticked``: its caller calls ``tick`` a few times a second, and no thread is started.

        ``announced``: the title has been printed already.
        """
        self.console = console
        self.state = RunState()
        self._title = title
        self._announced = announced
        self._moving = console.is_terminal and not console.is_dumb_terminal
        self._live = Live(
            console=console,
            auto_refresh=not ticked,
            refresh_per_second=_REFRESH_A_SECOND,
            get_renderable=self._picture,
            transient=True,
        )
        self._next_line = 0.0
        self._next_picture = 0.0

    def __enter__(self) -> RunDisplay:
        if self._moving:
            self._live.start()
        elif not self._announced:
            self._line(self._title)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._moving:
            self._live.stop()
            self.console.print(self._steps_line())

    def tick(self) -> None:
        """Draw again, if it is time."""
        now = time.monotonic()
        if self._moving and now >= self._next_picture:
            self._next_picture = now + 1 / _REFRESH_A_SECOND
            self._live.refresh()

    def planned(self, plan: Plan) -> None:
        """The plan is made: its tables are expected."""
        self.state.plan(plan)
        if not self._moving:
            tables, shards = counted(len(plan.tables), "table"), counted(len(plan.shards), "shard")
            masked = counted(sum(len(table.masked_columns) for table in plan.tables), "masked column")
            rows = f"about {counted(plan.estimated_rows, 'row')}"
            self._line(f"plan: {tables}, {rows}, {masked}, {shards}")

    def step_started(self, step: str, part: int | None, parts: int) -> None:  # noqa: ARG002
        """A part of a step begins."""
        first = step not in self.state.steps
        self.state.step_started(step, parts)
        if not self._moving and first:
            self._next_line = time.monotonic() + _LINE_EVERY_S

    def step_ended(self, step: str, part: int | None, seconds: float, *, worked: bool) -> None:  # noqa: ARG002
        """A part of a step is over."""
        self.state.step_ended(step, worked=worked)
        over = self.state.steps[step]
        if self._moving:
            return
        if not worked:
            self._line(f"{step}: failed")
        elif over.seconds is not None:
            rows = f", {counted(self.state.rows, 'row')}, {size(self.state.bytes)}" if step == "copy" else ""
            self._line(f"{step}: done in {duration(over.seconds)}{rows}")

    def message(self, message: Progress | Notice) -> None:
        if isinstance(message, Notice):
            self.console.print(
                Text(printable(f"{message.step}: {message.text}"), style="yellow"), soft_wrap=True
            )
            return
        self.state.progress(message)
        now = time.monotonic()
        if not self._moving and now >= self._next_line:
            self._next_line = now + _LINE_EVERY_S
            self._line(self._copy_line() if message.step == "copy" else _phase_line(message))

    def _line(self, text: str) -> None:
        self.console.print(printable(text), soft_wrap=True, highlight=False, markup=False)

    def _copy_line(self) -> str:
        state = self.state
        rows_rate, bytes_rate = state.rate
        expected = max(state.rows_expected, 1)
        left = state.seconds_left
        parts = [
            f"copy: {100 * state.rows // expected} %",
            f"{state.rows:,} of about {expected:,} rows",
            f"{rows_rate:,.0f} rows/s",
            f"{size(bytes_rate)}/s",
        ]
        return ", ".join(parts + ([f"about {duration(left)} left"] if left is not None else []))

    def _picture(self) -> RenderableType:
        parts: list[RenderableType] = [Text(self._title, style="bold"), self._steps_line()]
        copy = self.state.steps.get("copy")
        if copy is not None and copy.state == "running":
            parts.append(self._copy_picture())
        else:
            running = [step.name for step in self.state.steps.values() if step.state == "running"]
            parts += [
                Text(printable(f"  {_phase_line(self.state.other[name])}"))
                for name in running
                if name in self.state.other
            ]
        return Group(*parts)

    def _steps_line(self) -> Text:
        line = Text("  ")
        fancy = (self.console.encoding or "").lower().startswith("utf")
        for step in self.state.steps.values():
            mark, colour = _MARKS[step.state]
            line.append(f"{mark if fancy else _PLAIN_MARKS[mark]} ", style=colour)
            shown = f"{step.name} {step.finished}/{step.parts}" if step.parts > 1 else step.name
            line.append(shown, style="" if step.state == "running" else "dim")
            line.append(f" {duration(step.seconds)}   " if step.seconds is not None else "   ", style="dim")
        return line

    def _copy_picture(self) -> Table:
        state = self.state
        grid = Table.grid(padding=(0, 2), expand=False)
        for justify in ("left", "left", "right", "right", "right"):
            grid.add_column(justify=justify)
        rows_rate, bytes_rate = state.rate
        left = state.seconds_left
        expected = max(state.rows_expected, 1)
        done = sum(table.done for table in state.tables.values())
        grid.add_row(
            Text(f"  {done} of {len(state.tables)} tables"),
            ProgressBar(total=expected, completed=state.rows, width=32),
            f"{state.rows:,} / {expected:,} rows",
            f"{rows_rate:,.0f} rows/s {size(bytes_rate)}/s",
            f"{duration(left)} left" if left is not None else "",
        )
        for table in self._active_tables():
            grid.add_row(
                Text(printable(f"    {table.name}"), style="dim"),
                ProgressBar(total=max(table.expected, 1), completed=table.rows, width=32),
                f"{table.rows:,} / {table.expected:,}",
                "",
                "",
            )
        return grid

    def _active_tables(self) -> list[TableProgress]:
        active = [table for table in self.state.tables.values() if table.active]
        return sorted(active, key=lambda table: -table.expected)[:_SHOWN_TABLES]


def _phase_line(message: Progress) -> str:
    what = f" {message.table}" if message.table else ""
    counted = f" {message.rows:,}" if message.rows else ""
    expected = f" of {message.rows_expected:,}" if message.rows_expected and message.rows else ""
    return f"{message.step}:{what}{counted}{expected}{' done' if message.done else ''}"
