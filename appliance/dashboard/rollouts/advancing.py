"""Carries rollouts on: looks what each appliance came to, and begins the next wave, stops, or ends."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from appliance.dashboard.http_errors import ConflictError
from appliance.dashboard.rollouts import records
from appliance.dashboard.rollouts.waves import Outcome, Plan, next_move, outcome
from appliance.dashboard.security import Actor
from appliance.dashboard.store.access import audit
from appliance.dashboard.store.database import Database, Session

SILENT_BEATS = 20
"""A move takes the appliance away for a minute; one that misses so many heartbeats has fallen silent."""
ITSELF = Actor("dashboard", "viewer", "")


def begin(
    database: Database, actor: Actor, plan: Plan, appliance_ids: Sequence[str], heartbeat_s: int
) -> str:
    """Begin a rollout and its first wave; its id. Raises WrongRequestError and ConflictError."""
    with database.write() as session:
        rollout_id = records.begin(session, actor, plan, appliance_ids)
        _advance(session, rollout_id, time.time(), heartbeat_s)
    return rollout_id


def advance(database: Database, heartbeat_s: int, now: float | None = None) -> None:
    """Carry every rollout on that goes on."""
    with database.read() as session:
        going = session.column(str, "SELECT id FROM rollout WHERE state = 'running'")
    for rollout_id in going:
        with database.write() as session:
            _advance(session, rollout_id, now or time.time(), heartbeat_s)


def stop_revoked(database: Database, revoked: Mapping[str, str]) -> None:
    """Stop every rollout of a release that its vendor has taken back since; why, by version."""
    with database.read() as session:
        if not any(each.plan.version in revoked for each in records.rollouts(session, state="running")):
            return
    with database.write() as session:
        for rollout in records.rollouts(session, state="running"):
            if (why := revoked.get(version := rollout.plan.version)) is not None:
                said = f"{version} was revoked: {why}"
                records.end(session, rollout, "stopped", said, time.time())
                audit.record(session, ITSELF, "rollout.stop", version, why=said)


def stop(database: Database, actor: Actor, rollout_id: str) -> None:
    """Stop it and withdraw its wish from all that have not moved. Raises ConflictError where it has ended."""
    with database.write() as session:
        rollout = _going(session, rollout_id)
        records.end(session, rollout, "stopped", f"Stopped by {actor.name}.", time.time())
        audit.record(session, actor, "rollout.stop", rollout.plan.version)


def go_on(database: Database, actor: Actor, rollout_id: str, wave: int | None = None) -> None:
    """Begin the next wave without waiting longer for this one. Raises ConflictError where none is left.

    ``wave`` is the one that was seen: what was begun since, by a second click, is not gone on from.
    """
    with database.write() as session:
        rollout = _going(session, rollout_id)
        if wave not in {None, rollout.wave}:
            raise ConflictError("The next wave has begun already.", "", "Look how that one goes first.")
        if rollout.wave >= max(member.seen.wave for member in rollout.members):
            raise ConflictError("Its last wave has begun.", "", "Wait for it, or stop the rollout.")
        records.ask(session, rollout, rollout.wave + 1, time.time())
        audit.record(session, actor, "rollout.next_wave", rollout.plan.version, wave=rollout.wave + 2)


def _going(session: Session, rollout_id: str) -> records.Rollout:
    rollout = records.rollout(session, rollout_id)
    if rollout.state != "running":
        raise ConflictError("That rollout has ended.", rollout.why, "Begin another one.")
    return rollout


def _advance(session: Session, rollout_id: str, now: float, heartbeat_s: int) -> None:
    rollout = records.rollout(session, rollout_id)
    if rollout.state != "running":
        return
    if rollout.wave < 0:
        records.ask(session, rollout, 0, now)
        return
    outcomes: list[tuple[int, Outcome, float | None]] = []
    for member in rollout.members:
        found = outcome(member.seen, rollout.plan.version, now, SILENT_BEATS * heartbeat_s)
        if found != member.outcome:
            records.note(session, rollout, member, found, now)
        outcomes.append((member.seen.wave, found, member.since if found == member.outcome else now))
    move = next_move(rollout.plan, rollout.wave, outcomes, now)
    match move.kind:
        case "next":
            records.ask(session, rollout, rollout.wave + 1, now)
            audit.record(session, ITSELF, "rollout.next_wave", rollout.plan.version, wave=rollout.wave + 2)
        case "stop":
            records.end(session, records.rollout(session, rollout_id), "stopped", move.why, now)
            audit.record(session, ITSELF, "rollout.stop", rollout.plan.version, why=move.why)
        case "done":
            records.end(session, rollout, "done", "", now)
            audit.record(session, ITSELF, "rollout.done", rollout.plan.version)
        case "none":
            pass
