"""Files of an export: how they are called, and how they are written so that their digest is known."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from appliance.postgres.plan import TableName

_LONGEST_NAME = 200
"""Bytes; a file system takes 255."""
_BLOCK = 1 << 20


@dataclass(frozen=True)
class WrittenFile:
    """A file that is on the disk."""

    name: str
    """Below the export's folder."""
    rows: int | None
    """None where it holds those of several tables."""
    bytes: int
    sha256: str


class HashedFile:
    """A file (made, or made anew, for its owner only) that knows its size and digest while it is written."""

    def __init__(self, path: Path) -> None:
        self.written = 0
        self._digest = hashlib.sha256()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(descriptor, "wb", buffering=0)

    @property
    def sha256(self) -> str:
        """Of all that was written."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> int:
        """All of it. Raises OSError."""
        self.written += len(data)
        self._digest.update(data)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) or 0 :]
        return len(data)

    def end(self, *, whole: bool) -> None:
        """Close it; a whole one is on the disk then. Raises OSError."""
        try:
            if whole:
                os.fsync(self._file.fileno())
        finally:
            self._file.close()


def file_stem(table: TableName) -> str:
    """``schema.table``: safe on every file system, and no two tables share one."""
    stem = ".".join(_plain(part) for part in (table.schema_name, table.name))
    if len(stem.encode()) > _LONGEST_NAME:
        digest = hashlib.sha256(stem.encode()).hexdigest()[:16]
        stem = f"{stem.encode()[: _LONGEST_NAME - 17].decode(errors='ignore')}~{digest}"
    return stem


def hash_file(folder: Path, name: str) -> WrittenFile:
    """A file that another program has written, put on the disk and for its owner only. Raises OSError."""
    digest, size = hashlib.sha256(), 0
    with (folder / name).open("rb") as file:
        os.fchmod(file.fileno(), 0o600)
        os.fsync(file.fileno())
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return WrittenFile(name, None, size, digest.hexdigest())


def _plain(name: str) -> str:
    """Letters, digits, ``_`` and ``-`` of every script as they are; all else as ``%XX``."""
    return "".join(each if each.isalnum() or each in "_-" else _escaped(each) for each in name)


def _escaped(character: str) -> str:
    return quote(character, safe="") if character != "." else "%2E"
