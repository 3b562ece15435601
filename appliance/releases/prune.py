"""``python -m appliance.releases.prune``: remove releases that are no longer kept, and their step images.

The one that runs, the one before it, the one that performs updates and the one that policy pins always stay.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

from appliance.errors import ApplianceError, ExitCode
from appliance.policy.policy import read_policy
from appliance.releases.held import read_held
from appliance.releases.installed import COMPLETE, CURRENT, ROOT, UPDATER, installed, linked, manifest
from appliance.releases.lock import UNDER_WAY, BusyError, opened_lock, update_alone
from appliance.releases.repository.trust import Trust
from appliance.settings.settings import Settings, load_settings

USED = ".used"
"""Touched in a release's folder whenever it is moved to or away from."""


def superfluous(root: Path, kept: int, *pinned: str | None) -> list[str]:
    """The releases that ``kept`` leaves no room for, the longest unused first."""
    stays = {linked(root, CURRENT), linked(root, UPDATER), *pinned}
    by_use = sorted(installed(root), key=lambda version: last_used(root / "releases" / version))
    others = [version for version in by_use if version not in stays]
    room = kept - (len(by_use) - len(others))
    # The one before the current one is the last of them.
    return others[: -max(room, 1)]


def prune(root: Path, settings: Settings) -> list[str]:
    """Remove what is superfluous, and what unpackings that were cut off have left; what was removed."""
    try:
        pins = read_policy(settings).updates.pin, read_held(Trust(root).folder).pin
    except ApplianceError:
        # What is pinned is not known, and what reads it complains of it already.
        return []
    removed = superfluous(root, settings.releases.kept, *pins)
    tags = {version: _step_images(root, version) for version in installed(root)}
    for version in removed:
        _remove(root / "releases" / version)
        kept = {tag for other, of_other in tags.items() if other != version for tag in of_other}
        for tag in tags.pop(version):
            if tag not in kept:
                _docker("image", "rm", tag)
    with contextlib.suppress(OSError), opened_lock(root / ".lock") as lock:
        # An unpacking process holds it; without, a folder that is not complete never will be.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        in_use = {linked(root, CURRENT), linked(root, UPDATER)}
        for folder in (root / "releases").iterdir():
            if folder.name not in in_use and not (folder / COMPLETE).exists():
                _remove(folder)
    return removed


def mark_used(root: Path, version: str | None) -> None:
    """Remember that this release was moved to or away from just now."""
    with contextlib.suppress(OSError):
        (root / "releases" / (version or "-") / USED).touch()


def main() -> int:
    """Remove them, unless an update is under way, and name them."""
    try:
        with update_alone(ROOT) as state:
            if (state / UNDER_WAY).exists():
                return ExitCode.DONE
            for version in prune(ROOT, load_settings()):
                print(f"removed the release {version}")  # noqa: T201 - the deploy's output
    except BusyError:
        return ExitCode.DONE
    except ApplianceError as error:
        sys.stderr.write(error.text() + "\n")
        return error.exit_code
    return ExitCode.DONE


def last_used(folder: Path) -> float:
    """When the release in that folder was last moved to or away from, as seconds since the epoch."""
    marks = (folder / COMPLETE, folder / USED)
    return max(mark.stat().st_mtime for mark in marks if mark.exists())


def _step_images(root: Path, version: str) -> list[str]:
    with contextlib.suppress(ApplianceError):
        return [image.tag for image in manifest(root, version).step_images]
    return []


def _remove(folder: Path) -> None:
    """Its mark first: cut off from here on, it is not installed, and the next time removes the rest."""
    (folder / COMPLETE).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _docker(*arguments: str) -> None:
    """Without a word where it fails: an image that a container still uses stays, and does no harm."""
    with contextlib.suppress(OSError):
        subprocess.run(["docker", *arguments], env=os.environ, capture_output=True, check=False)  # noqa: S603, S607


if __name__ == "__main__":
    sys.exit(main())
