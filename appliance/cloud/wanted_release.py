"""The release that the dashboard wants: judged by policy, handed to the updater, its answer reported.

The updater runs as root and by itself. It is asked and answers in two files of ``<state_dir>/update``:

    wanted.json    {"version", "requested_at", "command_id"}           written here, whole; never an address
    outcome.json   {"version", "result", "message", "at", "command_id"}    its answer: done, failed or refused
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from psycopg.rows import class_row
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

import appliance
from appliance.contract.events import UpdateChanged
from appliance.contract.fields import VersionName
from appliance.durable import write_file
from appliance.errors import ApplianceError, Explanation, RefusedError
from appliance.policy.policy import Refusal, check_update, enforce, read_policy
from appliance.policy.updates import after
from appliance.releases.held import read_held
from appliance.releases.installed import ROOT
from appliance.releases.repository.trust import Trust
from appliance.settings.settings import Settings
from appliance.store.command_state import Settled, finish_command
from appliance.store.database import Connection
from appliance.store.events import append_event, scrubbed

State = Literal["done", "refused", "failed"]

ANSWER_WITHIN = timedelta(days=8)
"""A weekly update window passes in that time; what nothing holds and has no answer then never will."""
BELIEVED_AFTER_S = 3600.0
"""A release that has run for so long was moved to; until then it may be moved back from."""
LONGEST_ANSWER = 64 * 1024
KEPT = 50


class Outcome(BaseModel):
    """What the updater says became of a wish."""

    version: VersionName
    result: State
    message: Annotated[str, Field(max_length=20_000)] = ""
    at: AwareDatetime
    command_id: str | None = None


@dataclass(frozen=True)
class Wish:
    """A release that was asked for, by a command or by the standing wish."""

    id: int
    version: str
    command_id: str | None
    state: Literal["waiting", "done", "refused", "failed"]
    rule: str | None
    requested_at: datetime


class WantedRelease:
    """One appliance's wishes, one at a time: a newer one takes the place of one that still waits."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.update_dir
        self._began = time.monotonic()
        self._noted: list[str | None] = []

    def note(self, version: str | None) -> None:
        """Keep the wish of a heartbeat for ``follow``: a command that came with it is answered first."""
        self._noted = [version]

    def follow(self, db: Connection) -> None:
        """Act on the wish, and take the updater's answer. Raises psycopg.Error."""
        noted, self._noted = self._noted, []
        for version in noted:
            # The next heartbeat says the wish again, and the disk may have room by then.
            with contextlib.suppress(OSError):
                self.apply(db, version)
        self.collect(db)

    def request(self, db: Connection, version: str, command_id: str | None = None) -> bool:
        """Ask the updater for a release. False when it runs already, so that nothing is to be done.

        Raises RefusedError by policy, psycopg.Error, and OSError when the wish cannot be kept.
        """
        waiting = _newest(db, waiting=True)
        if version == appliance.__version__:
            self._withdraw(db)
            return False
        refusals = self._refusals(version)
        if refusals:
            self._note_refusal(db, version, command_id, refusals)
            enforce(refusals)
        with db.transaction():
            if waiting and waiting.version == version:
                db.execute(
                    "UPDATE appliance.wanted_release SET command_id = coalesce(%s, command_id) WHERE id = %s",
                    [command_id, waiting.id],
                )
            else:
                self._withdraw(db)
                _insert(db, version, command_id, "waiting")
            # Inside the transaction: what is reported as waiting is there for the updater, or neither is.
            if asked := _newest(db):
                self._write(asked)
        return True

    def apply(self, db: Connection, version: str | None) -> None:
        """Follow the dashboard's standing wish, which every heartbeat repeats: each is acted on once.

        Raises psycopg.Error and OSError.
        """
        newest = _newest(db)
        if version is None:
            if newest and newest.state == "waiting" and newest.command_id is None:
                self._withdraw(db)
            return
        if version == appliance.__version__:
            return
        if newest and newest.version == version:
            is_allowed_now = newest.state == "refused" and newest.rule and not self._refusals(version)
            if not is_allowed_now:
                return
        try:
            self.request(db, version)
        except RefusedError:
            # An event reports it, once; a wish has no answer.
            return

    def collect(self, db: Connection) -> None:
        """Take the updater's answer to what waits, if any. Raises psycopg.Error."""
        wish = _newest(db, waiting=True)
        if wish is None:
            return
        outcome = self._answer_to(wish)
        if outcome is not None:
            _finish(db, wish, outcome.result, problem=outcome.message if outcome.result != "done" else None)
        elif wish.version == appliance.__version__ and time.monotonic() - self._began > BELIEVED_AFTER_S:
            self._forget()
            _finish(db, wish, "done")
        elif datetime.now(UTC) > self._answered_until(wish):
            self._forget()
            days = (datetime.now(UTC) - wish.requested_at).days
            why = Explanation(
                f"No update was made within {days} days.", next_step="systemctl status appliance-update.timer"
            )
            _finish(db, wish, "failed", problem=why.line())

    def _refusals(self, version: str) -> tuple[Refusal, ...]:
        """Raises WrongDocumentError for a policy that cannot be read: then nothing is asked for."""
        return check_update(read_policy(self._settings), version)

    def _answered_until(self, wish: Wish) -> datetime:
        """What its age, a freeze or a hold puts off is not given up: it is to come later."""
        try:
            updates = read_policy(self._settings).updates
            held = read_held(Trust(ROOT).folder).until
        except ApplianceError:
            # Nothing is known, and what reads it complains of it already.
            return datetime.max.replace(tzinfo=UTC)
        until = updates.may_wait_until(wish.requested_at, ANSWER_WITHIN)
        return max(until, after(held) + ANSWER_WITHIN) if held else until

    def _note_refusal(
        self, db: Connection, version: str, command_id: str | None, refusals: tuple[Refusal, ...]
    ) -> None:
        newest = _newest(db)
        if newest and (newest.version, newest.state, newest.command_id) == (version, "refused", command_id):
            return
        with db.transaction():
            _insert(db, version, command_id, "refused", refusals[0])

    def _withdraw(self, db: Connection) -> None:
        """End the wait: another release is wanted, or none."""
        wish = _newest(db, waiting=True)
        if wish is None:
            return
        self._forget()
        _finish(db, wish, "failed", problem="Another release was asked for since.")

    def _forget(self) -> None:
        with contextlib.suppress(NotADirectoryError):
            (self._folder / "wanted.json").unlink(missing_ok=True)

    def _write(self, wish: Wish) -> None:
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        request = {"version": wish.version, "command_id": wish.command_id}
        text = json.dumps(request | {"requested_at": wish.requested_at.isoformat()})
        write_file(self._folder / "wanted.json", text, durable=True, mode=0o600)

    def _answer_to(self, wish: Wish) -> Outcome | None:
        try:
            with (self._folder / "outcome.json").open("rb") as file:
                outcome = Outcome.model_validate_json(file.read(LONGEST_ANSWER))
        except (OSError, ValidationError):
            return None
        is_its_own = outcome.version == wish.version and outcome.at >= wish.requested_at
        return outcome if is_its_own else None


