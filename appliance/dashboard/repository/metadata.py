"""The signed files of the repository: opened, signed with what is at hand, and written in their order.

python-tuf's own editor does the work; this says where files lie, how long each is good for, and that
nothing is written which clients would not accept.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import (
    Metadata,
    MetaFile,
    Root,
    Signed,
    Snapshot,
    Targets,
    Timestamp,
)
from tuf.repository import Repository

from appliance.dashboard.repository.keys import Keys
from appliance.durable import write_file
from appliance.errors import WrongRequestError
from appliance.releases.repository.contents import CHANNELS, METADATA

LIFETIMES_D = {"root": 730, "targets": 730, "snapshot": 30, "timestamp": 3}
"""Days. The timestamp is short-lived, so that a server cannot keep a machine on an old state for longer."""
CHANNEL_LIFETIME_D = 365
VERSIONS_KEPT = 10
"""Of what changes with each publication; a client that is reading finds the state that it began with."""
_TYPES: dict[str, type[Root] | type[Snapshot] | type[Timestamp] | type[Targets]] = {
    "root": Root,
    "snapshot": Snapshot,
    "timestamp": Timestamp,
}


def now() -> datetime:
    """As TUF counts: whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


class SignedFiles(Repository):
    """``metadata/`` of one repository."""

    def __init__(self, folder: Path, keys: Keys) -> None:
        self._folder = folder / METADATA
        self._keys = keys
        self.timestamp_days: float = LIFETIMES_D["timestamp"]

    def open(self, role: str) -> Metadata[Any]:
        """The newest version of a role's file, or a new one."""
        path = self.newest(role)
        if path is None:
            made = _TYPES.get(role, Targets)()
            # What closes it counts it up to 1.
            made.version = 0
            return Metadata(made)
        found: Metadata[Any] = Metadata.from_file(str(path))
        return found

    def close(self, role: str, md: Metadata[Any]) -> None:
        """Sign and write the next version. Raises WrongRequestError where keys are missing for it."""
        former = self.root() if role == "root" and self.newest("root") else None
        signed = md.signed
        signed.version += 1
        signed.expires = now() + timedelta(days=self._days(role))
        md.signatures.clear()
        for signer in self._keys.signers(self._keyids(role, signed, former)):
            md.sign(signer, append=True)
        self._check(role, md, former)
        data = md.to_bytes()
        self._folder.mkdir(parents=True, exist_ok=True)
        write_file(self._folder / self._name(role, signed.version), data, durable=True, mode=0o644)
        if role not in ("root", "timestamp"):
            for old in self._versions(role)[:-VERSIONS_KEPT]:
                (self._folder / self._name(role, old)).unlink()

    @property
    def targets_infos(self) -> dict[str, MetaFile]:
        """What the next snapshot names."""
        return {f"{role}.json": MetaFile(self.targets(role).version) for role in ("targets", *CHANNELS)}

    @property
    def snapshot_info(self) -> MetaFile:
        """What the next timestamp names."""
        return MetaFile(self.snapshot().version)

    def newest(self, role: str) -> Path | None:
        """The file that holds the newest version."""
        if role == "timestamp":
            path = self._folder / "timestamp.json"
            return path if path.exists() else None
        versions = self._versions(role)
        return self._folder / self._name(role, versions[-1]) if versions else None

    def renew(self) -> list[str]:
        """Sign snapshot and timestamp anew as far as something changed or they age; what was signed.

        Raises WrongRequestError where a change of a key was cut off, and cannot be brought to its end here.
        """
        for role in ("targets", *CHANNELS):
            if not self._is_signed(role):
                with self.edit_targets(role):
                    pass
        needed = max(LIFETIMES_D["snapshot"] / 2, self.timestamp_days)
        ages = self.snapshot().expires - now() < timedelta(days=needed)
        snapshot, _ = self.do_snapshot(force=ages)
        self.do_timestamp(force=True)
        return ["snapshot", "timestamp"] if snapshot else ["timestamp"]

    def begin(self) -> None:
        """The first snapshot and timestamp."""
        self.do_snapshot(force=True)
        # Its first version names the first snapshot already, which python-tuf takes for no change.
        self.do_timestamp(force=True)

    def expiring(self, within: timedelta) -> list[str]:
        """Roles that only offline keys sign, or that need several signers, and that end soon."""
        roles = ("root", "targets", *CHANNELS)
        return [role for role in roles if self.open(role).signed.expires - now() < within]

    def _keyids(self, role: str, signed: Signed, former: Root | None) -> Iterable[str]:
        if isinstance(signed, Root):
            before = former.roles["root"].keyids if former else []
            return dict.fromkeys([*before, *signed.roles["root"].keyids])
        if role in CHANNELS:
            delegations = self.targets().delegations
            return delegations.roles[role].keyids if delegations and delegations.roles else []
        return self.root().roles[role].keyids

    def _check(self, role: str, md: Metadata[Any], former: Root | None) -> None:
        """Nothing is written that no client accepts."""
        signed = md.signed
        if isinstance(signed, Root):
            judges: list[Root | Targets] = [signed, *([former] if former else [])]
        else:
            judges = [self.targets() if role in CHANNELS else self.root()]
        for judge in judges:
            try:
                judge.verify_delegate(role, md.signed_bytes, md.signatures)
            except UnsignedMetadataError:
                raise _keys_missing(role, len(md.signatures)) from None

    def _is_signed(self, role: str) -> bool:
        """Whether its newest file is signed with the keys that are trusted for it now."""
        md = self.open(role)
        judge: Root | Targets = self.targets() if role in CHANNELS else self.root()
        try:
            judge.verify_delegate(role, md.signed_bytes, md.signatures)
        except UnsignedMetadataError:
            return False
        return True

    def _days(self, role: str) -> float:
        if role == "timestamp":
            return self.timestamp_days
        least = LIFETIMES_D.get(role, CHANNEL_LIFETIME_D)
        return max(least, 2 * self.timestamp_days) if role == "snapshot" else least

    def _name(self, role: str, version: int) -> str:
        return "timestamp.json" if role == "timestamp" else f"{version}.{role}.json"

    def _versions(self, role: str) -> list[int]:
        found = (path.name.split(".")[0] for path in self._folder.glob(f"*.{role}.json"))
        return sorted(int(version) for version in found if version.isdigit())


def _keys_missing(role: str, found: int) -> WrongRequestError:
    return WrongRequestError(
        f"There are not enough keys here to sign {role}: {found} found.",
        "Root and targets are signed with keys that are kept offline."
        if role in ("root", "targets")
        else f"Its file begins with {role}.",
        "Name each folder that holds some of them: --keys DIR --keys DIR.",
    )
