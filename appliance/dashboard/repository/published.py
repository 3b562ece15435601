"""The release repository that this dashboard serves, as its pages read it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pydantic import ValidationError

from appliance.documents.names import release_order
from appliance.releases.repository.contents import (
    ARCHITECTURES,
    CHANNELS,
    INDEX,
    METADATA,
    TARGETS,
    ChannelIndex,
    PublishedBundle,
    index_target,
)


class Published:
    """A folder that ``appliance-release publish`` has filled. Machines verify it; here it is only shown."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def root_digest(self) -> str | None:
        """The SHA-256 of the newest root of trust."""
        newest = self._newest("root")
        return hashlib.sha256(newest.read_bytes()).hexdigest() if newest else None

    def index(self, channel: str) -> ChannelIndex:
        """What a channel has; empty where that cannot be read."""
        empty = ChannelIndex.model_validate({"channel": channel})
        newest = self._newest(channel)
        if newest is None:
            return empty
        try:
            targets = json.loads(newest.read_bytes())["signed"]["targets"]
            digest = targets[index_target(channel)]["hashes"]["sha256"]
            path = self._folder / TARGETS / channel / f"{digest}.{INDEX}"
            return ChannelIndex.model_validate_json(path.read_bytes())
        except (OSError, ValueError, KeyError, TypeError, ValidationError):
            return empty

    def bundle(self, version: str) -> PublishedBundle | None:
        """The file of a release for most machines, or else for others, from the first channel that has it."""
        for architecture in ARCHITECTURES:
            for channel in CHANNELS:
                found = self.index(channel).find(version)
                if found and architecture in found.bundles:
                    return found.bundles[architecture]
        return None

    def revoked(self) -> dict[str, str]:
        """Why each release was taken back that no channel has any more."""
        taken = {version: why for name in CHANNELS for version, why in self.index(name).revoked.items()}
        there = set(self.versions()) if taken else ()
        return {version: why for version, why in taken.items() if version not in there}

    def versions(self) -> list[str]:
        """Every release of any channel, the newest last."""
        found = {each.version for channel in CHANNELS for each in self.index(channel).releases}
        return sorted(found, key=release_order)

    def _newest(self, role: str) -> Path | None:
        found = [path for path in (self._folder / METADATA).glob(f"*.{role}.json") if path.name[0].isdigit()]
        return max(found, key=lambda path: int(path.name.split(".")[0]), default=None)


def published(folder: str) -> Published | None:
    """The repository in that folder, if one is set."""
    return Published(Path(folder)) if folder else None
