"""Appliances as the dashboard knows them: made, enrolled, renamed, revoked; and what they last said."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace

from appliance.dashboard.http_errors import ConflictError, NotFoundError
from appliance.dashboard.security import APPLIANCE_PREFIX, ENROLMENT_PREFIX, Actor, digest, new_token
from appliance.dashboard.store.access import audit, authority
from appliance.dashboard.store.appliances.rows import (
    ApplianceRow,
    Condition,
    CountedAppliance,
    Enrolled,
    NamedAppliance,
    StoredPlacement,
    UsedEnrolment,
    UsedToken,
)
from appliance.dashboard.store.database import Database, Session
from appliance.dashboard.store.rows import Lenient, from_json
from appliance.documents.names import is_release
from appliance.errors import WrongRequestError

ENROLMENT_SECONDS = 24 * 3600
ROTATE_AFTER_SECONDS = 30 * 86400
MISSED_HEARTBEATS = 3
"""An appliance that is silent for this many heartbeats counts as offline."""

_COLUMNS = (
    "a.id, a.name, a.created_at, a.created_by, a.enrolled_at, a.revoked_at, a.last_seen, a.version,"
    " a.wanted_version, a.healthy, a.clock_offset, a.workflows_etag, a.token_at"
)


def condition(row: ApplianceRow, now: float, heartbeat_seconds: int) -> Condition:
    """One word: ``revoked``, ``new``, ``offline``, ``unhealthy`` or ``healthy``."""
    if row.revoked_at is not None:
        return "revoked"
    if row.last_seen is None:
        return "new"
    if now - row.last_seen > MISSED_HEARTBEATS * heartbeat_seconds + 5:
        return "offline"
    return "healthy" if row.healthy else "unhealthy"


def _check_name(name: str) -> str:
    name = " ".join(name.split())
    if not 1 <= len(name) <= 80 or not name.isprintable():
        raise WrongRequestError(
            "That name cannot be used for an appliance.", "", "Give it a name of up to 80 characters."
        )
    return name


def create(database: Database, actor: Actor, name: str) -> tuple[str, str]:
    """A new appliance's id, and its enrolment token, shown this once."""
    name, appliance_id = _check_name(name), str(uuid.uuid4())
    with database.write() as session:
        if session.value(str, "SELECT id FROM appliance WHERE name = ?", name):
            raise ConflictError(f"There is already an appliance named {name}.", "", "Choose another name.")
        session.run(
            "INSERT INTO appliance (id, name, created_at, created_by) VALUES (?, ?, ?, ?)",
            appliance_id,
            name,
            time.time(),
            actor.name,
        )
        audit.record(session, actor, "appliance.create", name)
        return appliance_id, _enrolment(session, actor, appliance_id)


def _enrolment(session: Session, actor: Actor, appliance_id: str) -> str:
    token, now = new_token(ENROLMENT_PREFIX), time.time()
    session.run("DELETE FROM enrolment WHERE appliance_id = ?", appliance_id)
    session.run(
        "INSERT INTO enrolment (digest, appliance_id, created_at, created_by, maker, expires_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        digest(token),
        appliance_id,
        now,
        actor.name,
        actor.maker,
        now + ENROLMENT_SECONDS,
    )
    return token


def new_enrolment(database: Database, actor: Actor, appliance_id: str) -> str:
    """Another enrolment token for the same appliance; an unused earlier one no longer works."""
    with database.write() as session:
        row = appliance(session, appliance_id)
        token = _enrolment(session, actor, appliance_id)
        audit.record(session, actor, "appliance.enrolment_token", row.name)
        return token


def appliance(session: Session, appliance_id: str) -> ApplianceRow:
    """One appliance without its report; raises WrongRequestError for an unknown id."""
    row = session.one(ApplianceRow, f"SELECT {_COLUMNS} FROM appliance a WHERE a.id = ?", appliance_id)  # noqa: S608
    if row is None:
        raise NotFoundError("There is no such appliance.", "", "Go back to the fleet.")
    return row


def report(session: Session, appliance_id: str) -> Lenient:
    """What the appliance last said of itself, as ``Heartbeat`` JSON; empty before its first heartbeat."""
    return from_json(session.value(str, "SELECT state FROM appliance WHERE id = ?", appliance_id))


