"""The releases on this machine: a folder each, and links to the live one and to the one that may update."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from appliance.documents.names import is_release, release_order
from appliance.durable import point_link
from appliance.errors import WorkFailedError
from appliance.releases.way_down.schemas import Moves, Schemas

ROOT = Path("/opt/appliance")
CURRENT = "current"
"""The live release: what units and the command line run."""
UPDATER = "updater"
"""The release that has proven itself last. Updates run its code, so that a broken one can still be left."""
COMPLETE = ".complete"
"""Marks a release's folder as there whole."""


def installed(root: Path) -> list[str]:
    """Versions that are there whole, the newest last."""
    found = (root / "releases").glob(f"*/{COMPLETE}")
    return sorted((path.parent.name for path in found if is_release(path.parent.name)), key=release_order)


def is_installed(root: Path, version: str) -> bool:
    """Whether that release is there whole."""
    return is_release(version) and (root / "releases" / version / COMPLETE).is_file()


def linked(root: Path, link: str) -> str | None:
    """The version that a link leads to; None without one."""
    try:
        return (root / link).readlink().name
    except OSError:
        return None


def point(root: Path, link: str, version: str) -> None:
    """Lead the link to that release, in one step: there is no moment without one."""
    if linked(root, link) == version:
        return
    point_link(root / link, root / "releases" / version, durable=True)


class StepImage(BaseModel):
    """An image of steps, as Docker knows it."""

    tag: str
    id: str = ""


class ReleaseManifest(BaseModel):
    """What is read of a release's ``manifest.json``."""

    step_image: StepImage
    parquet_image: StepImage | None = None
    """Older releases have none."""
    schemas: Schemas | None = None
    """Of which kind its databases are; releases from before that was written say nothing."""
    moves: Moves | None = None
    """Which releases it can be moved from, and down to."""

    @property
    def step_images(self) -> tuple[StepImage, ...]:
        """Every image for steps."""
        return (self.step_image, *([self.parquet_image] if self.parquet_image else []))


def manifest(root: Path, version: str) -> ReleaseManifest:
    """What the release says of itself. Raises WorkFailedError for one that says nothing."""
    path = root / "releases" / version / "manifest.json"
    try:
        return ReleaseManifest.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        raise WorkFailedError(
            f"The release {version} is damaged: {path} cannot be read.",
            "",
            "Remove its folder, and install it again from its bundle.",
        ) from None
