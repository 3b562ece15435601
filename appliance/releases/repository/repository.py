"""The release repository through python-tuf: what is offered, verified, and fetched after that."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError
from tuf.api import exceptions as tuf
from tuf.api.metadata import TargetFile
from tuf.ngclient import Updater

from appliance.durable import finish_file
from appliance.errors import ApplianceError, WorkFailedError, WrongRequestError
from appliance.releases.repository.contents import (
    INDEX_BYTES_MAX,
    METADATA,
    ChannelIndex,
    PublishedRelease,
    index_target,
    this_architecture,
)
from appliance.releases.repository.source import NOT_THERE, Source
from appliance.releases.repository.trust import CLOCK_SLACK, Trust
from appliance.system.disk import readable

SPACE_FACTOR = 4
"""A bundle's bytes against what it takes unpacked, as provisioning/release/unpack.py has it."""
ROOT_BYTES_MAX = 512_000
_ROOTS_MAX = 256
_NO_SUCH_FILE = (403, NOT_THERE)
"""As python-tuf has it: a bucket says the one of what is not there, a web server the other."""
_BASE = "repository://here/"
"""Sources know where they are; python-tuf wants a URL to put names behind."""
_RUNNING_ON = "Nothing was installed, and the release that runs goes on."


@dataclass(frozen=True)
class Offer:
    """A release that the repository has for this machine."""

    channel: str
    release: PublishedRelease
    target: TargetFile

    @property
    def sha256(self) -> str:
        """Of its bundle."""
        return self.target.hashes["sha256"]


class Repository:
    """One look at the repository: all that is said comes from one state of it, which was verified."""

    def __init__(self, trust: Trust, source: Source, *, now: datetime | None = None) -> None:
        """Raises WorkFailedError where nothing is trusted yet."""
        self._trust, self._source = trust, source
        self._now = now or datetime.now(UTC)
        root = trust.root()
        with self._in_words():
            # What was accepted last is the root of trust's follower, and python-tuf goes on from the first.
            trust.metadata.mkdir(mode=0o755, parents=True, exist_ok=True)
            try:
                self._updater = Updater(
                    str(trust.metadata), _BASE + METADATA, fetcher=source.fetcher, bootstrap=root
                )
            except tuf.RepositoryError:
                raise WorkFailedError(
                    f"The root of trust of this machine is damaged: {trust.folder / 'root.json'}.",
                    _RUNNING_ON,
                    "sudo appliance release trust SHA256, as the dashboard prints it for a new appliance",
                ) from None

    def refresh(self) -> None:
        """Verify the newest state. Raises WorkFailedError with the reason why it is not to be believed."""
        self._trust.check_clock(self._now)
        with self._in_words():
            self._updater.refresh()
        self._trust.saw(self._now)

    def channel(self, name: str) -> ChannelIndex:
        """What a channel has. Raises WorkFailedError."""
        path = index_target(name)
        found = self._signed_target(path)
        if found is None:
            raise WrongRequestError(
                f"The release repository has no channel {name}.", "", "Set updates.channel in policy.yaml."
            )
        if found.length > INDEX_BYTES_MAX:
            raise self._not_believed(f"The index of {name} is too large.")
        data = bytearray()
        with self._in_words():
            for block in self._bytes(found):
                data += block
            found.verify_length_and_hashes(bytes(data))
        try:
            index = ChannelIndex.model_validate_json(bytes(data))
        except ValidationError:
            raise self._not_believed(
                f"The index of {name} is of a kind that this release does not know."
            ) from None
        if any(each.released_at > self._now + CLOCK_SLACK for each in index.releases):
            raise WorkFailedError(
                "The clock of this machine is behind.",
                "A release that is signed already was made at a later time.",
                "timedatectl status",
            )
        return index

    def offer(self, name: str, version: str) -> Offer:
        """The bundle of that release for this machine. Raises WrongRequestError, WorkFailedError."""
        index = self.channel(name)
        release = index.find(version)
        if release is None:
            why = index.revoked.get(version)
            if why is not None:
                raise WrongRequestError(f"{version} was revoked.", why, "appliance release check")
            raise WrongRequestError(
                f"The channel {name} has no release {version}.", "", "appliance release check"
            )
        bundle = release.bundles.get(this_architecture())
        if bundle is None:
            has = ", ".join(sorted(release.bundles))
            raise WrongRequestError(
                f"{version} is not made for this machine, which is {this_architecture()}.",
                f"It is for {has}.",
            )
        target = self._signed_target(bundle.target)
        if target is None or target.hashes.get("sha256") != bundle.sha256 or target.length != bundle.size:
            raise self._not_believed(f"Its index and its signatures differ about {version}.")
        return Offer(name, release, target)

    def _signed_target(self, path: str) -> TargetFile | None:
        with self._in_words():
            found = self._updater.get_targetinfo(path)
        if found is not None and "sha256" not in found.hashes:
            raise self._not_believed("A file of it is signed without its SHA-256.")
        return found

    def fetch(self, offer: Offer, into: Path) -> None:
        """Have the bundle at ``into``, whole and verified. What was fetched before it broke off is used.

        Raises WorkFailedError; then nothing new has that name.
        """
        target = offer.target
        if _is_there(into, target):
            return
        partial = into.with_name(f".{offer.sha256}.partial")
        for other in into.parent.glob(".*.partial"):
            if other != partial:
                other.unlink()
        have = partial.stat().st_size if partial.is_file() and not partial.is_symlink() else 0
        if have > target.length:
            partial.unlink()
            have = 0
        _room(into.parent, target.length, have)
        with self._in_words():
            if have < target.length:
                self._download(target, partial, have)
            try:
                with partial.open("rb") as file:
                    target.verify_length_and_hashes(file)
            except tuf.LengthOrHashMismatchError:
                partial.unlink()
                raise
            finish_file(partial, into, mode=0o644)

    def _download(self, target: TargetFile, partial: Path, have: int) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with (
            os.fdopen(os.open(partial, flags, 0o600), "r+b") as file,
            self._source.target(_address(target), have) as (begins, blocks),
        ):
            file.truncate(begins)
            file.seek(begins)
            received = begins
            for block in blocks:
                received += len(block)
                if received > target.length:
                    file.truncate(0)
                    raise tuf.DownloadLengthMismatchError("longer than what was signed")
                file.write(block)

    def _bytes(self, target: TargetFile) -> Iterator[bytes]:
        received = 0
        with self._source.target(_address(target), 0) as (_, blocks):
            for block in blocks:
                received += len(block)
                if received > target.length:
                    raise tuf.DownloadLengthMismatchError("longer than what was signed")
                yield block

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        """What python-tuf found, as a person reads it."""
        try:
            yield
        except ApplianceError:
            raise
        except tuf.ExpiredMetadataError:
            raise self._not_believed(
                "What it says has expired: it is an old state, or its owner no longer signs it.",
                "timedatectl status; then ask the vendor.",
            ) from None
        except tuf.BadVersionNumberError:
            raise self._not_believed("It shows an older state than this machine has seen before.") from None
        except tuf.UnsignedMetadataError:
            raise self._not_believed(
                "It is not signed by enough of the keys that this machine trusts."
            ) from None
        except tuf.LengthOrHashMismatchError:
            raise self._not_believed("A file of it is not the one that was signed.") from None
        except tuf.RepositoryError:
            raise self._not_believed("Its metadata is not what it has to be.") from None
        except tuf.DownloadLengthMismatchError:
            raise self._not_believed("A file of it is longer than what was signed.") from None
        except tuf.DownloadHTTPError as error:
            why = "A file of it is missing." if error.status_code == NOT_THERE else str(error)
            raise self._away(why) from None
        except tuf.DownloadError as error:
            raise self._away(str(error)) from None
        except OSError as error:
            raise WorkFailedError(
                f"What was fetched cannot be written: {os.strerror(error.errno or 0)}.",
                _RUNNING_ON,
                f"df -h {self._trust.folder}; make room, then ask again.",
            ) from None

    def _not_believed(
        self, why: str, next_step: str = "Ask the vendor; then: appliance release check"
    ) -> WorkFailedError:
        return WorkFailedError(
            f"The release repository {self._source.name} is not believed. {why}", _RUNNING_ON, next_step
        )

    def _away(self, why: str) -> WorkFailedError:
        return WorkFailedError(
            f"The release repository {self._source.name} cannot be used. {why}",
            _RUNNING_ON,
            "Check its address, the proxy and the network; then: appliance release check",
        )


