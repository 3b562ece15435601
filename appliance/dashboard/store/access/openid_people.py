"""Sign-ins through a provider: which have begun, and whose accounts they end in."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from appliance.dashboard.openid.identity import Identity
from appliance.dashboard.security import Actor, Role, digest
from appliance.dashboard.store.access import audit, people
from appliance.dashboard.store.access.rows import Account, NameTaken, OfProvider
from appliance.dashboard.store.database import Database, Session
from appliance.errors import RefusedError

SIGN_IN_SECONDS = 600
"""How long a person may take at the provider."""
NO_PASSWORD = "!"  # noqa: S105 - the opposite of one
"""Stands where a hash would; no password has it."""
THROUGH = "openid connect"


def begin(database: Database, state: str, browser: str, target: str) -> None:
    """Write down a sign-in that begins; it is good for one answer, in this browser."""
    now = time.time()
    with database.write(durable=False) as session:
        session.run("DELETE FROM openid_sign_in WHERE expires_at < ?", now)
        session.run(
            "INSERT INTO openid_sign_in (state_digest, browser_digest, target, expires_at)"
            " VALUES (?, ?, ?, ?)",
            digest(state),
            digest(browser),
            target[:500],
            now + SIGN_IN_SECONDS,
        )


def take(database: Database, state: str, browser: str) -> str | None:
    """Use up a sign-in that has begun in this browser; returns where it was to lead. None for any other."""
    with database.write() as session:
        return session.value(
            str,
            "DELETE FROM openid_sign_in WHERE state_digest = ? AND browser_digest = ? AND expires_at > ?"
            " RETURNING target",
            digest(state),
            digest(browser),
            time.time(),
        )


@dataclass(frozen=True)
class Visitor:
    """The browser that signs in."""

    agent: str
    address: str


def sign_in(database: Database, found: Identity, visitor: Visitor) -> tuple[Account, str]:
    """The person and a new session's secret. Makes the account at the first sign-in; the role is what the
    groups say now. Raises RefusedError, after writing down what the refusal changes.
    """
    refused: RefusedError | None
    with database.write() as session:
        known = session.one(
            OfProvider,
            "SELECT id, name, role, disabled_at, disabled_by_provider FROM person"
            " WHERE issuer = ? AND subject = ?",
            found.issuer,
            found.subject,
        )
        if found.role is None:
            refused = _without_role(session, known, visitor)
        else:
            refused = _refused(session, found, known, visitor)
            if refused is None:
                row = (
                    _as_groups_say(session, found, found.role, known, visitor)
                    if known
                    else _new(session, found, found.role, visitor)
                )
                secret = people.begin_session(session, row, visitor.agent, visitor.address, through=THROUGH)
                return row, secret
    raise refused


def _actor(found: Identity, name: str, address: str) -> Actor:
    return Actor(name, found.role or "viewer", address)


def _refused(
    session: Session, found: Identity, known: OfProvider | None, visitor: Visitor
) -> RefusedError | None:
    name = known.name if known else found.name
    if known and known.disabled_at is not None and not known.disabled_by_provider:
        _note(session, name, visitor, "disabled")
        return RefusedError(
            "Your account here is disabled.", "An admin has disabled it.", "Ask an admin.", rule="disabled"
        )
    if known:
        return None
    if not people.fits_as_name(found.name):
        _note(session, audit.UNKNOWN_NAME, visitor, "the name cannot be used")
        return RefusedError(
            "The provider's name for you cannot be used here.",
            "A name has up to 64 letters, digits and . _ @ + -",
            "Ask who runs this dashboard to name another claim in DASHBOARD_OPENID_NAME_CLAIM.",
            rule="openid_name",
        )
    taken = session.one(
        NameTaken, "SELECT name, issuer FROM person WHERE lower(name) = ?", found.name.lower()
    )
    if taken is None:
        return None
    _note(session, taken.name, visitor, "the name belongs to another account")
    return RefusedError(
        f"The name {found.name} belongs to another account here.",
        "It is not taken over: that account signs in with a password."
        if taken.issuer is None
        else "Another person of a provider has it.",
        "If the account is yours, ask who runs this dashboard to hand it over:"
        f" appliance-dashboard hand-to-openid {taken.name} SUBJECT, where SUBJECT is your name at the"
        f" provider ({found.subject[:80]}).",
        rule="openid_name",
    )


def _without_role(session: Session, known: OfProvider | None, visitor: Visitor) -> RefusedError:
    if known and known.disabled_at is None:
        _end(session, known, visitor)
    _note(session, known.name if known else audit.UNKNOWN_NAME, visitor, "no group has a role")
    return RefusedError(
        "None of your groups may use this dashboard.",
        "The provider knows you, and none of the groups that it names has a role here.",
        "Ask to be put into a group that has one. Who runs this dashboard sees them in"
        " DASHBOARD_OPENID_VIEWERS, _EDITORS and _ADMINS.",
        rule="openid_groups",
    )


def _note(session: Session, name: str, visitor: Visitor, why: str) -> None:
    actor = Actor("not signed in", "viewer", visitor.address)
    audit.record(session, actor, "session.sign_in_failed", name, through=THROUGH, why=why)


def _end(session: Session, known: OfProvider, visitor: Visitor) -> None:
    """The provider has taken the person's rights away: what they gave out here is worth nothing either."""
    session.run(
        "UPDATE person SET disabled_at = ?, disabled_by_provider = 1 WHERE id = ?", time.time(), known.id
    )
    session.run("DELETE FROM session WHERE person_id = ?", known.id)
    actor = Actor(known.name, "viewer", visitor.address)
    audit.record(session, actor, "person.disable", known.name, through=THROUGH, why="no group has a role")


