"""What is in an archive, as ``pg_restore --list`` says, and how far a restore is, by what it prints."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_ITEM = re.compile(r"^(?P<id>\d+); \d+ \d+ (?P<rest>.+)$")
_SERVER = re.compile(r"^; +Dumped from database version: (?P<major>\d+)")
_DATA = re.compile(r"^TABLE DATA (?P<schema>\S+) (?P<name>\S+) ")
_EXTENSION = re.compile(r"^EXTENSION - (?P<name>\S+)")
_DONE = re.compile(r"pg_restore: (?:finished|processing|skipping) item (?P<id>\d+) (?P<rest>.+)$")
_BEGUN = re.compile(r"pg_restore: launching item (?P<id>\d+) (?P<rest>.+)$")


@dataclass(frozen=True)
class ArchiveItems:
    """Objects by their number in the archive."""

    count: int
    tables: dict[str, str]
    """Of the items that are rows: schema.table."""
    extensions: tuple[str, ...]
    server: int | None = None
    """The major of the server that it was made from; pg_dump may be newer by far."""


@dataclass
class RestoreState:
    """How far it is."""

    items: ArchiveItems
    rows: dict[str, int]
    """Of each table, as the manifest has them."""
    done: set[str] = field(default_factory=set)
    done_rows: int = 0
    now: str = ""
    """What was begun last."""

    def line(self, text: str) -> None:
        """Take in a line that pg_restore said."""
        if begun := _BEGUN.search(text):
            self.now = begun["rest"]
            return
        found = _DONE.search(text)
        if found is None or found["id"] in self.done:
            return
        self.done.add(found["id"])
        self.now = found["rest"]
        self.done_rows += self.rows.get(self.items.tables.get(found["id"], ""), 0)


def items_of(listing: Iterable[str]) -> ArchiveItems:
    """Read from the lines of ``pg_restore --list``."""
    count, tables, extensions, server = 0, {}, [], None
    for line in listing:
        if of := _SERVER.match(line):
            server = int(of["major"])
        found = _ITEM.match(line.rstrip("\n"))
        if found is None:
            continue
        count += 1
        if data := _DATA.match(found["rest"]):
            tables[found["id"]] = f"{data['schema']}.{data['name']}"
        elif extension := _EXTENSION.match(found["rest"]):
            extensions.append(extension["name"])
    return ArchiveItems(count, tables, tuple(extensions), server)
