"""Takes heartbeats: one small write each, and the answer with what is wanted of the appliance."""

from __future__ import annotations

import hashlib
import threading
import time
from datetime import UTC, datetime

from appliance.contract.calls import Heartbeat, HeartbeatAnswer, WantedRelease
from appliance.dashboard.store import workflows
from appliance.dashboard.store.appliances import commands
from appliance.dashboard.store.appliances.fleet import ROTATE_AFTER_SECONDS
from appliance.dashboard.store.appliances.rows import UsedToken
from appliance.dashboard.store.database import Database, Session

WATCHED_HEARTBEAT_SECONDS = 3
WATCHED_FOR_SECONDS = 60
LOST_AFTER_SECONDS = 180
"""A run that the appliance no longer has, and of which nothing was heard for so long, counts as lost."""


class Attention:
    """Which appliances are open on a page: those are asked to report more often, for a minute."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._guard = threading.Lock()

    def watch(self, appliance_id: str) -> None:
        """This appliance is open on a page now."""
        with self._guard:
            self._until[appliance_id] = time.monotonic() + WATCHED_FOR_SECONDS

    def seconds(self, appliance_id: str, usual: int) -> int:
        """How long the appliance should wait until its next heartbeat."""
        with self._guard:
            until = self._until.get(appliance_id, 0.0)
            if until and until < time.monotonic():
                del self._until[appliance_id]
        return min(usual, WATCHED_HEARTBEAT_SECONDS) if until > time.monotonic() else usual


class Heartbeats:
    """Remembers what each appliance said last, so that only news is written."""

    def __init__(self, database: Database, heartbeat_seconds: int, attention: Attention) -> None:
        self._database = database
        self._usual = heartbeat_seconds
        self._attention = attention
        self._reported: dict[str, str] = {}

    def receive(self, appliance: UsedToken, heartbeat: Heartbeat) -> HeartbeatAnswer:
        """Take one heartbeat of an authenticated appliance."""
        now = time.time()
        appliance_id = appliance.id
        with self._database.write(durable=False) as session:
            placed = self._store(session, appliance_id, heartbeat, now)
            waiting = commands.waiting_for(session, appliance_id, now)
            commands.mark_offered(session, waiting, now)
            etag = workflows.etag(session, appliance_id)
        # Only now is it in the store.
        self._reported[appliance_id] = placed
        version = appliance.wanted_version
        return HeartbeatAnswer(
            server_time=datetime.fromtimestamp(now, UTC),
            heartbeat_seconds=self._attention.seconds(appliance_id, self._usual),
            workflows_etag=etag,
            commands=tuple(waiting),
            wanted_release=WantedRelease(version=version) if version else None,
            rotate_token=appliance.rotate_asked_at is not None
            or now - (appliance.token_at or now) > ROTATE_AFTER_SECONDS,
        )

    def _store(self, session: Session, appliance_id: str, heartbeat: Heartbeat, now: float) -> str:
        """Returns what names the workflows that were reported."""
        session.run(
            "UPDATE appliance SET last_seen = ?, version = ?, healthy = ?, clock_offset = ?,"
            " workflows_etag = ?, state = ? WHERE id = ?",
            now,
            heartbeat.version,
            int(heartbeat.healthy),
            heartbeat.sent_at.timestamp() - now,
            heartbeat.workflows_etag,
            heartbeat.model_dump_json(exclude={"workflows", "sent_at"}, exclude_none=True),
            appliance_id,
        )
        placed = "\n".join(report.to_wire() for report in heartbeat.workflows)
        mark = hashlib.sha256(placed.encode()).hexdigest()
        if self._reported.get(appliance_id) != mark:
            _store_placements(session, appliance_id, heartbeat, now)
        _find_lost(session, appliance_id, heartbeat, now)
        return mark


def _store_placements(session: Session, appliance_id: str, heartbeat: Heartbeat, now: float) -> None:
    session.run("DELETE FROM placement WHERE appliance_id = ?", appliance_id)
    session.many(
        "INSERT INTO placement (appliance_id, workflow_id, origin, state, digest, rule, problem, next_run_at,"
        " reported_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                appliance_id,
                report.id,
                report.origin,
                report.state,
                report.digest,
                report.rule,
                report.problem,
                report.next_run_at.timestamp() if report.next_run_at else None,
                now,
            )
            for report in {report.id: report for report in heartbeat.workflows}.values()
        ],
    )


def _find_lost(session: Session, appliance_id: str, heartbeat: Heartbeat, now: float) -> None:
    if heartbeat.outbox is not None and heartbeat.outbox.waiting:
        return
    silent = session.column(
        str,
        "SELECT run_id FROM run WHERE appliance_id = ? AND state = 'running' AND changed_at < ?",
        appliance_id,
        now - LOST_AFTER_SECONDS,
    )
    running = set(heartbeat.running)
    session.many(
        "UPDATE run SET state = 'lost', changed_at = ? WHERE appliance_id = ? AND run_id = ?",
        [(now, appliance_id, run_id) for run_id in silent if run_id not in running],
    )
