"""People and their sessions."""

from __future__ import annotations

import re
import secrets
import time

from appliance.dashboard.http_errors import ConflictError, NotFoundError
from appliance.dashboard.security import (
    ROLES,
    SYSTEM_MAKER,
    Actor,
    Role,
    digest,
    hash_password,
    password_matches,
)
from appliance.dashboard.store.access import audit, authority
from appliance.dashboard.store.access.rows import Account, OpenSession, PersonRow, SessionRow, SigningIn
from appliance.dashboard.store.database import Database, Session
from appliance.errors import RefusedError, WrongRequestError

SESSION_SECONDS = 12 * 3600
SESSION_IDLE_SECONDS = 2 * 3600
SEEN_EVERY_SECONDS = 60
"""How often a session or token writes that it was used."""
_SHOWN = (
    "SELECT id, name, role, must_change, created_at, disabled_at, last_sign_in,"
    " totp_since AS second_factor_since, issuer FROM person"
)
SYSTEM = Actor("command line", "admin", maker=SYSTEM_MAKER)


def fits_as_name(name: str) -> bool:
    """Whether a person may be called so."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}", name) is not None


def _check_name(name: str) -> str:
    if not fits_as_name(name):
        raise WrongRequestError(
            "That name cannot be used.",
            "A name has up to 64 letters, digits and . _ @ + -",
            "Choose another name.",
        )
    return name


def check_role(role: str) -> Role:
    """The role, or WrongRequestError."""
    if role not in ROLES:
        raise WrongRequestError(
            "There is no such role.", f"Roles are {', '.join(ROLES)}.", "Choose one of them."
        )
    return role


def create_person(
    database: Database, actor: Actor, name: str, role: str, password: str | None = None
) -> tuple[str, str | None]:
    """Add a person; returns the id and, where no password was given, a one-time one to hand over."""
    one_time = None if password else secrets.token_urlsafe(12)
    hashed = hash_password(password or one_time or "")
    person_id = secrets.token_hex(8)
    with database.write() as session:
        if session.value(str, "SELECT id FROM person WHERE name = ?", _check_name(name)):
            raise ConflictError(f"There is already a user named {name}.", "", "Choose another name.")
        session.run(
            "INSERT INTO person (id, name, password, role, must_change, one_time_by, created_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            person_id,
            name,
            hashed,
            check_role(role),
            int(one_time is not None),
            actor.maker if one_time else "",
            time.time(),
        )
        audit.record(session, actor, "person.create", name, role=role)
    return person_id, one_time


def person(session: Session, person_id: str) -> PersonRow:
    """One person; raises WrongRequestError for an unknown id."""
    row = session.one(
        PersonRow,
        f"{_SHOWN} WHERE id = ?",
        person_id,
    )
    if row is None:
        raise NotFoundError("There is no such person.", "", "Go back to the list of people.")
    return row


def person_named(session: Session, name: str) -> PersonRow:
    """One person by name; raises NotFoundError."""
    row = session.one(PersonRow, f"{_SHOWN} WHERE name = ?", name)
    if row is None:
        raise NotFoundError(f"There is no user named {name}.", "", "appliance-dashboard create-user NAME")
    return row


def people(session: Session) -> list[PersonRow]:
    """Everybody, by name."""
    return session.all(PersonRow, f"{_SHOWN} ORDER BY name")


def _keep_an_admin(session: Session, person_id: str) -> None:
    others = session.count(
        "SELECT count(*) FROM person WHERE role = 'admin' AND disabled_at IS NULL AND id <> ?", person_id
    )
    if not others:
        raise RefusedError(
            "This is the last admin.",
            "Without one, no user could manage people any more.",
            "Make another user an admin first.",
            rule="last_admin",
        )


def change_person(
    database: Database, actor: Actor, person_id: str, *, role: str | None = None, disabled: bool | None = None
) -> None:
    """Give another role, or disable (which ends every session) or enable again."""
    with database.write() as session:
        row = person(session, person_id)
        if role is not None and role != row.role:
            refuse_of_provider(row, "The role follows from the groups there, with each sign-in.")
        if row.role == "admin" and (disabled or (role is not None and role != "admin")):
            _keep_an_admin(session, person_id)
        if role is not None and role != row.role:
            session.run("UPDATE person SET role = ? WHERE id = ?", check_role(role), person_id)
            audit.record(session, actor, "person.role", row.name, was=row.role, now=role)
        if disabled is not None and disabled != (row.disabled_at is not None):
            session.run(
                "UPDATE person SET disabled_at = ?, disabled_by_provider = 0 WHERE id = ?",
                time.time() if disabled else None,
                person_id,
            )
            if disabled:
                session.run("DELETE FROM session WHERE person_id = ?", person_id)
            audit.record(session, actor, "person.disable" if disabled else "person.enable", row.name)


def refuse_of_provider(row: PersonRow, why: str) -> None:
    """Raise RefusedError for a person who signs in through a provider."""
    if row.issuer is not None:
        raise RefusedError(
            f"{row.name} signs in through {row.issuer}.",
            why,
            "Change it at the provider; here, the person can be disabled.",
            rule="openid",
        )


def reset_password(database: Database, actor: Actor, person_id: str) -> str:
    """A one-time password for a person; ends every session of theirs."""
    one_time = secrets.token_urlsafe(12)
    hashed = hash_password(one_time)
    with database.write() as session:
        row = person(session, person_id)
        refuse_of_provider(row, "There is no password of theirs here.")
        session.run(
            "UPDATE person SET password = ?, must_change = 1, one_time_by = ? WHERE id = ?",
            hashed,
            actor.maker,
            person_id,
        )
        session.run("DELETE FROM session WHERE person_id = ?", person_id)
        audit.record(session, actor, "person.reset_password", row.name)
    return one_time


def change_own_password(database: Database, actor: Actor, old: str, new: str, keep_session: str) -> None:
    """Change one's own password; ends one's other sessions."""
    confirm_password(database, actor, old)
    if old == new:
        raise WrongRequestError("The new password is the old one.", "", "Choose another.")
    hashed = hash_password(new)
    with database.write() as session:
        session.run("UPDATE person SET password = ?, must_change = 0 WHERE id = ?", hashed, actor.person_id)
        end_other_sessions(session, actor.person_id or "", keep_session)
        audit.record(session, actor, "person.change_password", actor.name)


def confirm_password(database: Database, actor: Actor, password: str) -> None:
    """Raise WrongRequestError where it is not the person's own: a session alone shows not who is there."""
    with database.read() as session:
        stored = session.value(str, "SELECT password FROM person WHERE id = ?", actor.person_id)
    if not password_matches(stored, password):
        with database.write() as session:
            audit.record(session, actor, "person.change_password_failed", actor.name)
        raise WrongRequestError("The present password is not right.", "", "Type it again.")