def appliances(session: Session, search: str = "") -> list[CountedAppliance]:
    """Every appliance that is not revoked, by name, with how many runs go on and workflows fail."""
    return session.all(
        CountedAppliance,
        f"SELECT {_COLUMNS},"  # noqa: S608
        " (SELECT count(*) FROM run r WHERE r.appliance_id = a.id AND r.state = 'running') AS running,"
        " (SELECT count(*) FROM run r WHERE r.appliance_id = a.id AND r.latest = 1"
        "   AND r.state IN ('failed', 'refused')) AS failing,"
        " (SELECT count(*) FROM placement p WHERE p.appliance_id = a.id"
        "   AND p.state IN ('refused', 'invalid')) AS refused,"
        " (SELECT count(*) FROM placement p WHERE p.appliance_id = a.id) AS workflows,"
        " (SELECT max(r.ended_at) FROM run r WHERE r.appliance_id = a.id AND r.state = 'succeeded')"
        "   AS last_success,"
        " (SELECT min(p.next_run_at) FROM placement p WHERE p.appliance_id = a.id) AS next_run"
        " FROM appliance a WHERE a.revoked_at IS NULL AND lower(a.name) LIKE ? ORDER BY a.name",
        f"%{search.lower()}%",
    )


def placements(session: Session, appliance_id: str) -> list[StoredPlacement]:
    """Its workflows: those assigned to it here and those it reports, with how the last run went."""
    return session.all(
        StoredPlacement,
        "SELECT i.workflow_id, w.title, s.at AS assigned_at, r.digest AS wanted_digest, p.origin, p.state,"
        " p.digest, p.rule, p.problem, p.next_run_at, l.run_id AS last_run_id, l.state AS last_state,"
        " l.started_at AS last_started_at FROM ("
        "   SELECT workflow_id FROM assignment WHERE appliance_id = ?"
        "   UNION SELECT workflow_id FROM placement WHERE appliance_id = ?) i"
        " LEFT JOIN assignment s ON s.workflow_id = i.workflow_id AND s.appliance_id = ?"
        " LEFT JOIN workflow w ON w.id = i.workflow_id AND w.archived_at IS NULL"
        " LEFT JOIN revision r ON r.workflow_id = w.id AND r.number = w.revision"
        " LEFT JOIN placement p ON p.workflow_id = i.workflow_id AND p.appliance_id = ?"
        " LEFT JOIN run l ON l.workflow_id = i.workflow_id AND l.appliance_id = ? AND l.latest = 1"
        " ORDER BY i.workflow_id",
        *[appliance_id] * 5,
    )


def rename(database: Database, actor: Actor, appliance_id: str, name: str) -> None:
    """Give another name; nothing on the appliance changes."""
    name = _check_name(name)
    with database.write() as session:
        was = appliance(session, appliance_id).name
        if session.value(str, "SELECT id FROM appliance WHERE name = ? AND id <> ?", name, appliance_id):
            raise ConflictError(f"There is already an appliance named {name}.", "", "Choose another name.")
        session.run("UPDATE appliance SET name = ? WHERE id = ?", name, appliance_id)
        audit.record(session, actor, "appliance.rename", name, was=was)


def revoke(database: Database, actor: Actor, appliance_id: str) -> None:
    """Take the token away. The history stays; the appliance goes on, unseen, until enrolled again."""
    with database.write() as session:
        row = appliance(session, appliance_id)
        session.run(
            "UPDATE appliance SET revoked_at = ?, token_digest = NULL, next_token_digest = NULL WHERE id = ?",
            time.time(),
            appliance_id,
        )
        session.run("DELETE FROM enrolment WHERE appliance_id = ?", appliance_id)
        session.run("DELETE FROM assignment WHERE appliance_id = ?", appliance_id)
        audit.record(session, actor, "appliance.revoke", row.name)


def set_wanted_version(database: Database, actor: Actor, appliance_id: str, version: str | None) -> None:
    """The release this appliance should be on; its own policy decides when, and whether."""
    if version is not None and not is_release(version):
        raise WrongRequestError(
            "That is not a version.",
            "A release's begins with a digit, and goes on with digits, letters, dots, + and -.",
            "Write it as the release is named, like 1.4.0.",
        )
    with database.write() as session:
        row = appliance(session, appliance_id)
        session.run("UPDATE appliance SET wanted_version = ? WHERE id = ?", version, appliance_id)
        audit.record(session, actor, "appliance.release", row.name, version=version)


