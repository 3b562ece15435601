"""What ``appliance release`` does: looking, fetching, importing, and what this machine is held to."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import appliance
from appliance.documents.names import bundle_name, is_release, is_sha256, release_order
from appliance.documents.problems import printable
from appliance.errors import RefusedError, WorkFailedError, WrongRequestError
from appliance.policy.policy import Policy, check_update, enforce, read_policy
from appliance.releases.bundles import FOLDER, find_bundle
from appliance.releases.held import Held, held_back, read_held, write_held
from appliance.releases.installed import CURRENT, ROOT, installed, is_installed, linked
from appliance.releases.prune import last_used
from appliance.releases.repository.alone import looking_alone
from appliance.releases.repository.contents import this_architecture
from appliance.releases.repository.seen import Seen, read_seen
from appliance.releases.repository.trust import Trust, Verified
from appliance.releases.window import too_early
from appliance.settings.settings import load_settings

if TYPE_CHECKING:
    from appliance.releases.repository.looking import Look


@dataclass(frozen=True)
class Known:
    """One release, as ``list`` shows it."""

    version: str
    is_current: bool
    is_installed: bool
    state: str
    released: str

    def as_json(self) -> dict[str, str | bool]:
        """As ``list --json`` prints it."""
        return {
            "version": self.version,
            "current": self.is_current,
            "installed": self.is_installed,
            "state": self.state,
            "released": self.released,
        }


@dataclass(frozen=True)
class Looked:
    """What a look has found, beside what runs."""

    seen: Seen
    current: str
    refusals: dict[str, str]

    def as_json(self) -> dict[str, object]:
        """As ``check --json`` prints it."""
        newer = self.seen.newer(self.current)
        return {
            "current": self.current,
            "channel": self.seen.channel,
            "repository": self.seen.source,
            "revoked": self.seen.revoked.get(self.current),
            "newer": [
                {**each.model_dump(mode="json"), "refused": self.refusals.get(each.version)} for each in newer
            ],
        }

    def lines(self) -> list[str]:
        """For a person."""
        lines = []
        why = self.seen.revoked.get(self.current)
        if why is not None:
            lines.append(f"{self.current}, which runs here, was revoked: {why}")
        newer = self.seen.newer(self.current)
        if not newer:
            lines.append(f"{self.seen.channel} has nothing newer than {self.current}.")
            return [printable(line) for line in lines]
        for each in newer:
            refused = self.refusals.get(each.version)
            lines.append(
                f"{each.version}, released {each.released_at:%Y-%m-%d}{f'. {refused}' if refused else ''}"
            )
            lines += [f"    {line}" for line in each.notes.strip().splitlines()]
        allowed = [each.version for each in newer if each.version not in self.refusals]
        if allowed:
            lines.append(f"Next: sudo appliance release apply {allowed[-1]}")
        # A signer writes the notes, and may be one who plays with terminals.
        return [printable(line) for line in lines]


def only_root(command: str) -> None:
    """Raise WrongRequestError for everybody else."""
    if os.geteuid() != 0:
        raise WrongRequestError("Only root can do that.", "It decides what runs as root.", f"sudo {command}")


def known_releases(root: Path) -> list[Known]:
    """What is installed, and what the last look has found, the newest last."""
    seen, here, current = read_seen(root), installed(root), linked(root, CURRENT)
    held = read_held(Trust(root).folder)
    available = {each.version: each for each in seen.releases} if seen else {}
    found = []
    for version in sorted({*here, *available}, key=release_order):
        words = ["current"] if version == current else []
        words += ["installed"] if version in here and version != current else []
        words += ["available"] if version not in here else []
        words += ["pinned"] if version == held.pin else []
        words += ["revoked"] if seen and version in seen.revoked else []
        at = available.get(version)
        released = f"{at.released_at:%Y-%m-%d}" if at else ""
        found.append(Known(version, version == current, version in here, ", ".join(words), released))
    return found


def look_now() -> Looked:
    """Look at the repository's server. Raises ApplianceError."""
    from appliance.releases.repository.looking import Look, server  # noqa: PLC0415 - only machines have tuf

    settings = load_settings()
    policy = read_policy(settings)
    trust = Trust(ROOT)
    trust.root()
    with looking_alone(ROOT), server(settings, trust) as source:
        seen = Look(ROOT, source, policy).see()
    held, now = read_held(trust.folder), datetime.now().astimezone()
    refusals = {
        each.version: (
            *check_update(policy, each.version),
            *held_back(held, each.version, now.date(), by_operator=True),
            *too_early(policy, now, each.version, each.released_at),
        )
        for each in seen.releases
    }
    said = {version: " ".join(each.what for each in found) for version, found in refusals.items() if found}
    return Looked(seen, linked(ROOT, CURRENT) or appliance.__version__, said)


