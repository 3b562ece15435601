"""Keeps an eye on the appliance's disk: gives its reserve up in time, stops runs, says so, remembers a week.

In a thread of its own, which nothing else can hold up: when a disk fills, databases stop answering first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import psycopg

from appliance.contract.events import Noticed
from appliance.exports.stored import remove_leftovers
from appliance.run_folder import StopRequest, open_runs, request_stop
from appliance.settings.settings import Settings
from appliance.status.history import History
from appliance.store import outbox
from appliance.store.database import connect
from appliance.system.background import Background
from appliance.system.disk import Reserve, Space, space_of

LOOK_EVERY_S = 1.0
LEFTOVERS_S = 60.0
"""Longer than a step waits between two tries; what one is writing to is held besides."""


class DiskWatch:
    """``background.start()`` begins it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._reserve = Reserve(settings.state_dir)
        self._history = History(settings.state_dir)
        self._untold: int | None = None
        self._is_low = False
        self.background = Background("Watching the disk", self.look, first_after_s=LOOK_EVERY_S)

    def look(self) -> float:
        """Look once; in how many seconds to look again. Raises nothing that was foreseen."""
        try:
            space = space_of(self._settings.state_dir)
        except OSError:
            return LOOK_EVERY_S
        given_up = self._attempt(lambda: self._reserve.keep(space))
        if given_up:
            self._attempt(lambda: self._stop_runs(space))
        if space.level == "full":
            self._attempt(self._remove_leftovers)
        self._attempt(lambda: self._history.look(space))
        self._notice(space, given_up=bool(given_up))
        return LOOK_EVERY_S

    def _stop_runs(self, space: Space) -> None:
        """What runs would take the last room: they end now, and their own cleaning up gives some back."""
        why = f"The appliance's disk is full: {space.text}."
        request = StopRequest(
            "failed", why, "Make room (appliance exports list; df -h), then start the workflow again."
        )
        for run_id, _ in open_runs(self._settings.state_dir):
            request_stop(self._settings.state_dir, run_id, request)

    def _remove_leftovers(self) -> None:
        """What a run that failed for lack of room has written of its files is most of that room."""
        remove_leftovers(self._settings.exports_dir, older_than_s=LEFTOVERS_S)

    def _notice(self, space: Space, *, given_up: bool) -> None:
        is_low = space.level != "ok"
        if given_up or (is_low and not self._is_low):
            self._untold = space.free
        self._is_low = is_low
        if self._untold is None:
            return
        with contextlib.suppress(psycopg.Error), connect(self._settings.database_url) as db:
            outbox.notice(db, Noticed(kind="disk_low", amount=self._untold))
            self._untold = None

    def _attempt(self, action: Callable[[], bool | None]) -> bool | None:
        try:
            return action()
        except OSError:
            return None
