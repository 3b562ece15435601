"""What a release repository holds besides TUF's own metadata: an index of each channel, signed like bundles.

``metadata/`` has TUF's files, ``targets/CHANNEL/`` the bundles of a channel and its ``releases.json``. Each
channel is a delegation of its own, so the key of one signs nothing of another.
"""

from __future__ import annotations

import platform
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from appliance.documents.names import RELEASE, SHA256, release_order

CHANNELS = ("stable", "candidate", "edge")
Channel = Literal["stable", "candidate", "edge"]
INDEX = "releases.json"
INDEX_BYTES_MAX = 2 * 2**20
"""Some thousand releases with their notes."""
NOTES_MAX = 20_000
METADATA = "metadata"
TARGETS = "targets"
ARCHITECTURES = ("x86_64", "aarch64")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class PublishedBundle(_Model):
    """The file of a release for one architecture."""

    target: Annotated[str, Field(max_length=200, pattern=r"^[0-9A-Za-z.+_-]+(/[0-9A-Za-z.+_-]+)*$")]
    """Its path below ``targets/``, without TUF's prefix."""
    sha256: Annotated[str, Field(pattern=f"^{SHA256}$")]
    size: Annotated[int, Field(ge=1)]


Version = Annotated[str, Field(pattern=f"^{RELEASE}$")]
"""A signer may be one who has stolen a key: what becomes a file's name is never taken as it comes."""


class PublishedRelease(_Model):
    """One release of a channel."""

    version: Version
    released_at: AwareDatetime
    """When it first came into any channel."""
    notes: Annotated[str, Field(max_length=NOTES_MAX)] = ""
    bundles: dict[str, PublishedBundle]
    """By architecture, as ``uname -m`` has it."""


class ChannelIndex(_Model):
    """``releases.json``: which releases a channel has, and which were taken back."""

    format: Literal[1] = 1
    channel: Channel
    releases: tuple[PublishedRelease, ...] = ()
    revoked: dict[Version, str] = Field(default_factory=dict)
    """Why, by version."""

    def find(self, version: str) -> PublishedRelease | None:
        """The release of that version."""
        return next((each for each in self.releases if each.version == version), None)

    def with_release(self, release: PublishedRelease) -> ChannelIndex:
        """The same, with this release in place of what has its version; the newest last."""
        others = [each for each in self.releases if each.version != release.version]
        ordered = sorted([*others, release], key=lambda each: release_order(each.version))
        return self.model_copy(update={"releases": tuple(ordered)})

    def without(self, version: str, because: str) -> ChannelIndex:
        """The same, with that version revoked."""
        kept = tuple(each for each in self.releases if each.version != version)
        return self.model_copy(update={"releases": kept, "revoked": {**self.revoked, version: because}})


def index_target(channel: str) -> str:
    """The path of a channel's index below ``targets/``."""
    return f"{channel}/{INDEX}"


def this_architecture() -> str:
    """Of the machine that this runs on, as bundles are called."""
    return as_machines_call_it(platform.machine())


def as_machines_call_it(name: str) -> str:
    """An architecture that Docker, Debian or another system names, as ``uname -m`` of Linux has it."""
    return {"arm64": "aarch64", "amd64": "x86_64"}.get(name, name)
