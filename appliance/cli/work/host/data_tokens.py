"""What ``appliance tokens`` does."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from appliance.data_users.tokens import DataUserToken, all_tokens, make_token, revoke
from appliance.data_users.uses import TokenUse, uses
from appliance.settings.settings import load_settings
from appliance.steps.local.folders import state_folder


@dataclass(frozen=True)
class ListedToken:
    """A token, whether it is good, and how it was used."""

    token: DataUserToken
    state: str
    used: int
    last_used_at: datetime | None


def make_for(
    person: str, workflows: tuple[str, ...], *, days: int, state: Path | None
) -> tuple[str, DataUserToken]:
    """The token itself, and what is kept of it. Raises our errors."""
    by = os.environ.get("SUDO_USER") or getpass.getuser()
    return make_token(_folder(state), person, workflows, days=days, made_by=by)


def listed(state: Path | None) -> list[ListedToken]:
    """Every token, the oldest first. Raises our errors."""
    folder, now = _folder(state), datetime.now(UTC)
    times: dict[str, list[datetime]] = {}
    for use in uses(folder):
        if not use.refused:
            times.setdefault(use.token, []).append(use.at)
    return [
        ListedToken(
            token=each,
            state="revoked" if each.revoked_at else "expired" if each.why_not(now) else "good",
            used=len(times.get(each.id, [])),
            last_used_at=max(times.get(each.id, []), default=None),
        )
        for each in all_tokens(folder)
    ]


def revoke_for(name: str, state: Path | None) -> list[DataUserToken]:
    """Those that were good until now. Raises our errors."""
    return revoke(_folder(state), name)


def used(state: Path | None) -> list[TokenUse]:
    """Every use that is recorded. Raises our errors."""
    return list(uses(_folder(state)))


def _folder(state: Path | None) -> Path:
    return state_folder(load_settings(), state)
