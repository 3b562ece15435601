"""Sends the trace of each run that has ended, in a thread of the status service.

How far it came is on the disk: after a restart nothing is lost, and what is sent again is the same trace.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg
from pydantic import BaseModel, ConfigDict, ValidationError

from appliance.durable import write_file
from appliance.settings.settings import Settings
from appliance.status.state import State
from appliance.status.traces.spans import trace_of
from appliance.store.rows import RunLine
from appliance.system.background import Background
from appliance.system.http import trusting

LOOK_EVERY_S = 10.0
AWAY_S = 60.0
_NEWEST = 200
_FILE = "traced.json"
_TIMEOUT_S = 10.0
_PATH = "/v1/traces"


class Traced(BaseModel):
    """Up to which run's end everything was sent."""

    model_config = ConfigDict(frozen=True)

    until: datetime
    runs: tuple[str, ...] = ()
    """Those of that very moment."""


class TraceSender:
    """``background.start()`` begins it; tests take single turns."""

    def __init__(
        self, settings: Settings, state: State, say: Callable[[str], object] = sys.stderr.write
    ) -> None:
        self._file: Path = settings.status_dir / _FILE
        self._endpoint = settings.traces_endpoint or ""
        self._state = state
        self._say = say
        self._said = ""
        self.background = Background("Sending traces", self.turn, first_after_s=LOOK_EVERY_S)

    def turn(self) -> float:
        """Send what has ended since; in how many seconds to look again."""
        traced = self._traced()
        try:
            for run in self._ended_since(traced):
                details = self._state.run(run.run_id)
                if details is None or run.ended_at is None:
                    continue
                if why := self._send(trace_of(details, socket.gethostname())):
                    self._once(f"Traces wait: {why}.\n")
                    return AWAY_S
                same = traced.runs if run.ended_at == traced.until else ()
                traced = Traced(until=run.ended_at, runs=(*same, run.run_id))
                self._note(traced)
        except psycopg.Error:
            return LOOK_EVERY_S
        self._said = ""
        return LOOK_EVERY_S

    def _ended_since(self, traced: Traced) -> list[RunLine]:
        """Oldest first."""
        found = [
            run
            for run in self._state.runs(None, _NEWEST)
            if run.ended_at is not None and run.ended_at >= traced.until and run.run_id not in traced.runs
        ]
        return sorted(found, key=lambda run: run.ended_at or run.queued_at)

    def _send(self, trace: object) -> str:
        """Why it was not taken, and may be later; empty where it was, or where it never will be."""
        try:
            with httpx.Client(verify=trusting(None), timeout=_TIMEOUT_S, trust_env=False) as client:
                answer = client.post(self._endpoint.rstrip("/") + _PATH, json=trace)
        except httpx.HTTPError as error:
            return f"the collector does not answer ({type(error).__name__})"
        if answer.is_success:
            return ""
        if answer.status_code in (429, 500, 502, 503, 504):
            return f"the collector answers {answer.status_code}"
        self._once(f"A trace was not taken: the collector answers {answer.status_code}.\n")
        return ""

    def _traced(self) -> Traced:
        try:
            return Traced.model_validate_json(self._file.read_bytes())
        except (OSError, ValidationError):
            # What ended before traces were asked for is not sent.
            traced = Traced(until=datetime.now(UTC))
            self._note(traced)
            return traced

    def _note(self, traced: Traced) -> None:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_file(self._file, traced.model_dump_json(), durable=False, mode=0o600)

    def _once(self, text: str) -> None:
        """In the journal, once."""
        if text != self._said:
            self._said = text
            self._say(text)
