"""API tokens: made, listed, revoked; and who one is when it is used."""

from __future__ import annotations

import secrets
import time

from appliance.dashboard.http_errors import NotFoundError
from appliance.dashboard.security import API_PREFIX, Actor, digest, new_token
from appliance.dashboard.store.access import audit, authority
from appliance.dashboard.store.access.people import SEEN_EVERY_SECONDS, check_role
from appliance.dashboard.store.access.rows import StoredToken, TokenMaker, TokenRow, UsedApiToken
from appliance.dashboard.store.database import Database, Session
from appliance.errors import RefusedError, WrongRequestError


def create_token(
    database: Database, actor: Actor, name: str, role: str, days: int | None = 365
) -> tuple[str, str]:
    """An API token's id and the token itself, shown this once. Its role is at most its maker's."""
    if not actor.may(check_role(role)):
        raise RefusedError(
            f"A {actor.role} cannot make a token with the role {role}.",
            "",
            "Choose a lesser role.",
            rule="role",
        )
    if not 1 <= len(name.strip()) <= 80:
        raise WrongRequestError(
            "A token needs a name.", "It says what the token is for.", "Give it up to 80 characters."
        )
    if days is not None and not 1 <= days <= 3650:
        raise WrongRequestError("A token lasts from 1 to 3650 days.", "", "Choose another number of days.")
    token, token_id, now = new_token(API_PREFIX), secrets.token_hex(8), time.time()
    with database.write() as session:
        if authority.chain_is_full(session, actor.maker):
            raise RefusedError(
                "This token was made by a token, and that by another, too many times over.",
                f"A use looks at all of them, so there may be {authority.LONGEST_CHAIN} in a row.",
                "Make it signed in, on the page Tokens.",
                rule="chain",
            )
        session.run(
            "INSERT INTO api_token (id, name, digest, role, created_by, maker, created_at, expires_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            token_id,
            name.strip(),
            digest(token),
            role,
            actor.name,
            actor.maker,
            now,
            now + days * 86400 if days is not None else None,
        )
        audit.record(session, actor, "token.create", name.strip(), role=role, days=days)
    return token_id, token


def tokens(session: Session) -> list[TokenRow]:
    """Every API token that is not revoked, with what it may do now; never the tokens themselves."""
    rows = session.all(
        StoredToken,
        "SELECT id, name, role, created_by, maker, created_at, expires_at, last_used_at FROM api_token"
        " WHERE revoked_at IS NULL ORDER BY created_at DESC",
    )
    return [
        TokenRow(**vars(row), role_now=authority.role_of(session, authority.token_maker(row.id)))
        for row in rows
    ]


def revoke_token(database: Database, actor: Actor, token_id: str) -> None:
    """Make a token useless at once. An editor may revoke their own, an admin any."""
    with database.write() as session:
        row = session.one(
            TokenMaker, "SELECT name, maker FROM api_token WHERE id = ? AND revoked_at IS NULL", token_id
        )
        if row is None:
            raise NotFoundError("There is no such token.", "", "It may have been revoked already.")
        if row.maker != actor.maker and not actor.may("admin"):
            raise RefusedError("That token belongs to another user.", "", "Ask an admin.", rule="role")
        session.run("UPDATE api_token SET revoked_at = ? WHERE id = ?", time.time(), token_id)
        audit.record(session, actor, "token.revoke", row.name)


def actor_of_token(database: Database, token: str, address: str) -> Actor | None:
    """Who an API token is; None where it is unknown, revoked or expired, or its maker may do nothing now."""
    now = time.time()
    with database.read() as session:
        row = session.one(
            UsedApiToken, "SELECT id, name, last_used_at FROM api_token WHERE digest = ?", digest(token)
        )
        if row is None:
            return None
        maker = authority.token_maker(row.id)
        role = authority.role_of(session, maker)
    if role is None:
        return None
    if now - (row.last_used_at or 0) > SEEN_EVERY_SECONDS:
        with database.write(durable=False) as session:
            session.run("UPDATE api_token SET last_used_at = ? WHERE id = ?", now, row.id)
    return Actor(f"token {row.name}", role, address, maker=maker)