def _as_groups_say(
    session: Session, found: Identity, role: Role, known: OfProvider, visitor: Visitor
) -> Account:
    actor = _actor(found, known.name, visitor.address)
    if known.disabled_at is not None:
        session.run("UPDATE person SET disabled_at = NULL, disabled_by_provider = 0 WHERE id = ?", known.id)
        audit.record(session, actor, "person.enable", known.name, through=THROUGH)
    if known.role != role:
        session.run("UPDATE person SET role = ? WHERE id = ?", role, known.id)
        audit.record(session, actor, "person.role", known.name, was=known.role, now=role, through=THROUGH)
    return Account(id=known.id, name=known.name, role=role)


def _new(session: Session, found: Identity, role: Role, visitor: Visitor) -> Account:
    person_id = secrets.token_hex(8)
    session.run(
        "INSERT INTO person (id, name, password, role, created_at, issuer, subject)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        person_id,
        found.name,
        NO_PASSWORD,
        found.role,
        time.time(),
        found.issuer,
        found.subject,
    )
    actor = _actor(found, found.name, visitor.address)
    audit.record(session, actor, "person.create", found.name, role=found.role, through=THROUGH)
    return Account(id=person_id, name=found.name, role=role)


def hand_over(database: Database, actor: Actor, name: str, issuer: str, subject: str) -> None:
    """Make a person sign in through the provider from now on: their password and second factor go."""
    with database.write() as session:
        row = people.person_named(session, name)
        if session.value(str, "SELECT id FROM person WHERE issuer = ? AND subject = ?", issuer, subject):
            raise RefusedError(
                "That person of the provider has an account here already.",
                "One person has one account.",
                "Disable the account that is not wanted, on the page People.",
                rule="openid",
            )
        session.run(
            "UPDATE person SET issuer = ?, subject = ?, password = ?, must_change = 0, totp_sealed = NULL,"
            " totp_since = NULL WHERE id = ?",
            issuer,
            subject,
            NO_PASSWORD,
            row.id,
        )
        session.run("DELETE FROM recovery_code WHERE person_id = ?", row.id)
        session.run("DELETE FROM session WHERE person_id = ?", row.id)
        audit.record(session, actor, "person.hand_to_openid", row.name, issuer=issuer)
