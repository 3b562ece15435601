"""Bundles that were fetched and never installed, since another release was wished for meanwhile, or none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from appliance.documents.names import version_in_bundle_name
from appliance.releases.bundles import FOLDER
from appliance.releases.repository.trust import Trust
from appliance.releases.wanted import read_wanted

KEPT = timedelta(days=7)
"""An operator who was refused, since runs are under way, comes again sooner."""


def drop_unused(root: Path, wishes: Path) -> list[str]:
    """Remove what has lain there for long and is not wanted; their names. Raises OSError.

    What an operator has brought, on a stick or as an exception, is theirs.
    """
    wanted, trust, oldest = read_wanted(wishes), Trust(root), datetime.now(UTC) - KEPT
    dropped = []
    for path in sorted((root / FOLDER).glob(".*.partial")):
        if datetime.fromtimestamp(path.lstat().st_mtime, UTC) < oldest:
            path.unlink(missing_ok=True)
            dropped.append(path.name)
    for path in sorted((root / FOLDER).glob("*.tar")):
        version = version_in_bundle_name(path.name)
        note = trust.verified(version) if version else None
        if version is None or note is None or note.how != "repository" or note.at >= oldest:
            continue
        if wanted is None or wanted.version != version:
            # The note first: what has one is there.
            trust.forget(version)
            path.unlink(missing_ok=True)
            dropped.append(path.name)
    return dropped