def end_other_sessions(session: Session, person_id: str, keep_session: str) -> None:
    """End a person's sessions but one."""
    session.run("DELETE FROM session WHERE person_id = ? AND digest <> ?", person_id, digest(keep_session))


_SIGNING_IN = (
    "SELECT id, name, role, password, disabled_at, must_change, one_time_by, totp_since FROM person"
    " WHERE issuer IS NULL AND "
)


def _usable(session: Session, column: str, value: str) -> SigningIn | None:
    row = session.one(SigningIn, f"{_SIGNING_IN}{column} = ?", value)
    return row if row and row.disabled_at is None and _password_holds(session, row) else None


def with_password(database: Database, name: str, password: str, address: str) -> SigningIn | None:
    """The person that name and password are of, or None. Takes as long for a name that no one has."""
    with database.read() as session:
        usable = _usable(session, "name", name)
    if not password_matches(usable.password if usable else None, password) or usable is None:
        note_failed_sign_in(database, "session.sign_in_failed", name, address)
        return None
    return usable


def still_signing_in(session: Session, person_id: str) -> SigningIn | None:
    """The person whose password was right a moment ago, if they may still sign in."""
    return _usable(session, "id", person_id)


def begin_session(
    session: Session,
    row: Account,
    agent: str,
    address: str,
    *,
    proof: str | None = None,
    through: str | None = None,
) -> str:
    """A new session's secret; ``proof`` says what was shown beside the password, ``through`` what instead."""
    secret = secrets.token_urlsafe(32)
    now = time.time()
    session.run(
        "INSERT INTO session (digest, person_id, csrf, created_at, last_seen, expires_at, agent)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        digest(secret),
        row.id,
        secrets.token_urlsafe(24),
        now,
        now,
        now + SESSION_SECONDS,
        agent[:200],
    )
    session.run("UPDATE person SET last_sign_in = ? WHERE id = ?", now, row.id)
    audit.record(
        session,
        Actor(row.name, row.role, address),
        "session.sign_in",
        row.name,
        second_factor=proof,
        through=through,
    )
    return secret


def _password_holds(session: Session, row: SigningIn | OpenSession) -> bool:
    """A one-time password is good for as long as its maker may make one."""
    return not row.must_change or authority.may(session, row.one_time_by, "admin")


def note_failed_sign_in(
    database: Database, action: str, name: str, address: str, why: str | None = None
) -> None:
    """Put it in the audit log; a name that no one has is left out, because it may be a mistyped password."""
    with database.write(durable=False) as session:
        known = session.value(str, "SELECT id FROM person WHERE name = ?", name)
        audit.record(
            session,
            Actor("not signed in", "viewer", address),
            action,
            name if known else audit.UNKNOWN_NAME,
            why=why,
        )


def session_of(database: Database, secret: str) -> OpenSession | None:
    """The session and its person, or None where it is unknown, over or idle for too long."""
    now = time.time()
    with database.read() as session:
        row = session.one(
            OpenSession,
            "SELECT s.digest, s.csrf, s.last_seen, p.id AS person_id, p.name, p.role, p.must_change,"
            " p.one_time_by, p.totp_since, p.issuer"
            " FROM session s JOIN person p ON p.id = s.person_id"
            " WHERE s.digest = ? AND s.expires_at > ? AND s.last_seen > ? AND p.disabled_at IS NULL",
            digest(secret),
            now,
            now - SESSION_IDLE_SECONDS,
        )
        if row and not _password_holds(session, row):
            return None
    if row and now - row.last_seen > SEEN_EVERY_SECONDS:
        with database.write(durable=False) as session:
            session.run("UPDATE session SET last_seen = ? WHERE digest = ?", now, row.digest)
    return row


def sign_out(database: Database, secret: str) -> None:
    """End one session."""
    with database.write() as session:
        session.run("DELETE FROM session WHERE digest = ?", digest(secret))


def sessions_of(session: Session, person_id: str) -> list[SessionRow]:
    """A person's sessions, newest first."""
    return session.all(
        SessionRow,
        "SELECT digest, created_at, last_seen, agent FROM session WHERE person_id = ? AND expires_at > ?"
        " ORDER BY last_seen DESC LIMIT 50",
        person_id,
        time.time(),
    )
