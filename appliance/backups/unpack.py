"""Reading a backup: every byte is proven authentic, and the end reached, before any of it is used."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from appliance.backups.age_file import AgeReader, DamagedError, NotAgeError, WrongPassphraseError
from appliance.backups.contents import LARGEST_FILE, destination
from appliance.backups.create import Backup, Entry
from appliance.backups.manifest import DATABASES, LARGEST_MANIFEST, MANIFEST, Manifest, read_manifest
from appliance.errors import WorkFailedError, WrongRequestError
from appliance.settings.settings import Settings

DUMPS = {f"databases/{name}.dump": name for name in DATABASES}


@dataclass(frozen=True)
class Unpacked:
    """One file of the state as the backup has it, lying in the staging folder."""

    name: str
    staged: Path
    mode: int
    owner: str
    group: str


@dataclass(frozen=True)
class Contents:
    """A whole backup in the staging folder."""

    manifest: Manifest
    dumps: dict[str, Path]
    files: tuple[Unpacked, ...]


def list_backup(settings: Settings, file: Path, passphrase: str) -> Backup:
    """Read the file to its end and say what it holds.

    Writes nothing. Raises WrongRequestError as ``unpack``.
    """
    with _members(file, passphrase) as (manifest, members):
        entries = [_checked(settings, member) for member, _ in members]
    return Backup(manifest, tuple(entries))


def unpack(settings: Settings, file: Path, passphrase: str, folder: Path) -> Contents:
    """Unpack the file into ``folder``, which is made anew.

    Raises WrongRequestError for a passphrase that does not open it, for a file that is none of ours, was
    changed or cut off, or that this release cannot read; then the folder is gone.
    """
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(mode=0o700, parents=True)
        with _members(file, passphrase) as (manifest, members):
            dumps: dict[str, Path] = {}
            files: list[Unpacked] = []
            for number, (member, opened) in enumerate(members):
                _checked(settings, member)
                staged = folder / str(number)
                with staged.open("xb") as target:
                    shutil.copyfileobj(opened, target)
                if member.name in DUMPS:
                    dumps[DUMPS[member.name]] = staged
                else:
                    mode = member.mode & 0o777
                    files.append(Unpacked(member.name, staged, mode, member.uname, member.gname))
        if set(dumps) != set(DATABASES):
            raise _damaged(file)
        return Contents(manifest, dumps, tuple(files))
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise WorkFailedError(
            f"The backup could not be unpacked: {error.strerror or type(error).__name__}.",
            "Nothing of this appliance has been changed.",
            f"df -h {settings.state_dir}",
        ) from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


Members = Iterator[tuple[tarfile.TarInfo, BufferedReader]]


@contextmanager
def _members(file: Path, passphrase: str) -> Iterator[tuple[Manifest, Members]]:
    """The manifest, then all other members in order; the end of the file is proven at the end."""
    try:
        with file.open("rb") as source:
            sealed = AgeReader(source, passphrase)
            with tarfile.open(fileobj=sealed, mode="r|", bufsize=1 << 16) as tar:
                manifest = _manifest(tar)
                yield manifest, _rest(tar)
            while sealed.read(1 << 16):
                pass
    except NotAgeError:
        raise WrongRequestError(
            f"{file} is not a backup of an appliance.",
            "It is not in the format of age with a passphrase.",
            "Name the file that 'appliance backup create' made.",
        ) from None
    except WrongPassphraseError:
        raise WrongRequestError(
            f"The passphrase does not open {file}.",
            "Nothing has been changed. The file cannot be read without the right passphrase.",
            "Try again with the passphrase that was given when the backup was made.",
        ) from None
    except (DamagedError, tarfile.TarError):
        raise _damaged(file) from None
    except FileNotFoundError:
        raise WrongRequestError(f"There is no file {file}.", "", f"ls -l {file.absolute().parent}") from None


def _manifest(tar: tarfile.TarFile) -> Manifest:
    member = tar.next()
    opened = tar.extractfile(member) if member is not None and member.isreg() else None
    if member is None or opened is None or member.name != MANIFEST or member.size > LARGEST_MANIFEST:
        return read_manifest(b"")
    return read_manifest(opened.read())


def _rest(tar: tarfile.TarFile) -> Members:
    while (member := tar.next()) is not None:
        opened = tar.extractfile(member) if member.isreg() else None
        if opened is None:
            raise tarfile.ReadError
        yield member, opened  # type: ignore[misc]


def _checked(settings: Settings, member: tarfile.TarInfo) -> Entry:
    if member.name not in DUMPS and (
        destination(settings, member.name) is None or member.size > LARGEST_FILE
    ):
        raise WrongRequestError(
            "The backup holds a file that does not belong to the state of an appliance.",
            "Nothing has been changed.",
            "Use a backup that 'appliance backup create' made.",
        )
    return Entry(member.name, member.size)


def _damaged(file: Path) -> WrongRequestError:
    return WrongRequestError(
        f"{file} is damaged: it was cut off, or changed after it was written.",
        "Nothing has been changed.",
        f"Copy it again from where it is kept (compare: sha256sum {os.fspath(file)}), or use another backup.",
    )
