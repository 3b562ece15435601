"""What a vendor does with the release repository: begin it, add, promote and revoke releases, change keys."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuf.api.metadata import DelegatedRole, Delegations, Root, TargetFile

from appliance.dashboard.repository.files import link_or_copy, mirror, read_manifest
from appliance.dashboard.repository.keys import Keys
from appliance.dashboard.repository.metadata import SignedFiles, now
from appliance.documents.names import bundle_name, is_final_release
from appliance.durable import write_file
from appliance.errors import WrongRequestError
from appliance.releases.repository.contents import (
    CHANNELS,
    INDEX,
    INDEX_BYTES_MAX,
    METADATA,
    NOTES_MAX,
    TARGETS,
    ChannelIndex,
    PublishedBundle,
    PublishedRelease,
    index_target,
)

ROOT_KEYS = 3
ROOT_THRESHOLD = 2
_ONE_KEY = ("targets", "snapshot", "timestamp")


class ReleaseRepository:
    """One repository: the vendor's own copy of it, which ``publish`` brings to where machines read it."""

    def __init__(self, folder: Path, keys: Keys) -> None:
        self.folder = folder
        self._keys = keys
        self._signed = SignedFiles(folder, keys)

    def begin(self, root_keys: int = ROOT_KEYS, threshold: int = ROOT_THRESHOLD) -> None:
        """Make every key, and sign an empty repository with them. Raises WrongRequestError."""
        if not 1 <= threshold <= root_keys:
            raise WrongRequestError(
                f"{threshold} of {root_keys} root keys cannot be asked for.", "", "--threshold 2 --roots 3"
            )
        if self._signed.newest("root"):
            raise WrongRequestError(
                f"{self.folder} holds a release repository already.", "", "appliance-release list"
            )
        with self._alone():
            with self._signed.edit_root() as root:
                root.consistent_snapshot = True
                for number in range(root_keys):
                    root.add_key(self._keys.make(f"root-{number + 1}"), "root")
                root.roles["root"].threshold = threshold
                for role in _ONE_KEY:
                    root.add_key(self._keys.make(role), role)
            with self._signed.edit_targets() as targets:
                # Each channel is asked for the paths below its own name, and for no other.
                roles = {
                    name: DelegatedRole(name, [], 1, terminating=True, paths=[f"{name}/*"])
                    for name in CHANNELS
                }
                targets.delegations = Delegations({}, roles)
                for name in CHANNELS:
                    targets.add_key(self._keys.make(name), name)
            for name in CHANNELS:
                self._write_index(ChannelIndex(channel=name))
            self._signed.begin()

    def add(self, bundle: Path, channel: str, notes: str = "") -> PublishedRelease:
        """Put a bundle into a channel. Raises WrongRequestError for what is none, or must not change."""
        self._known(channel)
        manifest = read_manifest(bundle)
        version, architecture = manifest.version, manifest.architecture
        _fits(version, channel)
        with bundle.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        with self._alone():
            for name in CHANNELS:
                self._same_for_good(name, version, architecture, digest)
            path = f"{channel}/{bundle_name(version, architecture)}"
            published = PublishedBundle(target=path, sha256=digest, size=bundle.stat().st_size)
            former = self.index(channel).find(version)
            release = PublishedRelease(
                version=version,
                released_at=former.released_at if former else now(),
                notes=(notes or manifest.notes)[:NOTES_MAX] or (former.notes if former else ""),
                bundles={**(former.bundles if former else {}), architecture: published},
            )
            self._put(bundle, published, link=False)
            self._write_index(self.index(channel).with_release(release))
            self._signed.renew()
        return release

    def promote(self, version: str, from_channel: str, to_channel: str) -> PublishedRelease:
        """Have a release of one channel in another too, byte for byte. Raises WrongRequestError."""
        self._known(from_channel)
        self._known(to_channel)
        _fits(version, to_channel)
        with self._alone():
            found = self._find(from_channel, version)
            why = self.index(to_channel).revoked.get(version)
            if why is not None:
                raise WrongRequestError(
                    f"{version} was revoked in {to_channel}.", why, "Give it a new version."
                )
            bundles = {}
            for architecture, bundle in found.bundles.items():
                target = f"{to_channel}/{Path(bundle.target).name}"
                bundles[architecture] = bundle.model_copy(update={"target": target})
                self._put(self._file(bundle), bundles[architecture])
            release = found.model_copy(update={"bundles": bundles})
            self._write_index(self.index(to_channel).with_release(release))
            self._signed.renew()
        return release

    def revoke(self, version: str, because: str) -> list[str]:
        """Take a release back, out of every channel that has it; those channels. Raises WrongRequestError.

        It can no longer be fetched. Machines that run it go on, and say that it was revoked.
        """
        with self._alone():
            having = [name for name in CHANNELS if self.index(name).find(version)]
            if not having:
                raise WrongRequestError(
                    f"No channel has the release {version}.", "", "appliance-release list"
                )
            for name in having:
                index = self.index(name)
                bundles = [each for each in index.releases if each.version == version]
                self._write_index(index.without(version, because))
                for bundle in (one for each in bundles for one in each.bundles.values()):
                    self._file(bundle).unlink(missing_ok=True)
            self._signed.renew()
        return having

    def rotate_key(self, name: str) -> str:
        """Make a new key in place of one, and have it trusted; the new one's id. Raises WrongRequestError."""
        with self._alone():
            if name in CHANNELS:
                with self._signed.edit_targets() as targets:
                    delegations = targets.delegations
                    if delegations is None or not delegations.roles:
                        raise WrongRequestError(
                            "This repository has no channels.", "", "appliance-release init"
                        )
                    for former in list(delegations.roles[name].keyids):
                        targets.revoke_key(former, name)
                    new = self._keys.make(name)
                    targets.add_key(new, name)
                self._write_index(self.index(name))
            else:
                with self._signed.edit_root() as root:
                    role, at = _place(root, name)
                    new = self._keys.make(name)
                    root.revoke_key(root.roles[role].keyids[at], role)
                    root.add_key(new, role)
                    # The Nth root key stays the Nth.
                    keyids = root.roles[role].keyids
                    keyids.insert(at, keyids.pop())
                if name == "targets":
                    with self._signed.edit_targets():
                        pass
                if name == "snapshot":
                    self._signed.do_snapshot(force=True)
            self._signed.renew()
        return new.keyid

    def publish(self, into: Path, days: float | None = None) -> None:
        """Sign the timestamp anew, and bring all that is new to ``into``, the timestamp last.

        A concurrent reader finds the former state whole, or the new one. ``days`` is how long the
        timestamp is good for, for a copy that is carried by hand.
        """
        if days is not None:
            self._signed.timestamp_days = days
        with self._alone():
            self._signed.renew()
            for part in (TARGETS, METADATA):
                mirror(self.folder / part, into / part)

    def index(self, channel: str) -> ChannelIndex:
        """What a channel has."""
        found = self._signed.targets(channel).targets.get(index_target(channel))
        if found is None:
            return ChannelIndex.model_validate({"channel": channel})
        path = self.folder / TARGETS / channel / f"{found.hashes['sha256']}.{INDEX}"
        return ChannelIndex.model_validate_json(path.read_bytes())

    def root_digest(self) -> str:
        """The SHA-256 of the root of trust as it is now: what a new machine is given."""
        path = self._signed.newest("root")
        if path is None:
            raise WrongRequestError(
                f"{self.folder} holds no release repository.", "", "appliance-release init"
            )
        return hashlib.sha256(path.read_bytes()).hexdigest()

    @property
    def signed(self) -> SignedFiles:
        """Its metadata."""
        return self._signed

    def _find(self, channel: str, version: str) -> PublishedRelease:
        found = self.index(channel).find(version)
        if found is None:
            raise WrongRequestError(f"{channel} has no release {version}.", "", "appliance-release list")
        return found

    def _same_for_good(self, channel: str, version: str, architecture: str, digest: str) -> None:
        index = self.index(channel)
        if version in index.revoked:
            raise WrongRequestError(
                f"{version} was revoked.", index.revoked[version], "Give the bundle another version."
            )
        found = index.find(version)
        bundle = found.bundles.get(architecture) if found else None
        if bundle is not None and bundle.sha256 != digest:
            raise WrongRequestError(
                f"{channel} has another bundle of {version}.",
                "A version names one release for good.",
                "Give this one another version.",
            )

    def _write_index(self, index: ChannelIndex) -> None:
        data = (index.model_dump_json(indent=1) + "\n").encode()
        if len(data) > INDEX_BYTES_MAX:
            raise WrongRequestError(
                f"The index of {index.channel} would be too large.", "", "Shorten the notes of its releases."
            )
        with self._signed.edit_targets(index.channel) as targets:
            targets.targets = {
                bundle.target: TargetFile(bundle.size, {"sha256": bundle.sha256}, bundle.target)
                for release in index.releases
                for bundle in release.bundles.values()
            }
            own = index_target(index.channel)
            targets.targets[own] = TargetFile.from_data(own, data, ["sha256"])
            name = f"{hashlib.sha256(data).hexdigest()}.{INDEX}"
            folder = self.folder / TARGETS / index.channel
            folder.mkdir(parents=True, exist_ok=True)
            write_file(folder / name, data, durable=True, mode=0o644)

    def _file(self, bundle: PublishedBundle) -> Path:
        target = Path(bundle.target)
        return self.folder / TARGETS / target.parent / f"{bundle.sha256}.{target.name}"

    def _put(self, source: Path, bundle: PublishedBundle, *, link: bool = True) -> None:
        path = self._file(bundle)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            # What lies elsewhere may be changed where it lies; a copy here is never.
            link_or_copy(source, path, link=link)

    def _known(self, channel: str) -> None:
        if channel not in CHANNELS:
            raise WrongRequestError(
                f"There is no channel {channel}.", "", f"Take one of {', '.join(CHANNELS)}."
            )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise WrongRequestError(
                    f"Another program changes {self.folder}.", "", "Wait for its end, then ask again."
                ) from None
            yield


def _place(root: Root, name: str) -> tuple[str, int]:
    """(the role that a key of this name signs for, which of its keys it is). Raises WrongRequestError."""
    role, _, number = name.partition("-")
    if role in _ONE_KEY and not number:
        return role, 0
    count = len(root.roles["root"].keyids)
    if role == "root" and number.isdigit() and 1 <= int(number) <= count:
        return role, int(number) - 1
    known = ", ".join([*(f"root-{each + 1}" for each in range(count)), *_ONE_KEY, *CHANNELS])
    raise WrongRequestError(f"There is no key {name}.", "", f"Known are {known}.")


def _fits(version: str, channel: str) -> None:
    if channel == "stable" and not is_final_release(version):
        raise WrongRequestError(
            f"{version} is no final release.",
            "stable has versions of numbers only, and appliances refuse others there.",
            "--channel candidate",
        )
