"""The latest runs of each workflow as bars: as tall as they took long, in the colour of their state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from appliance.dashboard.pages import display
from appliance.dashboard.store.run_history.rows import LatestRun

WIDTH, GAP, TALLEST, SHORTEST = 9, 3, 30, 4


@dataclass(frozen=True)
class Bar:
    """One run, in units of the drawing."""

    address: str
    x: int
    height: int
    tone: str
    about: str


@dataclass(frozen=True)
class GridRow:
    """One workflow with its latest runs, oldest first."""

    workflow_id: str
    title: str
    known: bool
    """It is a workflow of this dashboard."""
    bars: tuple[Bar, ...]
    rows_line: str
    """The rows of each run that counted some, as points of a line; empty for fewer than two."""
    width: int
    last_state: str
    last_seconds: float | None
    last_rows: int | None


def grid(runs: Iterable[LatestRun]) -> list[GridRow]:
    """From the latest runs, by workflow and oldest first; the workflow with the newest run comes first."""
    found = [list(of_one) for _, of_one in groupby(runs, key=lambda run: run.workflow_id)]
    found.sort(key=lambda of_one: -of_one[-1].started_at)
    return [_row(of_one) for of_one in found]


def _row(runs: list[LatestRun]) -> GridRow:
    longest = max((run.seconds or 0.0 for run in runs), default=0.0) or 1.0
    most = max((run.rows or 0 for run in runs), default=0) or 1
    points = [
        f"{_x(number) + WIDTH / 2:g},{TALLEST - (TALLEST - 4) * run.rows / most:g}"
        for number, run in enumerate(runs)
        if run.state == "succeeded" and run.rows
    ]
    newest = runs[-1]
    over = [run for run in runs if run.seconds is not None]
    return GridRow(
        workflow_id=newest.workflow_id,
        title=newest.workflow_title or newest.workflow_id,
        known=newest.workflow_title is not None,
        bars=tuple(_bar(number, run, longest) for number, run in enumerate(runs)),
        rows_line=" ".join(points) if len(points) > 1 else "",
        width=_x(len(runs)),
        last_state=newest.state,
        last_seconds=over[-1].seconds if over else None,
        last_rows=next((run.rows for run in reversed(runs) if run.rows), None),
    )


def _x(number: int) -> int:
    return number * (WIDTH + GAP)


def _bar(number: int, run: LatestRun, longest: float) -> Bar:
    tone, word = display.STATES.get(run.state, ("idle", run.state))
    share = (run.seconds or 0.0) / longest
    took = f", {display.duration(run.seconds)}" if run.seconds is not None else ""
    rows = f", {display.count(run.rows)} rows" if run.rows else ""
    return Bar(
        address=f"/runs/{run.appliance_id}/{run.run_id}",
        x=_x(number),
        height=max(SHORTEST, round(TALLEST * share)),
        tone=tone,
        about=f"{word}, {display.utc(run.started_at)}{took}{rows}",
    )
