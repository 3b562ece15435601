"""People's second factors: set up, asked for at sign-in, taken away. A code is good for one use."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from appliance.dashboard import second_factor
from appliance.dashboard.security import Actor
from appliance.dashboard.store.access import audit, people
from appliance.dashboard.store.database import Database, Session
from appliance.errors import RefusedError, WrongRequestError

Proof = Literal["code", "recovery code"]


@dataclass(frozen=True)
class Standing:
    """What a person has of a second factor."""

    since: float | None
    codes_left: int


def standing(session: Session, person_id: str) -> Standing:
    """Since when there is a second factor, and how many recovery codes are left."""
    since = session.value(float, "SELECT totp_since FROM person WHERE id = ?", person_id)
    left = session.count("SELECT count(*) FROM recovery_code WHERE person_id = ?", person_id)
    return Standing(since, left)


def use(session: Session, key: bytes, person_id: str, code: str) -> Proof | None:
    """Use up a code of either kind; None for a wrong one, and for one that was used before."""
    sealed = session.value(str, "SELECT totp_sealed FROM person WHERE id = ?", person_id)
    secret = second_factor.unseal(key, person_id, sealed) if sealed else None
    step = second_factor.matching_step(secret, code, time.time()) if secret else None
    if step is not None:
        taken = session.value(
            str,
            "UPDATE person SET totp_step = ? WHERE id = ? AND totp_step < ? RETURNING id",
            step,
            person_id,
            step,
        )
        return "code" if taken else None
    spent = session.value(
        str,
        "DELETE FROM recovery_code WHERE person_id = ? AND digest = ? RETURNING digest",
        person_id,
        second_factor.recovery_digest(key, person_id, code),
    )
    return "recovery code" if spent else None


def _write_codes(session: Session, key: bytes, person_id: str) -> list[str]:
    codes = second_factor.new_recovery_codes()
    session.run("DELETE FROM recovery_code WHERE person_id = ?", person_id)
    for code in codes:
        session.run(
            "INSERT INTO recovery_code (person_id, digest) VALUES (?, ?)",
            person_id,
            second_factor.recovery_digest(key, person_id, code),
        )
    return codes


def set_up(
    database: Database, key: bytes, actor: Actor, *, sealed: str, code: str, keep_session: str
) -> list[str]:
    """Take a secret whose first code is right; returns the recovery codes. Ends one's other sessions."""
    person_id = actor.person_id or ""
    secret = second_factor.unseal(key, person_id, sealed, second_factor.SETUP_SECONDS)
    if secret is None:
        raise WrongRequestError("This set-up is too old.", "", "Begin it again, and scan the new picture.")
    step = second_factor.matching_step(secret, code, time.time())
    if step is None:
        raise _wrong_code()
    with database.write() as session:
        taken = session.value(
            str,
            "UPDATE person SET totp_sealed = ?, totp_since = ?, totp_step = ?"
            " WHERE id = ? AND totp_sealed IS NULL RETURNING id",
            sealed,
            time.time(),
            step,
            person_id,
        )
        if taken is None:
            raise RefusedError(
                "You have a second factor already.",
                "",
                "Turn it off first, with a code.",
                rule="second_factor",
            )
        people.end_other_sessions(session, person_id, keep_session)
        audit.record(session, actor, "person.second_factor_on", actor.name)
        return _write_codes(session, key, person_id)


def new_codes(database: Database, key: bytes, actor: Actor, code: str) -> list[str]:
    """Other recovery codes instead of those that are left."""
    with database.write() as session:
        if proof := use(session, key, actor.person_id or "", code):
            audit.record(session, actor, "person.recovery_codes", actor.name, proof=proof)
            return _write_codes(session, key, actor.person_id or "")
    raise _refused_code(database, actor)


def turn_off(database: Database, key: bytes, actor: Actor, code: str) -> None:
    """Take away one's own second factor, with a code of it."""
    with database.write() as session:
        proof = use(session, key, actor.person_id or "", code)
        if proof:
            _forget(session, actor.person_id or "")
            audit.record(session, actor, "person.second_factor_off", actor.name, proof=proof)
    if not proof:
        raise _refused_code(database, actor)


def reset(database: Database, actor: Actor, person_id: str) -> None:
    """Take away another person's second factor, and end their sessions. One's own needs a code of it."""
    if actor.person_id == person_id:
        raise RefusedError(
            "Your own second factor is not reset here.",
            "A session that someone else holds could do that too.",
            "Turn it off on your account page, or ask another admin.",
            rule="second_factor",
        )
    with database.write() as session:
        row = people.person(session, person_id)
        _forget(session, person_id)
        session.run("DELETE FROM session WHERE person_id = ?", person_id)
        audit.record(session, actor, "person.reset_second_factor", row.name)


def _forget(session: Session, person_id: str) -> None:
    # The last step stays: a code that was used is of no use with the same secret.
    session.run("UPDATE person SET totp_sealed = NULL, totp_since = NULL WHERE id = ?", person_id)
    session.run("DELETE FROM recovery_code WHERE person_id = ?", person_id)


def _refused_code(database: Database, actor: Actor) -> WrongRequestError:
    with database.write() as session:
        audit.record(session, actor, "person.second_factor_failed", actor.name)
    return _wrong_code()


def _wrong_code() -> WrongRequestError:
    return WrongRequestError(
        "That code is not right.",
        "It is wrong, too old, or was used before.",
        "Wait for the next code, and check the clock of the phone.",
    )