def ask_to_rotate(database: Database, actor: Actor, appliance_id: str) -> None:
    """Have the appliance take a new bearer token with its next heartbeat."""
    with database.write() as session:
        row = appliance(session, appliance_id)
        if row.enrolled_at is None or row.revoked_at is not None:
            raise ConflictError(
                f"{row.name} has no token to change.", "", "Enrol it: its page has the commands."
            )
        session.run("UPDATE appliance SET rotate_asked_at = ? WHERE id = ?", time.time(), appliance_id)
        audit.record(session, actor, "appliance.rotate_asked", row.name)


def exchange(database: Database, token: str, attempt: str, version: str, address: str) -> Enrolled | None:
    """A one-time token for a bearer token, or None where the token is no good.

    The same attempt may ask again, in case the answer was lost, until the bearer token has been used.
    """
    now, bearer = time.time(), new_token(APPLIANCE_PREFIX)
    with database.write() as session:
        row = session.one(
            UsedEnrolment,
            "SELECT e.digest, e.appliance_id, e.used_at, e.attempt_digest, e.maker, a.name, a.last_seen"
            " FROM enrolment e JOIN appliance a ON a.id = e.appliance_id"
            " WHERE e.digest = ? AND e.expires_at > ?",
            digest(token),
            now,
        )
        if row is None or not authority.may(session, row.maker, "editor"):
            return None
        if row.used_at is not None and (
            row.attempt_digest != digest(attempt) or (row.last_seen or 0) > row.used_at
        ):
            return None
        taken = session.run(
            "UPDATE enrolment SET used_at = ?, attempt_digest = ?"
            " WHERE digest = ? AND (used_at IS NULL OR attempt_digest = ?)",
            row.used_at or now,
            digest(attempt),
            row.digest,
            digest(attempt),
        )
        if not taken:
            return None
        session.run(
            "UPDATE appliance SET token_digest = ?, next_token_digest = NULL, token_at = ?, enrolled_at = ?,"
            " version = ?, revoked_at = NULL, rotate_asked_at = NULL WHERE id = ?",
            digest(bearer),
            now,
            now,
            version,
            row.appliance_id,
        )
        if row.used_at is None:
            audit.record(session, Actor(row.name, "viewer", address), "appliance.enrol", row.name)
        return Enrolled(row.appliance_id, row.name, bearer)


def authenticate(database: Database, token: str, address: str) -> UsedToken | None:
    """The appliance whose bearer token this is, or None.

    The first use of a rotated token retires the one before it; a retired one that turns up again is noted,
    once, because two parties then hold this appliance's tokens.
    """
    mark = digest(token)
    with database.read() as session:
        row = session.one(
            UsedToken,
            "SELECT id, name, token_digest, next_token_digest, token_at, rotate_asked_at, wanted_version"
            " FROM appliance WHERE token_digest = ? OR next_token_digest = ?",
            mark,
            mark,
        )
    if row is None:
        _note_retired(database, mark, address)
        return None
    if row.next_token_digest == mark:
        now = time.time()
        with database.write() as session:
            is_first_use = session.run(
                "UPDATE appliance SET retired_token_digest = token_digest, token_digest = ?,"
                " next_token_digest = NULL, token_at = ?, rotate_asked_at = NULL"
                " WHERE id = ? AND next_token_digest = ?",
                mark,
                now,
                row.id,
                mark,
            )
            if is_first_use:
                itself = Actor(row.name, "viewer", address)
                audit.record(session, itself, "appliance.token_rotated", row.name)
        return replace(row, token_at=now, rotate_asked_at=None)
    return row


def _note_retired(database: Database, mark: str, address: str) -> None:
    with database.read() as session:
        row = session.one(
            NamedAppliance, "SELECT id, name FROM appliance WHERE retired_token_digest = ?", mark
        )
    if row is None:
        return
    with database.write() as session:
        session.run("UPDATE appliance SET retired_token_digest = NULL WHERE id = ?", row.id)
        audit.record(session, Actor(row.name, "viewer", address), "appliance.retired_token_used", row.name)


def rotate(database: Database, appliance_id: str) -> str:
    """A fresh bearer token; the present one stays good until this one is used."""
    token = new_token(APPLIANCE_PREFIX)
    with database.write() as session:
        session.run("UPDATE appliance SET next_token_digest = ? WHERE id = ?", digest(token), appliance_id)
    return token