def _newest(db: Connection, *, waiting: bool = False) -> Wish | None:
    with db.cursor(row_factory=class_row(Wish)) as cursor:
        return cursor.execute(
            "SELECT id, version, command_id, state, rule, requested_at FROM appliance.wanted_release"
            " WHERE state = 'waiting' OR NOT %s ORDER BY id DESC LIMIT 1",
            [waiting],
        ).fetchone()


def _insert(
    db: Connection,
    version: str,
    command_id: str | None,
    state: Literal["waiting", "refused"],
    refusal: Refusal | None = None,
) -> None:
    rule, problem = (refusal.rule, refusal.what) if refusal else (None, None)
    db.execute(
        "INSERT INTO appliance.wanted_release (version, command_id, state, rule, problem)"
        " VALUES (%s, %s, %s, %s, %s)",
        [version, command_id, state, rule, problem],
    )
    db.execute(
        "DELETE FROM appliance.wanted_release"
        " WHERE id <= (SELECT max(id) FROM appliance.wanted_release) - %s",
        [KEPT],
    )
    append_event(db, UpdateChanged(version=version, state=state, rule=rule, problem=scrubbed(problem)))


def _finish(db: Connection, wish: Wish, state: State, *, problem: str | None = None) -> None:
    """Write down what became of a wish, and report it: of the release, and of the command that asked."""
    with db.transaction():
        changed = db.execute(
            "UPDATE appliance.wanted_release SET state = %s, problem = %s, settled_at = now()"
            " WHERE id = %s AND state = 'waiting'",
            [state, problem, wish.id],
        ).rowcount
        if not changed:
            return
        append_event(db, UpdateChanged(version=wish.version, state=state, problem=scrubbed(problem)))
        if wish.command_id:
            finish_command(db, wish.command_id, Settled(state, problem=problem))
