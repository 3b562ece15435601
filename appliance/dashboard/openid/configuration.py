"""A provider for sign-in through OpenID Connect. Pure, but for the file of the client's secret."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from appliance.dashboard.http_errors import ProviderError
from appliance.dashboard.security import ROLES, Role

CALLBACK = "/sign-in/openid/callback"
EVERYBODY = "*"
"""Stands for everybody whom the provider lets in."""


@dataclass(frozen=True)
class Configuration:
    """One provider, and what its people may do here."""

    issuer: str
    client_id: str
    client_secret_file: str
    """Empty for a client without a secret, whom PKCE alone protects."""
    scopes: tuple[str, ...]
    label: str
    """What the sign-in page calls it."""
    name_claim: str
    groups_claim: str
    groups: dict[Role, frozenset[str]]
    redirect_uri: str

    @property
    def secret(self) -> str:
        """The client's secret, read afresh, so that a new one needs no restart. Raises ProviderError."""
        try:
            return Path(self.client_secret_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ProviderError(
                "The file with the client's secret cannot be read.",
                f"DASHBOARD_OPENID_CLIENT_SECRET_FILE names it: {type(error).__name__}.",
                "Ask who runs this dashboard to let it read the file.",
            ) from None

    def role_of(self, groups: frozenset[str]) -> Role | None:
        """The strongest role that one of the groups has; None where none has any."""
        for role in reversed(ROLES):
            wanted = self.groups[role]
            if EVERYBODY in wanted or wanted & groups:
                return role
        return None


def problems(known: Configuration | None, *, local_accounts: bool) -> list[str]:
    """What is wrong with the settings of the provider (None: there is none), each naming its variable."""
    if known is None:
        return [] if local_accounts else [
            "DASHBOARD_LOCAL_ACCOUNTS=no leaves no way in without DASHBOARD_OPENID_ISSUER"
        ]  # fmt: skip
    found = []
    if not may_be_asked(known.issuer) or urlsplit(known.issuer).query:
        found.append("DASHBOARD_OPENID_ISSUER must be an https:// address, as the provider writes it")
    if not known.client_id:
        found.append("DASHBOARD_OPENID_CLIENT_ID must be the name that the provider gave this dashboard")
    if known.client_secret_file and not _has_text(known.client_secret_file):
        found.append("DASHBOARD_OPENID_CLIENT_SECRET_FILE must be a file that holds the client's secret")
    if "openid" not in known.scopes:
        found.append("DASHBOARD_OPENID_SCOPES must hold openid")
    if EVERYBODY in known.groups["admin"]:
        found.append("DASHBOARD_OPENID_ADMINS must name groups: everybody (*) is too many")
    if not any(known.groups.values()):
        found.append(
            "DASHBOARD_OPENID_VIEWERS, _EDITORS or _ADMINS must name a group, or no one could sign in"
        )
    return found


def _has_text(path: str) -> bool:
    try:
        return bool(Path(path).read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError):
        return False


def may_be_asked(url: str) -> bool:
    """Whether an address may be sent codes and secrets: over TLS, or on this very machine."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(parts.hostname))


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
