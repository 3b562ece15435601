"""Delivered files on this appliance: csv and jsonl are written anew without a subject's rows.

A row stays byte for byte what it was. The new export is whole under a hidden name before it takes the place
of the old one. An archive or Parquet is not written anew: such an export is deleted.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from appliance.durable import sync_folder, write_file
from appliance.erasure.masked import Masked, folded
from appliance.erasure.reach import Ways
from appliance.errors import WorkFailedError
from appliance.exports.manifest import MANIFEST, ExportedFile, ExportedFormat, Manifest
from appliance.exports.stored import UNFINISHED, Export
from appliance.exports.writing import write_manifest
from appliance.subjects.records import TableCount
from appliance.subjects.walk import LinkedTable, Walk
from appliance.system.beneath import as_owner_of

ROW_FORMATS = ("csv", "jsonl")
_DELETING = ".deleting"
Values = dict[str, str | None]


@dataclass
class _Matching:
    """Which rows of an export's files are about the subject, table by table, the subject's own first."""

    walked: Walk
    ways: Ways
    masked: Masked
    matched: dict[str, dict[tuple[str, ...], set[tuple[str, ...]]]] = field(default_factory=dict)
    """By table and columns that others refer to: the values of its rows that go."""

    def wanted(self, table: str) -> set[tuple[str, ...]]:
        """The columns of a table that rows of others lead to."""
        return {
            link.to_columns
            for each in self.walked.tables.values()
            for link in each.links
            if link.to_table == table
        }

    def matches(self, table: LinkedTable, row: Values) -> bool:
        """Whether a row is about the subject; noted for those that lead to it."""
        if not self._is_about(table, row):
            return False
        noted = self.matched.setdefault(table.name, {})
        for columns in self.wanted(table.name):
            values = self._values(table, row, columns)
            if values is not None:
                noted.setdefault(columns, set()).add(values)
        return True

    def _is_about(self, table: LinkedTable, row: Values) -> bool:
        if table.name in self.masked.keys:
            names = tuple(column.name for column in self.ways.keys[table.name])
            return self._values(table, row, names) in self.masked.keys[table.name]
        own = [(name, name) for name in self.ways.own] if not table.links else []
        direct = [
            (link.columns[0], link.to_columns[0])
            for link in table.links
            if link.to_table == self.walked.subject.table and len(link.columns) == 1
        ]
        for name, _ in own + direct:
            anchor = self.masked.anchors.get((table.name, name))
            values = self._values(table, row, (name,))
            if anchor is not None and values == (anchor,):
                return True
        for link in table.links:
            if link.to_table == self.walked.subject.table and len(link.columns) == 1:
                continue
            values = self._values(table, row, link.columns)
            if values in self.matched.get(link.to_table, {}).get(link.to_columns, ()):
                return True
        return False

    def _values(self, table: LinkedTable, row: Values, names: tuple[str, ...]) -> tuple[str, ...] | None:
        found = []
        for name in names:
            value = row.get(name)
            if value is None:
                return None
            found.append(folded(value, table.column(name)))
        return tuple(found)


def is_rewritable(manifest: Manifest) -> bool:
    """Whether all of it is text by rows."""
    return all(each.format in ROW_FORMATS for each in manifest.formats)


def count_in_files(export: Export, walked: Walk, ways: Ways, masked: Masked) -> list[TableCount]:
    """How many rows of each table are about the subject; of one format, since all hold the same rows.

    Raises WorkFailedError for files that cannot be read.
    """
    text = next((each for each in export.manifest.formats if each.format in ROW_FORMATS), None)
    if text is None:
        return []
    matching, counts = _Matching(walked, ways, masked), []
    for table in walked.tables.values():
        if table.name not in ways.found:
            continue
        rows = sum(
            matching.matches(table, values)
            for file in _files_of(text, table)
            for _, values in _rows(export.folder / file.file, text.format)
        )
        if rows:
            counts.append(TableCount(table=table.name, before=rows, after=rows))
    return counts


def rewrite(exports_dir: Path, export: Export, walked: Walk, ways: Ways, masked: Masked) -> None:
    """Write the export anew without the rows. Raises WorkFailedError, the export being as it was."""
    fresh = export.folder.with_name(f".{export.folder.name}{UNFINISHED}")
    gone = export.folder.with_name(f".{export.folder.name}{_DELETING}")
    try:
        with as_owner_of(exports_dir):
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(mode=0o700)
            formats = tuple(
                _rewritten(each, export.folder, fresh, _Matching(walked, ways, masked))
                for each in export.manifest.formats
            )
            write_manifest(fresh, export.manifest.model_copy(update={"formats": formats}))
            export.folder.rename(gone)
            fresh.rename(export.folder)
            sync_folder(export.folder.parent)
            shutil.rmtree(gone)
    except OSError as error:
        raise WorkFailedError(
            f"The export of {export.manifest.run} could not be written anew.",
            f"{error.strerror or type(error).__name__} in {exports_dir}.",
            f"df -h {exports_dir}; then run the same command again.",
        ) from None


def finish_rewrites(exports_dir: Path) -> None:
    """What a process killed between two renames left: the new export gets its name, the old one goes.

    Raises WorkFailedError.
    """
    try:
        with as_owner_of(exports_dir):
            for gone in exports_dir.glob(f"*/.*{_DELETING}"):
                run = gone.name.removeprefix(".").removesuffix(_DELETING)
                shown, fresh = gone.with_name(run), gone.with_name(f".{run}{UNFINISHED}")
                if not shown.exists() and (fresh / MANIFEST).exists():
                    fresh.rename(shown)
                shutil.rmtree(gone)
    except OSError as error:
        raise WorkFailedError(
            "What an earlier erasure has left of exports could not be removed.",
            f"{error.strerror or type(error).__name__} in {exports_dir}.",
            f"ls -la {exports_dir}; then run the same command again.",
        ) from None


def _rewritten(each: ExportedFormat, folder: Path, fresh: Path, matching: _Matching) -> ExportedFormat:
    replaced: dict[str, ExportedFile] = {}
    removed: dict[str, int] = {}
    for table in matching.walked.tables.values():
        for file in _files_of(each, table) if table.name in matching.ways.found else ():
            new, rows = _copy_without(folder, fresh, file, each.format, table, matching)
            replaced[file.file] = new
            removed[table.name] = removed.get(table.name, 0) + rows
    for file in each.files:
        if file.file not in replaced:
            target = fresh / file.file
            target.parent.mkdir(mode=0o700, exist_ok=True)
            target.hardlink_to(folder / file.file)
    return each.model_copy(
        update={
            "files": tuple(replaced.get(file.file, file) for file in each.files),
            "tables": tuple(
                table.model_copy(update={"rows": table.rows - removed.get(table.table, 0)})
                for table in each.tables
            ),
        }
    )


def _copy_without(  # noqa: PLR0917
    folder: Path, fresh: Path, file: ExportedFile, form: str, table: LinkedTable, matching: _Matching
) -> tuple[ExportedFile, int]:
    target = fresh / file.file
    target.parent.mkdir(mode=0o700, exist_ok=True)
    removed = 0
    # Empty at first, with the mode that exports have.
    write_file(target, b"", durable=False, mode=0o600)
    with target.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as out:
        if form == "csv":
            out.write(next(_records(folder / file.file), "").encode("utf-8", "surrogateescape"))
        for record, values in _rows(folder / file.file, form):
            if matching.matches(table, values):
                removed += 1
            else:
                out.write(record.encode("utf-8", "surrogateescape"))
    with target.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    changed = {"bytes": target.stat().st_size, "sha256": digest}
    if file.rows is not None:
        changed["rows"] = file.rows - removed
    return file.model_copy(update=changed), removed


def _files_of(each: ExportedFormat, table: LinkedTable) -> list[ExportedFile]:
    return [file for file in each.files if file.table == table.name]


def _rows(path: Path, form: str) -> Iterator[tuple[str, Values]]:
    """(the record as it stands, its values as text) of each row."""
    records = _records(path) if form == "csv" else _lines(path)
    if form == "csv":
        header = next(csv.reader([next(records, "")]), [])
        for record in records:
            values = next(csv.reader([record], strict=True), [])
            yield record, dict(zip(header, values, strict=False))
        return
    for record in records:
        row = json.loads(record, parse_int=str, parse_float=str)
        yield record, {name: _text(value) for name, value in row.items()}


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "t" if value else "f"
    return json.dumps(value, ensure_ascii=False)


def _lines(path: Path) -> Iterator[str]:
    with _opened(path) as file:
        yield from file


def _records(path: Path) -> Iterator[str]:
    """The records of a CSV file, which may have line breaks between quotes."""
    pending: list[str] = []
    quotes = 0
    with _opened(path) as file:
        for line in file:
            pending.append(line)
            quotes += line.count('"')
            if quotes % 2 == 0:
                yield "".join(pending)
                pending, quotes = [], 0
    if pending:
        yield "".join(pending)


def _opened(path: Path) -> IO[str]:
    return gzip.open(path, "rt", encoding="utf-8", errors="surrogateescape", newline="\n")
