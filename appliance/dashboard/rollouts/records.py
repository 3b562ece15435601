"""Rollouts in the store."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.dashboard.http_errors import ConflictError, NotFoundError
from appliance.dashboard.rollouts.waves import Outcome, Plan, Seen, share_out
from appliance.dashboard.security import Actor
from appliance.dashboard.store.access import audit
from appliance.dashboard.store.appliances.rows import NamedAppliance
from appliance.dashboard.store.database import Session
from appliance.dashboard.store.rows import ReportedJson
from appliance.errors import WrongRequestError

KEPT = 50
"""Rollouts that have ended, of which the store keeps the newest."""


@dataclass(frozen=True, kw_only=True)
class StoredRollout:
    """A rollout's row; ``shares`` is JSON."""

    id: str
    version: str
    shares: str
    stop_percent: int
    watch_s: float
    wave: int
    state: str
    why: str
    created_at: float
    created_by: str
    changed_at: float


@dataclass(frozen=True, kw_only=True)
class StoredMember:
    """A member's row, and what is known of its appliance."""

    appliance_id: str
    wave: int
    asked_at: float | None
    outcome: Outcome
    since: float | None
    former_wish: str | None
    name: str
    last_seen: float | None
    version: str | None
    wanted_version: str | None
    revoked_at: float | None


@dataclass(frozen=True, kw_only=True)
class ReportedUpdate:
    """An event of an update."""

    appliance_id: str
    data: ReportedJson


@dataclass(frozen=True)
class Member:
    """One appliance of a rollout."""

    appliance_id: str
    name: str
    seen: Seen
    outcome: Outcome
    since: float | None
    former_wish: str | None


@dataclass(frozen=True)
class Rollout:
    """One rollout as it stands. ``state`` is ``running``, ``stopped`` or ``done``."""

    id: str
    plan: Plan
    wave: int
    state: str
    why: str
    created_at: float
    created_by: str
    changed_at: float
    members: tuple[Member, ...] = ()


def begin(session: Session, actor: Actor, plan: Plan, appliance_ids: Sequence[str]) -> str:
    """Write a rollout whose first wave has not been asked yet; its id.

    Raises WrongRequestError without an appliance, ConflictError where one is in another rollout.
    """
    if not appliance_ids:
        raise WrongRequestError(
            "A rollout needs an appliance that is enrolled.", "None was chosen.", "Choose others."
        )
    busy = session.all(
        NamedAppliance,
        "SELECT DISTINCT a.id, a.name FROM rollout r JOIN rollout_member m ON m.rollout_id = r.id"
        " JOIN appliance a ON a.id = m.appliance_id WHERE r.state = 'running'",
    )
    taken = [row.name for row in busy if row.id in set(appliance_ids)]
    if taken:
        raise ConflictError(
            "A rollout goes on with some of these appliances.",
            f"{', '.join(sorted(taken)[:5])}{' …' if len(taken) > 5 else ''}.",
            "Stop that one first, or choose others.",
        )
    rollout_id, now = str(uuid.uuid4()), time.time()
    session.run(
        "INSERT INTO rollout (id, version, shares, stop_percent, watch_s, wave, state, why, created_at,"
        " created_by, changed_at) VALUES (?, ?, ?, ?, ?, -1, 'running', '', ?, ?, ?)",
        rollout_id,
        plan.version,
        json.dumps(plan.shares),
        plan.stop_percent,
        plan.watch_s,
        now,
        actor.name,
        now,
    )
    waves = share_out(appliance_ids, plan.shares, rollout_id)
    session.many(
        "INSERT INTO rollout_member (rollout_id, appliance_id, wave, outcome) VALUES (?, ?, ?, 'asleep')",
        [(rollout_id, each, wave) for each, wave in waves.items()],
    )
    audit.record(session, actor, "rollout.begin", plan.version, appliances=len(waves))
    return rollout_id


def ask(session: Session, rollout: Rollout, wave: int, now: float) -> None:
    """Begin a wave: each of its appliances is wished on the release."""
    for member in rollout.members:
        if member.seen.wave == wave and not member.seen.revoked:
            session.run(
                "UPDATE rollout_member SET asked_at = ?, outcome = 'waiting', since = ?, former_wish = ?"
                " WHERE rollout_id = ? AND appliance_id = ?",
                now,
                now,
                member.seen.wish,
                rollout.id,
                member.appliance_id,
            )
            session.run(
                "UPDATE appliance SET wanted_version = ? WHERE id = ?",
                rollout.plan.version,
                member.appliance_id,
            )
    session.run("UPDATE rollout SET wave = ?, changed_at = ? WHERE id = ?", wave, now, rollout.id)


