"""Talks to the dashboard, in one thread of the status service: heartbeats, workflows, commands, events.

Whatever happens out there, nothing on the appliance waits for it or changes because of it: each call is
bounded, each failure makes the next try later, and every decision was made by policy before it took effect.
"""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime

import psycopg
from pydantic import ValidationError

from appliance.cloud.backoff import Backoff
from appliance.cloud.client import DashboardAwayError, DashboardClient, TokenRefusedError
from appliance.cloud.commands import CloudCommands
from appliance.cloud.enrol_unattended import REFUSED_WAIT_S, client_of, enrol_by_file
from appliance.cloud.enrolment import (
    ROTATION_WANTED,
    Identity,
    drop_former_token,
    go_back,
    load_identity,
    rotate,
)
from appliance.cloud.heartbeat import heartbeat
from appliance.cloud.known import DashboardLink, Known, NotTaken
from appliance.cloud.outbox_sender import OutboxSender
from appliance.cloud.receipts import chain_end
from appliance.cloud.wanted_release import WantedRelease
from appliance.cloud.workflows import CloudSync
from appliance.contract.calls import HEARTBEAT_SECONDS, HEARTBEAT_SECONDS_RANGE, HeartbeatAnswer
from appliance.contract.events import Noticed
from appliance.errors import ApplianceError
from appliance.scrubbing.known import scrubber_of
from appliance.scrubbing.scrub import Scrubber
from appliance.settings.settings import Settings
from appliance.store import outbox
from appliance.store.database import Connection, connect
from appliance.system.background import Background

TURN_S = 1.0
TURN_UNENROLLED_S = 5.0
TRIM_EVERY_S = 60.0
BATCHES_A_TURN = 20
SKEW_WORTH_TELLING_S = 30.0
STATUS_KINDS = ("sync", "update", "erase")
"""The commands that need no right of the appliance's user: an erasure only waits for the owner."""


