"""Writing a backup: the manifest, both databases, and every file that is state, in one encrypted tar."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import socket
import tarfile
import tempfile
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import psycopg

import appliance
from appliance.backups.age_file import AgeWriter
from appliance.backups.contents import StateFile, state_files
from appliance.backups.manifest import FORMAT, MANIFEST, DatabaseFacts, Manifest
from appliance.backups.postgres_tools import Database
from appliance.cloud.enrolment import load_identity
from appliance.durable import whole_file
from appliance.errors import ApplianceError, WorkFailedError, WrongRequestError
from appliance.postgres.errors import database_failure
from appliance.settings.settings import Settings
from appliance.store.database import connect
from appliance.system.beneath import as_owner_of, lesser_owner, ways
from appliance.system.last_backup import LastBackup, note_backup

_VERSIONS = {
    "airflow": "SELECT version_num::text AS version FROM alembic_version",
    "appliance": "SELECT max(version)::text AS version FROM appliance.schema_version",
}


@dataclass(frozen=True)
class Entry:
    """One member of a backup, by name, and its size in bytes."""

    name: str
    bytes: int


@dataclass(frozen=True)
class Backup:
    manifest: Manifest
    entries: tuple[Entry, ...]


def create_backup(settings: Settings, file: Path, passphrase: str) -> Backup:
    """Write ``file`` (mode 0600), whole or not at all; what was there is replaced.

    The appliance may be running. Raises WorkFailedError when a database is away or the disk is full.
    """
    try:
        with whole_file(file, durable=True, mode=0o600) as target:
            backup = _write(settings, target, passphrase)
    except OSError as error:
        raise WorkFailedError(
            f"The backup {file} could not be written: {error.strerror or type(error).__name__}.",
            "Nothing has been left behind.",
            ways(error, settings.state_dir, f"df -h {file.absolute().parent} {settings.state_dir}"),
        ) from None
    # The backup is whole without the note, which the status page reads.
    with contextlib.suppress(OSError):
        manifest, size = backup.manifest, file.stat().st_size
        written = LastBackup(
            at=manifest.created_at, file=str(file.absolute()), bytes=size, release=manifest.release
        )
        note_backup(settings.state_dir, written)
    return backup


def database_urls(settings: Settings) -> dict[str, str]:
    """Both databases, by the names that a backup gives them."""
    return {"airflow": settings.airflow_database_url, "appliance": settings.database_url}


def _write(settings: Settings, target: BinaryIO, passphrase: str) -> Backup:
    files, left_out = state_files(settings)
    manifest = Manifest(
        format=FORMAT,
        release=appliance.__version__,
        created_at=datetime.now(UTC),
        host=socket.gethostname(),
        dashboard_name=_dashboard_name(settings),
        databases={name: _facts(name, url) for name, url in database_urls(settings).items()},
        left_out=tuple(left_out),
    )
    entries: list[Entry] = []
    sealed = AgeWriter(target, passphrase)
    with tarfile.open(fileobj=sealed, mode="w|", format=tarfile.PAX_FORMAT, bufsize=1 << 16) as tar:
        entries.append(_add_bytes(tar, MANIFEST, manifest.model_dump_json(indent=2).encode()))
        for name, url in database_urls(settings).items():
            entries.append(_add_dump(tar, settings, name, url, manifest.databases[name]))
        entries += [added for file in files if (added := _add_file(tar, file))]
    sealed.finish()
    return Backup(manifest, tuple(entries))


def _facts(name: str, url: str) -> DatabaseFacts:
    try:
        with closing(connect(url, read_only=True)) as session:
            row = session.execute(_VERSIONS[name].encode()).fetchone()
            return DatabaseFacts(
                server_version=session.info.server_version, schema_version=str((row or {}).get("version"))
            )
    except psycopg.errors.UndefinedTable:
        raise WrongRequestError(
            f"The database '{name}' has not been set up yet: there is nothing to back up.",
            "",
            "sudo systemctl start appliance-prepare",
        ) from None
    except psycopg.Error as error:
        raise database_failure(f"The database '{name}' does not answer.", error) from None


def _dashboard_name(settings: Settings) -> str | None:
    try:
        identity = load_identity(settings.identity_file)
    except ApplianceError:
        return None
    return identity.name if identity else None


def _add_dump(tar: tarfile.TarFile, settings: Settings, name: str, url: str, facts: DatabaseFacts) -> Entry:
    # Without a name: whatever ends this process, nothing stays behind.
    with tempfile.TemporaryFile(dir=settings.state_dir) as dump:
        Database(name, url, facts.server_version, lesser_owner(settings.state_dir)).dump(dump)
        size = dump.seek(0, os.SEEK_END)
        dump.seek(0)
        member = tarfile.TarInfo(f"databases/{name}.dump")
        member.size, member.mode = size, 0o600
        tar.addfile(member, dump)
    return Entry(member.name, size)


def _add_file(tar: tarfile.TarFile, file: StateFile) -> Entry | None:
    """The file as it is now; one that is gone by now is no part of the state any more."""
    try:
        # A link since it was found: what it leads to is no part of the state.
        with as_owner_of(file.path.parent):
            descriptor = os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as opened:
            member = tar.gettarinfo(arcname=file.name, fileobj=opened)
            content = opened.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        raise
    member.type, member.linkname, member.size = tarfile.REGTYPE, "", len(content)
    tar.addfile(member, io.BytesIO(content))
    return Entry(file.name, member.size)


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> Entry:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    tar.addfile(member, io.BytesIO(content))
    return Entry(name, len(content))