def fetched(version: str | None) -> str:
    """Have that release here and verified, or the newest; which it is. Raises ApplianceError."""
    if version is not None and is_installed(ROOT, version):
        return version
    from appliance.releases.repository.looking import Look, server  # noqa: PLC0415 - see above

    settings = load_settings()
    policy, trust = read_policy(settings), Trust(ROOT)
    trust.root()
    with looking_alone(ROOT), server(settings, trust) as source:
        look = Look(ROOT, source, policy)
        chosen = _chosen(look, policy, version)
        if version is None:
            _check_is_newer(chosen)
        return look.bring(chosen, "repository").version


def imported(folder: Path, version: str | None) -> str:
    """Take a release from a folder; which it is. Raises ApplianceError."""
    from appliance.releases.repository.looking import Look  # noqa: PLC0415 - see above
    from appliance.releases.repository.source import Folder  # noqa: PLC0415

    if not (folder / "metadata").is_dir():
        raise WrongRequestError(
            f"{folder} holds no release repository.", "It would have a folder `metadata`.", f"ls {folder}"
        )
    policy = read_policy(load_settings())
    with looking_alone(ROOT):
        look = Look(ROOT, Folder(folder), policy)
        return look.bring(_chosen(look, policy, version), "folder").version


def _check_is_newer(chosen: str) -> None:
    """Raise WrongRequestError where who asks for no version would be led down to an older one."""
    current = linked(ROOT, CURRENT)
    if current is not None and release_order(chosen) < release_order(current):
        raise WrongRequestError(
            f"There is nothing newer than {current}, which runs.",
            f"The one that would be moved to is {chosen}, which is older.",
            f"sudo appliance release apply {chosen}, if it is to go down",
        )


def _chosen(look: Look, policy: Policy, version: str | None) -> str:
    """What is to be fetched. Raises RefusedError before a byte of what may never be moved to comes."""
    seen = look.see()
    held = read_held(Trust(ROOT).folder)
    chosen = version or policy.updates.pin or held.pin or _newest(seen)
    enforce(check_update(policy, chosen), "Ask the owner of policy.yaml, which says so in updates.")
    enforce(held_back(held, chosen, date.today(), by_operator=True), "sudo appliance release unpin")
    return chosen


def _newest(seen: Seen) -> str:
    if not seen.releases:
        raise WorkFailedError(
            f"The channel {seen.channel} has no release for this machine.", "", "appliance release check"
        )
    return seen.releases[-1].version


