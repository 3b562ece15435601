"""What came of the last look at the release repository, in a file of the folder of trust."""

from __future__ import annotations

from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from appliance.documents.names import release_order
from appliance.durable import write_file
from appliance.releases.repository.trust import Trust

_SEEN = "seen.json"


class Available(BaseModel):
    """A release that the channel had at the last look."""

    model_config = ConfigDict(frozen=True)

    version: str
    released_at: AwareDatetime
    notes: str = ""


class Seen(BaseModel):
    """What came of the last look: for people, and for the updater, which cannot look itself."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    source: str
    channel: str
    releases: tuple[Available, ...] = ()
    revoked: dict[str, str] = Field(default_factory=dict)
    problem: str = ""
    """Why the look came to nothing; the releases are those of the last that did."""
    refused: tuple[str, str] | None = None
    """A version that is wanted and cannot be had from there, and why."""

    def newer(self, version: str) -> list[Available]:
        """Those that come after a version, the newest last."""
        return [each for each in self.releases if release_order(each.version) > release_order(version)]


def read_seen(root: Path) -> Seen | None:
    """What came of the last look; None before the first."""
    try:
        return Seen.model_validate_json((Trust(root).folder / _SEEN).read_bytes())
    except (OSError, ValidationError):
        return None


def write_seen(root: Path, seen: Seen) -> None:
    """Keep what was seen. Raises OSError."""
    write_file(Trust(root).folder / _SEEN, seen.model_dump_json(indent=1), durable=True, mode=0o644)
