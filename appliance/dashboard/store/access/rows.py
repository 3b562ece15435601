"""People, sessions, tokens and the log as the queries give them. Moments are seconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.dashboard.security import Role
from appliance.dashboard.store.rows import DocumentJson


@dataclass(frozen=True, kw_only=True)
class Account:
    """A person who signs in; ``must_change`` is 1 with a one-time password."""

    id: str
    name: str
    role: Role
    must_change: int = 0


@dataclass(frozen=True, kw_only=True)
class SigningIn(Account):
    """A person with a password here, who has not signed in yet."""

    password: str
    disabled_at: float | None
    one_time_by: str
    totp_since: float | None


@dataclass(frozen=True, kw_only=True)
class OfProvider(Account):
    """A person who signs in through a provider."""

    disabled_at: float | None
    disabled_by_provider: int


@dataclass(frozen=True, kw_only=True)
class PersonRow:
    """A person who may sign in."""

    id: str
    name: str
    role: Role
    must_change: int
    created_at: float
    disabled_at: float | None
    last_sign_in: float | None
    second_factor_since: float | None
    issuer: str | None
    """Of the provider that the person signs in through; null for a password here."""


@dataclass(frozen=True, kw_only=True)
class NameTaken:
    """A name, and the provider of the person who has it; None for a password here."""

    name: str
    issuer: str | None


@dataclass(frozen=True, kw_only=True)
class OpenSession:
    """A session, and whose it is."""

    digest: str
    csrf: str
    last_seen: float
    person_id: str
    name: str
    role: Role
    must_change: int
    one_time_by: str
    totp_since: float | None
    issuer: str | None


@dataclass(frozen=True, kw_only=True)
class SessionRow:
    """A session in the list of one's own."""

    digest: str
    created_at: float
    last_seen: float
    agent: str


@dataclass(frozen=True, kw_only=True)
class StoredToken:
    """An API token, never the token itself."""

    id: str
    name: str
    role: Role
    created_by: str
    maker: str
    created_at: float
    expires_at: float | None
    last_used_at: float | None


@dataclass(frozen=True, kw_only=True)
class TokenRow(StoredToken):
    """An API token, never the token itself; ``role_now`` is null where its maker may do nothing any more."""

    role_now: Role | None


@dataclass(frozen=True, kw_only=True)
class TokenMaker:
    """What a token is called, and who made it."""

    name: str
    maker: str


@dataclass(frozen=True, kw_only=True)
class UsedApiToken:
    """The token that a request has."""

    id: str
    name: str
    last_used_at: float | None


@dataclass(frozen=True, kw_only=True)
class GivenRole:
    """A role, and for a token who made it."""

    role: Role
    maker: str = ""


@dataclass(frozen=True, kw_only=True)
class AuditRow:
    """A change, and who made it from where."""

    id: int
    at: float
    actor: str
    action: str
    subject: str
    detail: DocumentJson
    address: str
