"""What the management API answers about people, tokens and the audit log, by call."""

from __future__ import annotations

from appliance.dashboard.api.answers import Answer, Json
from appliance.dashboard.security import Role


class PersonRow(Answer):
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


class PersonMade(Answer):
    """A new person, with the one-time password that is shown this once."""

    id: str
    one_time_password: str | None


class PasswordMade(Answer):
    """A one-time password, shown this once."""

    one_time_password: str


class TokenRow(Answer):
    """An API token, never the token itself; ``role_now`` is null where its maker may do nothing any more."""

    id: str
    name: str
    role: Role
    created_by: str
    maker: str
    created_at: float
    expires_at: float | None
    last_used_at: float | None
    role_now: Role | None


class TokenMade(Answer):
    """A token, shown this once."""

    id: str
    token: str


class AuditRow(Answer):
    """A change, and who made it from where."""

    id: int
    at: float
    actor: str
    action: str
    subject: str
    detail: Json
    address: str
