"""Release bundles on this machine, fetched or put here by hand, and their installation."""

from __future__ import annotations

import os
import stat
import subprocess
import tarfile
from pathlib import Path

from appliance.documents.names import bundle_name, is_sha256
from appliance.errors import Explanation, WorkFailedError
from appliance.releases.installed import COMPLETE, UPDATER, ReleaseManifest, is_installed, manifest
from appliance.releases.repository.contents import this_architecture
from appliance.releases.repository.trust import Trust
from appliance.releases.way_down.moves import Side

FOLDER = "bundles"
"""Under the root of all releases. What lies here is run as root, so only root may write here."""
_MANIFEST_BYTES_MAX = 4 * 2**20


def find_bundle(root: Path, version: str) -> tuple[Path, str]:
    """The bundle of that version and the SHA-256 that it must have. Raises WorkFailedError.

    A machine with a root of trust takes what was verified by it, or named by its SHA-256 as an exception.
    On one without, from before there was a release repository, the digest stands in a file beside the bundle,
    as `make bundle` and `sha256sum` write it, and the operator vouches for it.
    """
    bundle = root / FOLDER / bundle_name(version, this_architecture())
    trust = Trust(root)
    if trust.is_pinned:
        return bundle, _verified(trust, bundle, version)
    beside = bundle.with_suffix(".tar.sha256")
    for path in (root / FOLDER, bundle, beside):
        if not path.exists():
            raise WorkFailedError(
                f"The release {version} is not on this machine: there is no {path}.",
                "",
                "Put the bundle and its .sha256 file there, then ask again.",
            )
        _only_root_writes(path)
    digest = read_digest(beside)
    if digest is None:
        raise WorkFailedError(
            f"{beside} does not hold a SHA-256.", "", "Fetch it again from where the bundle came from."
        )
    return bundle, digest


def is_fetched(root: Path, version: str) -> bool:
    """Whether a bundle that may be installed lies here: what was installed, and removed since, has gone."""
    bundle = root / FOLDER / bundle_name(version, this_architecture())
    return Trust(root).verified(version) is not None and bundle.is_file()


def _verified(trust: Trust, bundle: Path, version: str) -> str:
    note = trust.verified(version)
    if note is None or not bundle.exists():
        raise WorkFailedError(
            f"The release {version} is not on this machine, or nothing has signed for it.",
            "Only bundles that the release repository has signed are installed here.",
            f"sudo appliance release apply {version}, or: sudo appliance release import DIR {version}",
        )
    for path in (trust.folder, bundle.parent, bundle):
        _only_root_writes(path)
    return note.sha256


def read_digest(beside: Path) -> str | None:
    """The SHA-256 in a file as `make bundle` and `sha256sum` write it; None without. Raises OSError."""
    words = beside.read_text(encoding="ascii", errors="replace").split()
    return words[0] if words and is_sha256(words[0]) else None


def manifest_of(root: Path, version: str) -> ReleaseManifest:
    """What a release that is installed, or whose bundle is here, says of itself. Raises WorkFailedError.

    Of a bundle it is believed as far as its file is: which one may be read is decided as for installing it.
    """
    if is_installed(root, version):
        return manifest(root, version)
    bundle, _ = find_bundle(root, version)
    try:
        with tarfile.open(bundle, mode="r:") as archive:
            first = archive.next()
            opened = archive.extractfile(first) if first and first.name == "manifest.json" else None
            if opened is None or first is None or first.size > _MANIFEST_BYTES_MAX:
                raise ValueError
            return ReleaseManifest.model_validate_json(opened.read())
    except (OSError, tarfile.TarError, ValueError, RecursionError):
        raise WorkFailedError(f"{bundle} is not a release bundle.", "", "Fetch it again.") from None


def side(root: Path, version: str) -> Side:
    """A release as one end of a move. Of one that is not here, or is damaged, nothing is known yet."""
    try:
        found = manifest_of(root, version)
    except WorkFailedError:
        return Side(version, None, None)
    return Side(version, found.schemas, found.moves)


def install(root: Path, version: str) -> None:
    """Unpack the bundle, with the program that the trusted release brings. Raises WorkFailedError.

    That program checks the whole bundle and each of its files before anything of it runs, and installs a
    release whole or not at all.
    """
    bundle, digest = find_bundle(root, version)
    program = root / UPDATER / "provisioning" / "release" / "unpack.py"
    command = ["/usr/bin/python3", str(program), str(bundle), "--sha256", digest, "--root", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        said = Explanation.parsed(done.stderr)
        raise WorkFailedError(
            f"The release {version} could not be installed.",
            " ".join(said.what.split())[-400:].replace("The release was not installed: i", "I"),
            said.next_step[:1].upper() + said.next_step[1:] or "Fetch its bundle again.",
        )
    if not (root / "releases" / version / COMPLETE).is_file():
        raise WorkFailedError(
            f"{bundle} holds another release than {version}.", "", "Fetch its bundle again."
        )
    note = Trust(root).verified(version)
    if note is not None and note.how != "unsigned":
        # It was fetched for this, and can be fetched again. What an operator has put here is theirs.
        bundle.unlink(missing_ok=True)


def _only_root_writes(path: Path) -> None:
    status = path.lstat()
    linked = stat.S_ISLNK(status.st_mode)
    if linked or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise WorkFailedError(
            f"{path} will not be used.",
            "It is a link, or others than root may write it.",
            f"chown root:root {path} && chmod go-w {path}",
        )
