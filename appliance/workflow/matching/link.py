"""Whose a table's rows are: the way from a row to its subject, as the document and the catalog say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.documents.problems import KeyPath
from appliance.workflow.catalog import Column


@dataclass(frozen=True)
class Lookup:
    """A row that carries no key, but a unique column's value: the key stands in the subject's table."""

    column: Column
    """Of the subject's table."""
    folded: bool
    """What is unique there is the text in small letters."""
    rows: int
    """Of the subject's table, as its statistics estimate."""
    bytes: int


@dataclass(frozen=True)
class Way:
    """How a row says whose it is."""

    columns: tuple[Column, ...]
    """Of the row: the key, or what it is looked up by."""
    lookup: Lookup | None = None

    @property
    def certain(self) -> bool:
        """Every row says it."""
        return self.lookup is None and all(each.not_null for each in self.columns)


@dataclass(frozen=True)
class Link:
    """One subject of a table's rows."""

    subject: str
    name: str
    """What `subject` of a mask calls it."""
    table: tuple[str, str]
    """The subject's own."""
    key: tuple[Column, ...]
    """Of the subject's table."""
    path: KeyPath
    """Where the document says so."""
    ways: tuple[Way, ...]
    """In their order: the first by which a subject is found counts."""
    own: bool = False
    """The table is the subject's own."""
    unique: bool = False
    """No two rows of the table are of one subject."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """All by which its rows say whose they are."""
        return tuple(column for way in self.ways for column in way.columns)

    @property
    def looks_up(self) -> bool:
        """Whether the subject's table is read for it."""
        return any(way.lookup is not None for way in self.ways)

    @property
    def said(self) -> str:
        """As people read it: ``customer by customer_id``."""
        by = ", else ".join(", ".join(each.name for each in way.columns) for way in self.ways)
        called = self.subject if self.name == self.subject else f"{self.subject} ({self.name})"
        return f"{called} by {by}"

    def is_keyed_by(self, names: Sequence[str]) -> bool:
        """Whether these columns of the row are the key, and all that says whose it is."""
        (way, *more) = self.ways
        return not more and way.lookup is None and tuple(names) == tuple(each.name for each in way.columns)

    def decides_itself(self, column: Column) -> bool:
        """Whether a column is part of the key: its pseudonym follows from it, so what refers finds it."""
        return any(way.lookup is None and column in way.columns for way in self.ways)


def own_link(links: Sequence[Link]) -> Link | None:
    """The one that a mask draws from by itself: a table's own subject, else the only one there is."""
    own = [each for each in links if each.own]
    found = own or list(links)
    return found[0] if len(found) == 1 else None
