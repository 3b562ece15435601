"""What came of the last look at the release repository, as the status service shows it."""

from __future__ import annotations

from pathlib import Path

import appliance
from appliance.releases.repository.seen import read_seen
from appliance.status.report import ReleaseLook


def release_look(root: Path) -> ReleaseLook | None:
    """None before the first. The repository's address is left out: it may hold a password."""
    seen = read_seen(root)
    if seen is None:
        return None
    running = appliance.__version__
    newer = seen.newer(running)
    return ReleaseLook(
        at=seen.at,
        channel=seen.channel,
        problem=seen.problem or None,
        newer=newer[-1].version if newer else None,
        revoked=seen.revoked.get(running),
    )