def find_root(source: Source, digest: str) -> bytes:
    """The root of trust with that SHA-256, among all that the repository has had. Raises ApplianceError."""
    for version in range(1, _ROOTS_MAX):
        try:
            data = source.fetcher.download_bytes(f"{_BASE}{METADATA}/{version}.root.json", ROOT_BYTES_MAX)
        except tuf.DownloadError as error:
            if isinstance(error, tuf.DownloadHTTPError) and error.status_code in _NO_SUCH_FILE:
                break
            raise WorkFailedError(
                f"The release repository {source.name} cannot be used. {error}",
                "",
                "Check its address, the proxy and the network.",
            ) from None
        if hashlib.sha256(data).hexdigest() == digest:
            return data
    raise WrongRequestError(
        f"The release repository {source.name} has no root of trust with that SHA-256.",
        "It is another repository, or a proxy stands between.",
        "Compare the digest with what `appliance-release list` prints.",
    )


def _is_there(into: Path, target: TargetFile) -> bool:
    """Whether it was fetched before. What has the name and is another file, or damaged, is fetched again."""
    try:
        descriptor = os.open(into, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            target.verify_length_and_hashes(file)
    except (OSError, tuf.LengthOrHashMismatchError):
        return False
    return True


def _address(target: TargetFile) -> str:
    folder, slash, name = target.path.rpartition("/")
    return f"{folder}{slash}{target.hashes['sha256']}.{name}"


def _room(folder: Path, length: int, have: int) -> None:
    """Two releases fit besides what is there. Raises WorkFailedError before a byte is fetched."""
    needed = length - have + 2 * SPACE_FACTOR * length
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise WorkFailedError(
            f"Another release has no room: it takes {readable(needed)}, and {readable(free)} are free.",
            _RUNNING_ON,
            f"df -h {folder}; make room, then: appliance release check",
        )
