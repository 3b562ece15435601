"""Reads what ``pg_dump --format=custom`` wrote, so that each object can be loaded, skipped or ordered.

A schema-only archive is its table of contents: one entry an object, with its SQL, the section it belongs to,
the catalog oids it came from, and which entries must exist before it. The layout follows ``ReadHead`` and
``ReadToc`` of PostgreSQL's ``src/bin/pg_dump/pg_backup_archiver.c`` (archive versions 1.14 to 1.16, that is
pg_dump 12 to 18).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict

from appliance.errors import WorkFailedError, WorkFailedForGoodError
from appliance.postgres.no_encoding import text_of

OLDEST, NEWEST = (1, 14), (1, 16)
CUSTOM_FORMAT = 1

Section = Literal["none", "pre-data", "data", "post-data"]
_SECTIONS: dict[int, Section] = {1: "none", 2: "pre-data", 3: "data", 4: "post-data"}


class Entry(BaseModel):
    """One object of the archive."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dump_id: int
    class_oid: int
    """The system catalog the object stands in (``pg_class``, …); 0 for what has no row of its own."""
    oid: int
    tag: str
    """The name as pg_dump prints it: ``customer email_key`` (a constraint), ``shout(text)`` (a function)."""
    kind: str
    """In pg_dump's words: ``TABLE``, ``FK CONSTRAINT``, ``COMMENT`` …"""
    section: Section
    sql: str
    """May hold several statements; empty where the entry is only a marker."""
    schema_name: str | None = None
    access_method: str | None = None
    """Of a table or materialised view: ``heap`` or what an extension brings."""
    depends_on: tuple[int, ...] = ()
    """``dump_id`` of entries that must be loaded before."""

    @property
    def label(self) -> str:
        """The object as messages name it: its kind in lower case, and its name."""
        name = f"{self.schema_name}.{self.tag}" if self.schema_name else self.tag
        return f"{self.kind.lower()} {name}"

    @property
    def is_query_of_view(self) -> bool:
        """What a view shows, where that comes after the rows: until then it has its columns alone.

        So pg_dump writes a view that relies on a key (``GROUP BY id``).
        """
        return self.kind == "RULE" and self.tag.endswith(" _RETURN")


def needing(entries: Iterable[Entry], wanted: int) -> list[Entry]:
    """Those that need the entry ``wanted``, through any number of others; in their order."""
    gone = {wanted}
    found = []
    for entry in entries:
        if entry.dump_id not in gone and not gone.isdisjoint(entry.depends_on):
            gone.add(entry.dump_id)
            found.append(entry)
    return found


class _Reader:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 0
        self.int_size = 4

    def take(self, count: int) -> bytes:
        piece = self.content[self.at : self.at + count]
        if len(piece) != count:
            raise _unreadable("it ends too early")
        self.at += count
        return piece

    def byte(self) -> int:
        return self.take(1)[0]

    def integer(self) -> int:
        negative = self.byte() != 0
        value = int.from_bytes(self.take(self.int_size), "little")
        return -value if negative else value

    def text(self) -> str | None:
        length = self.integer()
        if length < 0:
            return None
        # A SQL_ASCII database may hold bytes of any encoding; they come out again as they went in.
        return text_of(self.take(length))


def read_archive(content: bytes) -> list[Entry]:
    """All entries, in pg_dump's order, which is one that can be loaded.

    Raises WorkFailedError for anything that is not a custom-format archive of a version known here.
    """
    reader = _Reader(content)
    if reader.take(5) != b"PGDMP":
        raise _unreadable("it does not begin like one")
    version = (reader.byte(), reader.byte())
    reader.byte()
    if not OLDEST <= version <= NEWEST:
        raise _unreadable(f"its version is {version[0]}.{version[1]}")
    reader.int_size = reader.byte()
    offset_size = reader.byte()
    if reader.byte() != CUSTOM_FORMAT:
        raise _unreadable("it is not in the custom format")
    _compression = reader.byte() if version >= (1, 15) else reader.integer()
    for _ in range(7):  # when it was made
        reader.integer()
    for _ in ("database", "server version", "pg_dump version"):
        reader.text()
    return [_entry(reader, version, offset_size) for _ in range(reader.integer())]


def _entry(reader: _Reader, version: tuple[int, int], offset_size: int) -> Entry:
    dump_id = reader.integer()
    reader.integer()  # whether data follows
    class_oid, oid = int(reader.text() or 0), int(reader.text() or 0)
    tag, kind = reader.text() or "", reader.text() or ""
    section = _SECTIONS.get(reader.integer(), "none")
    sql = reader.text() or ""
    reader.text()  # how to drop it
    reader.text()  # how to copy its rows
    schema_name = reader.text() or None
    reader.text()  # tablespace
    access_method = reader.text() or None
    if version >= (1, 16):
        reader.integer()  # relkind
    reader.text()  # owner
    reader.text()  # once: WITH OIDS
    depends_on = []
    while (dependency := reader.text()) is not None:
        depends_on.append(int(dependency))
    reader.take(1 + offset_size)  # where its data lies
    return Entry(
        dump_id=dump_id,
        class_oid=class_oid,
        oid=oid,
        tag=tag,
        kind=kind,
        section=section,
        sql=sql,
        schema_name=schema_name,
        access_method=access_method,
        depends_on=tuple(depends_on),
    )


def _unreadable(why: str) -> WorkFailedError:
    return WorkFailedForGoodError(
        "The archive that pg_dump wrote cannot be read.",
        f"As an archive of pg_dump 12 to 18, {why}.",
        "Use a pg_dump between 12 and 18 (APPLIANCE_PG_DUMP names one).",
    )
