"""What a user may do now, looked up at each use: what was given out holds no rights of its own.

A token, an enrolment token, a command that waits and a one-time password each name their maker. They are
worth what the maker may do at this moment, and nothing where the maker was disabled, revoked or has expired.
"""

from __future__ import annotations

import time

from appliance.dashboard.security import ROLES, SYSTEM_MAKER, Role
from appliance.dashboard.store.access.rows import GivenRole
from appliance.dashboard.store.database import Session

LONGEST_CHAIN = 8
"""Tokens that made tokens: each use looks at all of them, so their number is bounded."""


def person_maker(person_id: str) -> str:
    """How a person is named as a maker."""
    return f"person:{person_id}"


def token_maker(token_id: str) -> str:
    """How an API token is named as a maker."""
    return f"token:{token_id}"


def lesser(one: Role, other: Role) -> Role:
    """The weaker of two roles."""
    return min(one, other, key=ROLES.index)


def role_of(session: Session, maker: str) -> Role | None:
    """The present role of a maker; None where they may do nothing any more, or are not known."""
    role: Role = "admin"
    for _ in range(LONGEST_CHAIN):
        if maker == SYSTEM_MAKER:
            return role
        kind, _, its_id = maker.partition(":")
        if kind == "person":
            found = session.one(
                GivenRole, "SELECT role FROM person WHERE id = ? AND disabled_at IS NULL", its_id
            )
            return lesser(role, found.role) if found else None
        row = _living_token(session, its_id) if kind == "token" else None
        if row is None:
            return None
        role, maker = lesser(role, row.role), row.maker
    return None


def person_behind(session: Session, maker: str) -> str | None:
    """The id of the person who stands behind a maker, through tokens that made tokens; None for none."""
    for _ in range(LONGEST_CHAIN):
        kind, _, its_id = maker.partition(":")
        if kind != "token":
            return its_id if kind == "person" else None
        maker = session.value(str, "SELECT maker FROM api_token WHERE id = ?", its_id) or ""
    return None


def chain_is_full(session: Session, maker: str) -> bool:
    """Whether a token that this maker made would stand behind too many others to be of use."""
    for _ in range(LONGEST_CHAIN - 1):
        if not maker.startswith("token:"):
            return False
        maker = (
            session.value(str, "SELECT maker FROM api_token WHERE id = ?", maker.removeprefix("token:")) or ""
        )
    return True


def may(session: Session, maker: str, role: Role) -> bool:
    """Whether a maker's present role is at least ``role``."""
    present = role_of(session, maker)
    return present is not None and ROLES.index(present) >= ROLES.index(role)


def _living_token(session: Session, token_id: str) -> GivenRole | None:
    return session.one(
        GivenRole,
        "SELECT role, maker FROM api_token"
        " WHERE id = ? AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)",
        token_id,
        time.time(),
    )
