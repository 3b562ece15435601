"""From the claims of a sign-in to a person with a role, or to why there is none. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from appliance.dashboard.openid.configuration import Configuration
from appliance.dashboard.security import Role
from appliance.errors import RefusedError

_ABSENT = object()


class Identity(NamedTuple):
    """Whom the provider has named. Issuer and subject alone say who it is; the name is for people to read."""

    issuer: str
    subject: str
    name: str
    role: Role | None
    """None where none of the person's groups has one."""


def identity(configuration: Configuration, claims: Mapping[str, Any]) -> Identity:
    """Who has signed in. Raises RefusedError for a name that proves nothing, or that is none."""
    return Identity(
        configuration.issuer,
        claims["sub"],
        _name(configuration, claims),
        configuration.role_of(groups(configuration, claims)),
    )


def says_all(configuration: Configuration, claims: Mapping[str, Any]) -> bool:
    """Whether claims say the name and the groups; what the ID token leaves out, UserInfo may have."""
    needed = [configuration.name_claim, configuration.groups_claim]
    needed += ["email_verified"] if configuration.name_claim == "email" else []
    return all(claim(claims, name) is not _ABSENT for name in needed)


def claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name; a name with dots that is none itself is a path (``realm_access.roles``)."""
    if name in claims:
        return claims[name]
    at: Any = claims
    for part in name.split("."):
        if not isinstance(at, Mapping) or part not in at:
            return _ABSENT
        at = at[part]
    return at


def groups(configuration: Configuration, claims: Mapping[str, Any]) -> frozenset[str]:
    """The person's groups; one alone may be a text."""
    found = claim(claims, configuration.groups_claim)
    several = found if isinstance(found, list) else [found]
    # A person could name a group "*" themselves: it is everybody only in the settings.
    return frozenset(each for each in several if isinstance(each, str))


def _name(configuration: Configuration, claims: Mapping[str, Any]) -> str:
    found = claim(claims, configuration.name_claim)
    if not isinstance(found, str) or not found.strip():
        raise RefusedError(
            "The provider does not say who you are.",
            f"It gives no {configuration.name_claim} of you.",
            "Ask who runs this dashboard: the client there needs a scope that has it, or"
            " DASHBOARD_OPENID_NAME_CLAIM another claim.",
            rule="openid_name",
        )
    if configuration.name_claim == "email":
        if claim(claims, "email_verified") is not True:
            raise RefusedError(
                "Your e-mail address is not verified.",
                "The provider does not vouch for it, so that anybody could bear it.",
                "Verify it at the provider, then sign in again. A provider that never says so needs"
                " another claim in DASHBOARD_OPENID_NAME_CLAIM.",
                rule="openid_email",
            )
        return found.strip().lower()
    return found.strip()