def trust_by_hand(version: str, sha256: str) -> None:
    """Let one bundle be installed that nothing has signed. Raises WrongRequestError, RefusedError."""
    if not is_release(version) or not is_sha256(sha256):
        raise WrongRequestError("That is no SHA-256 of a bundle.", "", "sha256sum appliance-….tar")
    if not sys.stdin.isatty():
        raise RefusedError(
            "A bundle that nothing has signed is trusted by a person only.",
            "This is no terminal.",
            "Use the release repository, or: sudo appliance release import DIR",
            rule="trust-unsigned",
        )
    path = ROOT / FOLDER / bundle_name(version, this_architecture())
    try:
        with path.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise WrongRequestError(
            f"{path} cannot be read: {why}.", "", f"sudo install -m 644 BUNDLE {path}"
        ) from None
    if digest != sha256:
        raise WrongRequestError(f"{path} has another SHA-256.", "", "Fetch it again, and compare.")
    trust = Trust(ROOT)
    trust.note(Verified(version=version, sha256=sha256, how="unsigned", at=datetime.now(UTC)))


def check_is_here(version: str) -> None:
    """Raise WrongRequestError, WorkFailedError before anything is asked of what could not be moved to."""
    if not is_release(version):
        raise WrongRequestError("That is not a version of the appliance.", "", "appliance release list")
    if not is_installed(ROOT, version):
        find_bundle(ROOT, version)


def former_release() -> str:
    """The release that was used last before the one that runs. Raises WorkFailedError without one."""
    current = linked(ROOT, CURRENT)
    others = [version for version in installed(ROOT) if version != current]
    if not others:
        raise WorkFailedError(
            "There is no other release on this machine.", "", "appliance release apply VERSION"
        )
    return max(others, key=lambda version: last_used(ROOT / "releases" / version))


def was_revoked(version: str) -> str:
    """What is to be said of a release that its vendor has taken back; empty for any other."""
    seen = read_seen(ROOT)
    why = seen.revoked.get(version) if seen else None
    return "" if why is None else printable(f"{version} was revoked: {why}")


def hold_to(pin: str | None = None, until: date | None = None) -> None:
    """Hold this machine to that, beside what it is held to already; to nothing without."""
    said = f"pin {pin}" if pin else f"hold --until {until}" if until else "unpin"
    only_root(f"appliance release {said}")
    if until is not None and until < date.today():
        raise WrongRequestError(
            f"{until} has passed.", "A hold ends with its last day.", "appliance release hold --until DAY"
        )
    if pin is not None and not is_release(pin):
        raise WrongRequestError("That is not a version of the appliance.", "", "appliance release list")
    folder = Trust(ROOT).folder
    if pin is None and until is None:
        write_held(folder, Held())
        return
    before = read_held(folder)
    write_held(folder, Held(pin=pin or before.pin, until=until or before.until))


def pin_root(sha256: str, folder: Path | None, bundle: str | None, repository: str | None) -> list[str]:
    """Pin the root of trust, and hold a bundle against it; what was done. Raises ApplianceError."""
    from appliance.releases.repository.looking import Look, server  # noqa: PLC0415 - see above
    from appliance.releases.repository.repository import find_root  # noqa: PLC0415
    from appliance.releases.repository.source import Folder  # noqa: PLC0415

    if not is_sha256(sha256) or not (bundle is None or is_sha256(bundle)):
        raise WrongRequestError("That is no SHA-256.", "", "Copy it from the dashboard.")
    settings = load_settings()
    if repository:
        releases = settings.releases.model_copy(update={"repository": repository})
        settings = settings.model_copy(update={"releases": releases})
    trust = Trust(ROOT)
    if folder is not None:
        stick = Folder(folder)
        with looking_alone(ROOT):
            trust.pin(find_root(stick, sha256), sha256, datetime.now(UTC))
            return _pinned(Look(ROOT, stick, read_policy(settings)), stick.name, bundle)
    with looking_alone(ROOT), server(settings, trust) as source:
        trust.pin(find_root(source, sha256), sha256, datetime.now(UTC))
        return _pinned(Look(ROOT, source, read_policy(settings)), source.name, bundle)


def _pinned(look: Look, name: str, bundle: str | None) -> list[str]:
    lines = [f"{name} is trusted from here on."]
    if bundle is not None:
        note = look.vouch(bundle)
        lines.append(f"The bundle is {note.version} of {note.channel}, as it was signed.")
    return lines
