"""``manifest.json``: what an export is, file by file. Names, numbers and digests, no value out of a row.

What carries an export elsewhere goes by this and by nothing else: each file is listed once, with its size and
digest, below the format that it is of.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from appliance.errors import WorkFailedError

MANIFEST = "manifest.json"
_PART = r"[^/\x00]*[^./\x00][^/\x00]*"
_NAME = rf"^{_PART}$"
"""A name and no path: who may write a manifest must not choose where a copy of the export is written."""
FILE = re.compile(rf"{_PART}(/{_PART}){{0,15}}")
"""A name, or one in a folder beside the manifest."""

Format = Literal["csv", "jsonl", "parquet", "archive"]
CONTAINER: Literal["container"] = "container"
"""What a container of the customer's own wrote, in whatever format."""
Compression = Literal["gzip", "zstd", "none"]


class ExportModel(BaseModel):
    """Frozen, and strict about keys: a manifest of a later release is not read as less than it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ExportedFile(ExportModel):
    """One file of an export."""

    file: str = Field(pattern=rf"^{FILE.pattern}$")
    """Below the manifest's folder: a name, ``archive/…`` of one in a folder, ``out/…`` of a container."""
    bytes: int
    sha256: str
    """Of the file as it is, in hex."""
    table: str | None = None
    """schema.table that it holds rows of; None where it holds those of several, or none."""
    rows: int | None = None
    """Of that table in this file."""


class ExportedTable(ExportModel):
    """One table, however many files it is in."""

    table: str
    """schema.table."""
    columns: tuple[str, ...]
    rows: int
    types: tuple[str, ...] = ()
    """Of Parquet: each column's type, as docs/files.md calls it."""


class ExportedFormat(ExportModel):
    """All that was delivered in one format."""

    format: Format | Literal["container"]
    compression: Compression
    tables: tuple[ExportedTable, ...]
    """Those whose rows are in it. An archive has the other tables too, empty."""
    files: tuple[ExportedFile, ...]
    restore: str | None = None
    """Of an archive: the command, to be typed beside the manifest."""
    made_with: str | None = None
    """Of an archive: ``pg_dump 17``; pg_restore must not be older. Of a container: its image."""


class Manifest(ExportModel):
    """The whole export."""

    version: Literal[2] = 2
    workflow: str = Field(pattern=_NAME)
    run: str = Field(pattern=_NAME)
    created_at: datetime
    appliance_version: str
    formats: tuple[ExportedFormat, ...]

    @property
    def files(self) -> tuple[ExportedFile, ...]:
        """Of all formats: everything beside the manifest."""
        return tuple(file for each in self.formats for file in each.files)

    @property
    def tables(self) -> tuple[ExportedTable, ...]:
        """Each once, in whichever formats it was delivered."""
        return tuple({table.table: table for each in self.formats for table in each.tables}.values())

    @property
    def rows(self) -> int:
        """Of all tables, each counted once."""
        return sum(table.rows for table in self.tables)

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(file.bytes for file in self.files)

    def only(self, formats: Collection[str]) -> Manifest:
        """The same with these formats alone."""
        return self.model_copy(
            update={"formats": tuple(each for each in self.formats if each.format in formats)}
        )

    @property
    def shown_formats(self) -> str:
        """For a person: ``csv, archive``."""
        return ", ".join(each.format for each in self.formats)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the export in ``folder``, of this release or of an earlier one.

    Raises WorkFailedError for one that is missing or malformed.
    """
    try:
        content = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise _unusable(folder, error.strerror or type(error).__name__) from None
    try:
        return Manifest.model_validate_json(content)
    except ValidationError:
        pass
    try:
        return _FirstManifest.model_validate_json(content).as_manifest()
    except ValidationError:
        raise _unusable(folder, "It is not a manifest that this release reads.") from None


def _unusable(folder: Path, why: str) -> WorkFailedError:
    return WorkFailedError(
        f"The export in {folder} has no usable {MANIFEST}.", why, f"If it is not needed: rm -r {folder}"
    )


class _FirstTable(ExportModel):
    table: str
    file: str = Field(pattern=_NAME)
    columns: tuple[str, ...]
    rows: int
    bytes: int
    sha256: str


class _FirstManifest(ExportModel):
    """Of exports that were made before there were several formats; they are kept for years."""

    version: Literal[1] = 1
    workflow: str = Field(pattern=_NAME)
    run: str = Field(pattern=_NAME)
    format: Literal["csv", "jsonl"]
    compression: Literal["gzip"] = "gzip"
    created_at: datetime
    appliance_version: str
    tables: tuple[_FirstTable, ...]

    def as_manifest(self) -> Manifest:
        only = ExportedFormat(
            format=self.format,
            compression=self.compression,
            tables=tuple(
                ExportedTable(table=each.table, columns=each.columns, rows=each.rows) for each in self.tables
            ),
            files=tuple(
                ExportedFile(
                    file=each.file, bytes=each.bytes, sha256=each.sha256, table=each.table, rows=each.rows
                )
                for each in self.tables
            ),
        )
        return Manifest(
            workflow=self.workflow,
            run=self.run,
            created_at=self.created_at,
            appliance_version=self.appliance_version,
            formats=(only,),
        )
