"""Following a run through the appliance's status service, on the display that `appliance run` has."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

from rich.console import Console

from appliance.cli.terminal.progress import RunDisplay
from appliance.contract.step_messages import Notice, Progress
from appliance.errors import WorkFailedError
from appliance.postgres.plan import Plan

EVERY_S = 0.4
UNKNOWN_FOR_S = 60
OVER = ("succeeded", "failed", "refused", "cancelled")

Row = dict[str, Any]


class Follower:
    """Shows a display what has changed since the last look at the run."""

    def __init__(self, display: RunDisplay, url: str, run_id: str) -> None:
        self._display = display
        self._address = f"{url}/runs/{run_id}"
        self._shown: set[tuple[Any, ...]] = set()
        self._parts: dict[str, int] = {}
        self._seen: dict[tuple[Any, ...], Row] = {}

    def planned(self, plan: Plan) -> None:
        """How many parts the mapped steps have, and the tables to expect."""
        self._parts = {"copy": len(plan.shards), "publish": len(plan.targets)}
        self._display.planned(plan)

    def look(self) -> Row | None:
        """Ask once; None while the run is not known yet or the service does not answer."""
        try:
            with urllib.request.urlopen(self._address, timeout=10) as answer:
                run: Row = json.load(answer)
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return None
        for step in run["steps"]:
            self._tell_start(step)
        for progress in run["progress"]:
            self._tell_progress(progress)
        for step in run["steps"]:
            self._tell_end(step)
        for notice in run["notices"]:
            if self._first(("notice", notice["step"], notice["text"])):
                self._display.message(Notice(step=notice["step"], text=notice["text"]))
        return run

    def _first(self, what: tuple[Any, ...]) -> bool:
        new = what not in self._shown
        self._shown.add(what)
        return new

    def _tell_start(self, step: Row) -> None:
        name, shard = step["step"], step["shard"]
        if self._first(("start", name, shard)):
            self._display.step_started(name, shard, self._parts.get(name, 1))

    def _tell_end(self, step: Row) -> None:
        name, shard = step["step"], step["shard"]
        if step["state"] not in ("running", "retrying") and self._first(("end", name, shard)):
            worked = step["state"] in ("succeeded", "skipped")
            self._display.step_ended(name, shard, step["seconds"] or 0.0, worked=worked)

    def _tell_progress(self, row: Row) -> None:
        key = (row["step"], row["shard"], row["table"], row["part"])
        if self._seen.get(key) != row:
            self._seen[key] = row
            fields = {name: value for name, value in row.items() if name in Progress.model_fields}
            self._display.message(Progress(**fields))


def follow(console: Console, title: str, url: str, run_id: str, read_plan: Any) -> Row:
    """Show the run until it is over, and return it as the status service has it."""
    with RunDisplay(console, title) as display:
        follower = Follower(display, url, run_id)
        last_answer = time.monotonic()
        planned = False
        while True:
            run = follower.look()
            if run is not None:
                last_answer = time.monotonic()
                if not planned and _has_plan(run):
                    follower.planned(read_plan())
                    planned = True
                if run["state"] in OVER:
                    return run
            elif time.monotonic() - last_answer > UNKNOWN_FOR_S:
                raise WorkFailedError(
                    "The status service has said nothing of the run for a minute.",
                    f"It was asked at {url}.",
                    "look at the logs of the services status and scheduler",
                )
            time.sleep(EVERY_S)


def _has_plan(run: Row) -> bool:
    return any(step["step"] == "plan" and step["state"] == "succeeded" for step in run["steps"])
