"""One object over the filled tables: made, checked, or left out with a reason where rows do not let it be."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import psycopg

from appliance.errors import ApplianceError, WorkFailedForGoodError
from appliance.postgres.building.as_in_source import set_as_in_source
from appliance.postgres.building.broken_rules import (
    FOREIGN_KEY,
    NAME,
    doubles,
    orphans,
    rows_text,
    touched,
    touched_key,
    unlike_ends,
    unquoted,
)
from appliance.postgres.building.function_advice import function_advice, in_the_source
from appliance.postgres.building.once import once
from appliance.postgres.building.refused_objects import lacks_something
from appliance.postgres.errors import named_failure
from appliance.postgres.identifiers import quoted
from appliance.postgres.plan import NO_SETTINGS, DefinitionSettings
from appliance.postgres.sessions.parallel_jobs import Session
from appliance.postgres.source.archive_contents import Entry, needing

_NAMED_WITH_A_VIEW = {"VIEW", "MATERIALIZED VIEW", "FUNCTION", "PROCEDURE"}
_FOR_NEW_ROWS = "is not checked for these rows"


@dataclass
class Building:
    """What building needs to know, and what it finds out."""

    entries: Sequence[Entry]
    """All that the twin gets, also what stood before the rows: tables are found through it."""
    sizes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Bytes of each table, by schema and name."""
    index_bytes: Mapping[int, int] = field(default_factory=dict)
    """Bytes that each index has in the source, by its entry's ``oid``: what takes longest begins first."""
    incomplete: frozenset[tuple[str, str]] = frozenset()
    """Tables that hold fewer rows than the source's: what refers to them may have nothing to refer to."""
    partitioned: frozenset[tuple[str, str]] = frozenset()
    settings: DefinitionSettings = NO_SETTINGS
    """What is evaluated while something is built is evaluated under these."""
    masks: Mapping[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    """The mask of each masked column, by table: what is said of a constraint that does not hold depends on
    them."""
    meeting: Mapping[tuple[str, str], Collection[str]] = field(default_factory=dict)
    """Of those, the columns in which it may make values equal that were not."""
    unchecked: list[str] = field(default_factory=list)
    """Foreign keys and checks, as ``table name``, that were added and then did not hold."""
    absent: set[str] = field(default_factory=set)
    """Keys of jobs whose object is not in the twin, since the source's own rows do not let it be."""
    notes: list[str] = field(default_factory=list)

    @cached_property
    def tables(self) -> frozenset[tuple[str, str]]:
        """Those that the twin gets from the source. An extension's table has the rows that it brings."""
        return frozenset(
            (entry.schema_name or "", entry.tag) for entry in self.entries if entry.kind == "TABLE"
        )


class MadeObject:
    """One object, and what is done where rows do not let it be."""

    def __init__(self, building: Building, entry: Entry, about: Sequence[Entry]) -> None:
        self.building, self.entry = building, entry
        self.key = str(entry.dump_id)
        self.needs = frozenset(str(needed) for needed in entry.depends_on if needed != entry.dump_id)
        self.tables = [(table.schema_name or "", table.tag) for table in about]
        self.foreign_key = FOREIGN_KEY.match(entry.sql) if entry.kind == "FK CONSTRAINT" else None
        self.settings = building.settings.common
        if self.foreign_key is not None:
            self.settings = building.settings.of(*table_of(self.foreign_key))
        elif self.tables:
            self.settings = building.settings.of(*self.tables[0])

    @property
    def may_dangle(self) -> bool:
        if self.foreign_key is None:
            return False
        referenced = referenced_by(self.foreign_key)
        return referenced in self.building.incomplete or referenced not in self.building.tables

    @property
    def setup(self) -> bytes:
        """What sets a transaction up for the object's definition."""
        return set_as_in_source(self.settings, "define").encode()

    def build(self, session: Session, *, statement: bytes) -> None:
        """Make what is no foreign key."""
        if self._lacks_something():
            self._drop_view(session)
            return
        try:
            self._once(session, self.key, statement)
        except psycopg.errors.DeadlockDetected:
            raise
        except psycopg.Error as error:
            if self._not_found(error, "is not in the twin"):
                self.building.absent.add(self.key)
                self._drop_view(session)
                return
            if not self._rows_are_at_fault(error):
                raise self._failure(error) from None
            if error.sqlstate == "23505":
                count = doubles(session, self.entry, self.settings)
                said = rows_text(count, "rows with a value that another one has too")
            else:
                said = "some of them exclude each other"
            self.building.absent.add(self.key)
            apart = ", which its masks keep apart," if self._touched() else ""
            self.building.notes.append(
                f"The {self.entry.label} is not in the twin: the source's own rows{apart} break it ({said})."
            )

    def _rows_are_at_fault(self, error: psycopg.Error) -> bool:
        """Whether the source's own rows do not let it be: a mask that keeps values apart makes none equal."""
        if error.sqlstate == "23505":
            return not self._names_any_of(self.building.meeting)
        return error.sqlstate == "23P01" and not self._touched()

    def reference(self, session: Session, *, statement: bytes, unchecked: bytes | None = None) -> None:
        """Add a foreign key; where its rows do not let it be, ``unchecked``, for new rows only."""
        if self._lacks_something():
            return
        try:
            self._once(session, self.key, statement)
        except psycopg.errors.DeadlockDetected:
            raise
        except psycopg.Error as error:
            # An earlier attempt at finishing has added it unchecked.
            again = unchecked is not None and error.sqlstate == "42710"
            if self._not_found(error, "is not in the twin"):
                self.building.absent.add(self.key)
                return
            if error.sqlstate != "23503" and not again:
                raise self._failure(error) from None
            self._dangles(session, error, "is not in the twin" if unchecked is None else _FOR_NEW_ROWS)
            if unchecked is not None:
                self._once(session, f"{self.key} unchecked", unchecked)
                self.building.unchecked.append(self.entry.tag)

    def check(self, session: Session, *, statement: bytes) -> None:
        """Validate a foreign key."""
        if self.key in self.building.absent:
            return
        try:
            self._once(session, f"{self.key} checked", statement)
        except psycopg.errors.DeadlockDetected:
            raise
        except psycopg.Error as error:
            if not self._not_found(error, _FOR_NEW_ROWS):
                if error.sqlstate != "23503":
                    raise self._failure(error) from None
                self._dangles(session, error, _FOR_NEW_ROWS)
            self.building.unchecked.append(self.entry.tag)

    @property
    def _label(self) -> str:
        """As people know it: of the query of a view they know the view."""
        if not self.entry.is_query_of_view:
            return self.entry.label
        return self.entry.model_copy(
            update={"kind": "VIEW", "tag": self.entry.tag.removesuffix(" _RETURN")}
        ).label

    def _once(self, session: Session, key: str, statement: bytes) -> None:
        once(session, key, self.setup + statement)

    def _lacks_something(self) -> bool:
        if self.needs.isdisjoint(self.building.absent):
            return False
        self.building.absent.add(self.key)
        self.building.notes.append(
            f"The {self._label} is not in the twin: it needs a key or index that is not there either."
        )
        return True

    def _drop_view(self, session: Session) -> None:
        """A view whose query is not there would show a row of NULLs: it goes, with what needs it."""
        entries = self.building.entries
        views = (each for each in entries if each.kind == "VIEW" and each.dump_id in self.entry.depends_on)
        view = next(views, None) if self.entry.is_query_of_view else None
        if view is None:
            return
        gone = needing(entries, view.dump_id)
        self.building.absent |= {str(each.dump_id) for each in (view, *gone)}
        statement = f"DROP VIEW IF EXISTS {quoted(view.schema_name or '', view.tag)} CASCADE"
        once(session, f"{self.key} dropped", statement.encode())
        also = [each.label for each in gone if each.kind in _NAMED_WITH_A_VIEW]
        if also:
            self.building.notes.append(f"Nor has the twin what needs the {view.label}: {', '.join(also)}.")

    def _not_found(self, error: psycopg.Error, outcome: str) -> bool:
        """Note that the object calls what is not there, which only its rows have shown."""
        if not lacks_something(error):
            return False
        advice = function_advice(error, self.building.entries, self.settings)
        self.building.notes.append(
            f"The {self._label} {outcome}: what it calls is not there (SQLSTATE {error.sqlstate})."
            + (f" {in_the_source(advice)}" if advice else "")
        )
        return True

    def _dangles(self, session: Session, error: psycopg.Error, outcome: str) -> None:
        """Note why a foreign key does not hold; an error where a mask may be the reason."""
        if self.may_dangle:
            why = "some rows it refers to were not copied"
        elif self.foreign_key is None:
            raise named_failure(f"The {self.entry.label} does not hold in the twin.", error) from None
        elif unlike := unlike_ends(self.foreign_key, table_of(self.foreign_key), self.building.masks):
            raise WorkFailedForGoodError(
                f"The {self.entry.label} does not hold in the twin: its ends are masked differently.",
                f"{'; '.join(unlike)}. (SQLSTATE {error.sqlstate})",
                "Give both columns of each pair the same mask, or list both under keep.",
                sqlstate=error.sqlstate,
            ) from None
        else:
            count = orphans(session, self.foreign_key, self.settings)
            alike = ", which its masks replace alike at both ends" if self._touched() else ""
            why = f"the source's own rows{alike} break it ({rows_text(count, 'rows that refer to none')})"
        self.building.notes.append(f"The {self.entry.label} {outcome}: {why}.")

    def _touched(self) -> bool:
        """Whether a mask replaces what the object compares."""
        if self.foreign_key is not None:
            return touched_key(self.foreign_key, table_of(self.foreign_key), self.building.masks)
        return self._names_any_of(self.building.masks)

    def _names_any_of(self, columns: Mapping[tuple[str, str], Iterable[str]]) -> bool:
        return any(touched(self.entry.sql, table, columns.get(table, ())) for table in self.tables)

    def _failure(self, error: psycopg.Error) -> ApplianceError:
        what = f"The twin could not be given the {self.entry.label}."
        return named_failure(what, error, masked=self._touched())


def table_of(match: re.Match[str]) -> tuple[str, str]:
    """Schema and name of the table that has the foreign key."""
    schema, name = re.findall(NAME, match["table"])
    return unquoted(schema), unquoted(name)


def referenced_by(match: re.Match[str]) -> tuple[str, str]:
    """Schema and name of the table that the foreign key refers to."""
    return unquoted(match["schema"]), unquoted(match["referenced"])
