"""What the management API answers about people, tokens and the audit log, by call."""

from __future__ import annotations

from appliance.dashboard.api.answers import Answer


class PersonMade(Answer):
    """A new person, with the one-time password that is shown this once."""

    id: str
    one_time_password: str | None


class PasswordMade(Answer):
    """A one-time password, shown this once."""

    one_time_password: str


class TokenMade(Answer):
    """A token, shown this once."""

    id: str
    token: str
