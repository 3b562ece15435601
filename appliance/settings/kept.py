"""How long, or how many, of what lies on this machine is kept: three sections of ``appliance.yaml``."""

from __future__ import annotations

from pydantic import Field

from appliance.documents.model import StrictModel


class ExportSettings(StrictModel):
    """Files that runs have delivered onto this machine."""

    max_days: int | None = Field(
        default=30,
        ge=1,
        le=36_500,
        description="Days after which an export is deleted; null keeps it until it is deleted.",
        examples=[30],
    )


class ReceiptSettings(StrictModel):
    """The records of runs."""

    max_days: int | None = Field(
        default=3_650,
        ge=1,
        le=36_500,
        description="Days after which a receipt is deleted; null keeps it for ever.",
        examples=[3650],
    )


class ReleaseSettings(StrictModel):
    """Releases of the appliance that are installed on this machine."""

    kept: int = Field(
        default=3,
        ge=2,
        le=100,
        description="How many stay installed: the one that runs, the one before it, and others by their use.",
        examples=[3],
    )
    watch_minutes: int = Field(
        default=30,
        ge=0,
        le=1440,
        description="How long a release is watched after a move to it, and left again if it fails.",
        examples=[30],
    )
    steady_seconds: int = Field(
        default=30,
        ge=0,
        le=600,
        description="How long all services must stay up after a move before the release is probed.",
        examples=[30],
    )
    repository: str | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="The release repository's address; null takes /releases/ of the dashboard.",
        examples=["https://releases.example.com"],
    )
    kib_per_s: int | None = Field(
        default=None,
        ge=64,
        le=10_000_000,
        description="The most that fetching a release takes of the network, in KiB a second; null for all.",
        examples=[2048],
    )