def note(session: Session, rollout: Rollout, member: Member, outcome: Outcome, now: float) -> None:
    """Keep what became of one appliance, and since when."""
    session.run(
        "UPDATE rollout_member SET outcome = ?, since = ? WHERE rollout_id = ? AND appliance_id = ?",
        outcome,
        now,
        rollout.id,
        member.appliance_id,
    )


def end(session: Session, rollout: Rollout, state: str, why: str, now: float) -> None:
    """Stop it, or call it done. A stop withdraws the wish from all that were asked and have not moved."""
    session.run(
        "UPDATE rollout SET state = ?, why = ?, changed_at = ? WHERE id = ?", state, why, now, rollout.id
    )
    if state == "stopped":
        for member in rollout.members:
            if member.seen.asked_at is not None and member.outcome not in {"moved", "left"}:
                former = member.former_wish if member.former_wish != rollout.plan.version else None
                session.run(
                    "UPDATE appliance SET wanted_version = ? WHERE id = ? AND wanted_version = ?",
                    former,
                    member.appliance_id,
                    rollout.plan.version,
                )
    session.run(
        "DELETE FROM rollout WHERE state <> 'running' AND id NOT IN"
        " (SELECT x.id FROM (SELECT id FROM rollout ORDER BY created_at DESC LIMIT ?) x)",
        KEPT,
    )


def rollouts(session: Session, *, state: str = "") -> list[Rollout]:
    """All of them, the newest first; of one state where it is given."""
    rows = session.all(
        StoredRollout,
        "SELECT * FROM rollout WHERE state = ? OR ? = '' ORDER BY created_at DESC",
        state,
        state,
    )
    return [_whole(session, row) for row in rows]


def rollout(session: Session, rollout_id: str) -> Rollout:
    """One of them. Raises NotFoundError."""
    row = session.one(StoredRollout, "SELECT * FROM rollout WHERE id = ?", rollout_id)
    if row is None:
        raise NotFoundError("There is no such rollout.", "", "Go back to the releases.")
    return _whole(session, row)


def _whole(session: Session, row: StoredRollout) -> Rollout:
    plan = Plan(row.version, tuple(json.loads(row.shares)), row.stop_percent, row.watch_s)
    members = session.all(
        StoredMember,
        "SELECT m.appliance_id, m.wave, m.asked_at, m.outcome, m.since, m.former_wish, a.name, a.last_seen,"
        " a.version, a.wanted_version, a.revoked_at"
        " FROM rollout_member m JOIN appliance a ON a.id = m.appliance_id"
        " WHERE m.rollout_id = ? ORDER BY m.wave, a.name",
        row.id,
    )
    # What became of an ended one is written down; nothing is looked up for it any more.
    updates = _updates(session, row.id, plan.version) if row.state == "running" else {}
    return Rollout(
        id=row.id,
        plan=plan,
        wave=row.wave,
        state=row.state,
        why=row.why,
        created_at=row.created_at,
        created_by=row.created_by,
        changed_at=row.changed_at,
        members=tuple(_member(each, updates.get(each.appliance_id)) for each in members),
    )


def _member(row: StoredMember, update: str | None) -> Member:
    return Member(
        appliance_id=row.appliance_id,
        name=row.name,
        seen=Seen(
            wave=row.wave,
            asked_at=row.asked_at,
            last_seen=row.last_seen,
            version=row.version,
            wish=row.wanted_version,
            update=update,
            revoked=row.revoked_at is not None,
        ),
        outcome=row.outcome,
        since=row.since,
        former_wish=row.former_wish,
    )


def _updates(session: Session, rollout_id: str, version: str) -> dict[str, str]:
    """By appliance, the newest state of the release that it has reported since it was asked."""
    rows = session.all(
        ReportedUpdate,
        "SELECT e.appliance_id, e.data FROM rollout_member m JOIN event e ON e.appliance_id = m.appliance_id"
        " AND e.type = 'update_changed' AND e.received_at >= m.asked_at"
        " WHERE m.rollout_id = ? ORDER BY e.ordinal",
        rollout_id,
    )
    return {row.appliance_id: str(row.data["state"]) for row in rows if row.data["version"] == version}