class Reporter:
    """``background.start()`` begins it; tests take single turns."""

    def __init__(self, settings: Settings, state: Known) -> None:
        self._settings = settings
        self._state = state
        self._sync = CloudSync(settings)
        self._releases = WantedRelease(settings)
        kinds = STATUS_KINDS if settings.is_split else None
        self._commands = CloudCommands(settings, self._releases, kinds=kinds)
        self._sender = OutboxSender()
        self.background = Background("Talking to the dashboard", self.turn, on_fault=self._begin_anew)
        self._db: Connection | None = None
        self._client: DashboardClient | None = None
        self._identity: Identity | None = None
        self._scrubber = Scrubber()
        self._beat, self._events, self._enrol = Backoff(), Backoff(), Backoff()
        self._beat_every_s = float(HEARTBEAT_SECONDS)
        self._next_beat = self._next_trim = 0.0
        self._last_contact: datetime | None = None
        self._clock_offset_s: float | None = None
        self._skew_reported = False
        self._problem = ""

    def describe(self) -> DashboardLink:
        """What ``/status`` says of the dashboard, without a call."""
        identity = self._identity
        return DashboardLink(
            enrolled=identity is not None,
            url=identity.url if identity else self._settings.dashboard_url,
            name=identity.name if identity else None,
            last_contact_at=self._last_contact,
            clock_offset_seconds=self._clock_offset_s,
            problem=self._problem or None,
            not_taken=tuple(
                NotTaken(name, entry.state, entry.rule, entry.problem)
                for name, entry in sorted(self._sync.taken.items())
                if entry.state != "active"
            ),
        )

    def turn(self) -> float:
        """Do what is due; in how many seconds to look again. Raises nothing that was foreseen."""
        try:
            return self._turn()
        except TokenRefusedError as error:
            if not self._has_gone_back():
                self._wait(error.why, REFUSED_WAIT_S)
        except DashboardAwayError as error:
            self._wait(error.why, error.retry_after)
        except psycopg.Error:
            self._lose_database()
        except ApplianceError as error:
            self._wait(error.what, REFUSED_WAIT_S)
        except OSError as error:
            self._wait(f"A file of the appliance cannot be used ({error.strerror}).", 10.0)
        return TURN_S

    def _turn(self) -> float:
        db = self._database()
        if not self._is_enrolled():
            if db is not None and self._is_time_to_trim():
                outbox.keep_newest(db)
            return TURN_UNENROLLED_S
        assert self._client is not None and self._identity is not None  # noqa: S101 - _is_enrolled made them
        if not self._is_alone(self._client, self._identity):
            return TURN_S
        if db is not None:
            outbox.begin_stream_for(db, self._identity.appliance_id)
        if self._beat.is_over and time.monotonic() >= self._next_beat:
            self._heartbeat(self._client, db)
        if db is None:
            return TURN_S
        self._commands.work(db, lambda: self._fetch(force=True))
        self._releases.follow(db)
        self._sync.put_away(db)
        if self._events.is_over:
            self._send(self._client, db)
        if self._is_time_to_trim():
            self._trim(db)
        return TURN_S

    def _heartbeat(self, client: DashboardClient, db: Connection | None) -> None:
        self._scrubber = scrubber_of(
            self._settings.connections_file,
            client.token,
            from_cloud=self._settings.state_dir / "workflows",
        )
        wanted = {name for entry in self._sync.taken.values() for name in entry.connections}
        report = heartbeat(
            self._state.report(),
            taken=self._sync.taken,
            etag=self._sync.etag,
            connections=self._state.connection_states(wanted),
            policy=self._sync.policy(),
            scrubber=self._scrubber,
            clock_offset_s=self._clock_offset_s,
            receipts=chain_end(self._settings.receipts_dir),
        )
        sent = time.monotonic()
        try:
            answer = client.call("POST", "/v1/appliance/heartbeat", report.to_wire())
            if answer.status != 200:
                raise DashboardAwayError(f"It answered {answer.status} to a heartbeat.")
            wish = HeartbeatAnswer.from_wire(answer.body)
        except ValidationError:
            self._beat.failed()
            raise DashboardAwayError("Its answer to a heartbeat is not one of a dashboard.") from None
        except (DashboardAwayError, TokenRefusedError) as error:
            self._beat.failed(getattr(error, "retry_after", REFUSED_WAIT_S))
            raise
        self._beat.succeeded()
        self._note_contact(db, wish.server_time, time.monotonic() - sent)
        if self._identity is not None and self._identity.former:
            with contextlib.suppress(OSError):
                self._identity = drop_former_token(self._identity, self._settings.identity_file)
        least, most = HEARTBEAT_SECONDS_RANGE
        self._beat_every_s = float(min(max(wish.heartbeat_seconds, least), most))
        self._next_beat = time.monotonic() + self._beat_every_s
        self._obey(client, db, wish)

    def _obey(self, client: DashboardClient, db: Connection | None, wish: HeartbeatAnswer) -> None:
        """Take in what is wanted; without the database nothing could be done exactly once."""
        if wish.rotate_token and self._identity is not None:
            # The next heartbeat asks again; what else is wanted does not wait for it.
            with contextlib.suppress(OSError, DashboardAwayError):
                self._identity = rotate(client, self._identity, self._settings.identity_file)
        if db is None:
            return
        self._releases.note(wish.wanted_release.version if wish.wanted_release else None)
        if wish.commands:
            self._commands.take_in(db, wish.commands)
        if not self._sync.is_current(wish.workflows_etag):
            self._fetch()

    def _is_alone(self, client: DashboardClient, identity: Identity) -> bool:
        """Nothing is sent with a token that another machine may have: it is changed first."""
        marker = self._settings.identity_file.with_name(ROTATION_WANTED)
        if not marker.exists():
            return True
        if not self._beat.is_over:
            return False
        try:
            self._identity = rotate(client, identity, self._settings.identity_file)
        except (DashboardAwayError, TokenRefusedError) as error:
            self._beat.failed(getattr(error, "retry_after", REFUSED_WAIT_S))
            raise
        marker.unlink(missing_ok=True)
        return True

    def _has_gone_back(self) -> bool:
        """A refused token that never worked is given up for the one before it."""
        if self._client is None or self._identity is None or not self._identity.former:
            return False
        with contextlib.suppress(OSError):
            self._identity = go_back(self._client, self._identity, self._settings.identity_file)
            self._beat, self._events = Backoff(), Backoff()
            self._next_beat = 0.0
            return True
        return False

    def _fetch(self, *, force: bool = False) -> None:
        if self._client is None or self._db is None:
            raise DashboardAwayError("It is not known yet.")
        before = self._sync.etag
        self._sync.fetch(self._client, self._db, force=force)
        if self._sync.etag != before:
            # The dashboard should see at once what became of its workflows.
            self._next_beat = min(self._next_beat, time.monotonic() + HEARTBEAT_SECONDS_RANGE[0])

    def _send(self, client: DashboardClient, db: Connection) -> None:
        try:
            for _ in range(BATCHES_A_TURN):
                if not self._sender.send(db, client, self._scrubber) or self.background.is_stopping:
                    break
            self._events.succeeded()
        except (DashboardAwayError, TokenRefusedError) as error:
            self._events.failed(getattr(error, "retry_after", REFUSED_WAIT_S))
            raise

    def _note_contact(self, db: Connection | None, server_time: datetime, took_s: float) -> None:
        self._last_contact, self._problem = datetime.now(UTC), ""
        # Half of the call's time has passed since the dashboard looked at its clock.
        self._clock_offset_s = round((self._last_contact - server_time).total_seconds() - took_s / 2, 2)
        if db is None:
            return
        outbox.note_contact(db, self._clock_offset_s)
        is_skewed = abs(self._clock_offset_s) > SKEW_WORTH_TELLING_S
        if is_skewed and not self._skew_reported:
            outbox.notice(db, Noticed(kind="clock_skew", amount=int(abs(self._clock_offset_s))))
        self._skew_reported = is_skewed

    def _is_enrolled(self) -> bool:
        """Whether there is a dashboard to talk to; enrols with the token that the machine was set up with."""
        settings = self._settings
        identity = load_identity(settings.identity_file)
        if settings.dashboard_url and self._enrol.is_over:
            identity = enrol_by_file(settings, identity, self._enrol)
        if identity != self._identity or self._client is None:
            self._forget_client()
            self._identity = identity
            if identity is not None:
                self._client = client_of(settings, identity.url, identity.token)
                self._beat, self._events = Backoff(), Backoff()
                self._next_beat = 0.0
        return identity is not None

    def _trim(self, db: Connection) -> None:
        if dropped := outbox.trim(db):
            outbox.notice(db, Noticed(kind="progress_dropped", amount=dropped))

    def _is_time_to_trim(self) -> bool:
        if time.monotonic() < self._next_trim:
            return False
        self._next_trim = time.monotonic() + TRIM_EVERY_S
        return True

    def _database(self) -> Connection | None:
        try:
            if self._db is None or self._db.closed:
                self._db = connect(self._settings.database_url)
                # Also says whether it has been set up.
                kept = outbox.reporting_state(self._db)
                self._last_contact = self._last_contact or (kept.last_contact_at if kept else None)
            return self._db
        except psycopg.Error:
            self._lose_database()
            return None

    def _lose_database(self) -> None:
        if self._db is not None:
            with contextlib.suppress(psycopg.Error):
                self._db.close()
        self._db = None

    def _forget_client(self) -> None:
        if self._client is not None:
            with contextlib.suppress(Exception):
                self._client.close()
        self._client = None

    def _wait(self, problem: str, seconds: float) -> None:
        self._problem = self._scrubber.clean(problem)
        self.background.rest(min(seconds, 1.0))
        if self._db is not None:
            with contextlib.suppress(psycopg.Error):
                outbox.note_problem(self._db, self._problem)

    def _begin_anew(self, error: Exception) -> None:
        """After a fault of a turn: nothing is left of a state that was not foreseen."""
        self._problem = f"A fault of the appliance itself ({type(error).__name__})."
        self._forget_client()
        self._identity = None
