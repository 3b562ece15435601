"""What a target refuses to make, found out by making it; and with it whatever needs it.

No list of rules foresees all that a server, its version and its role may refuse. So each object is tried on
the empty database, and one that is refused is left out together with what pg_dump says depends on it. Only
where a table whose rows are copied needs it, the run stops, before a row is read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import psycopg

from appliance.errors import ApplianceError, WorkFailedError, WrongRequestError
from appliance.postgres.building.function_advice import advised, in_the_source
from appliance.postgres.errors import named_failure, retry_can_help
from appliance.postgres.source.archive_contents import Entry
from appliance.workflow.catalog import NotCarried

# Of rows, of resources, of sessions: nothing that another target would make otherwise.
_NOT_A_REFUSAL = ("08", "23", "25", "28", "40", "53", "57")
# Entries that people know by the object they are about.
_PARTS = {"COMMENT", "TABLE ATTACH", "INDEX ATTACH", "ROW SECURITY", "SEQUENCE OWNED BY", "SHELL TYPE"}
_OF_A_RELATION = {"INDEX", "CONSTRAINT", "CHECK CONSTRAINT", "DEFAULT", "TRIGGER", "RULE", "POLICY"}
_KINDS = {"FK CONSTRAINT": "foreign key"}
_RELATIONS = {"TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE"}
_HOLDS_ROWS = {"TABLE", "TABLE ATTACH"}
_SHOWN = 10


class RefusedObjects:
    """Collects what is left out. ``needed``: tables (schema, name) without which there is no twin."""

    def __init__(self, needed: Collection[tuple[str, str]] = ()) -> None:
        self._needed = frozenset(needed)
        self._why: dict[int, str] = {}
        self._gone: dict[int, Entry] = {}
        self._root: dict[int, int] = {}
        self._ordinary: dict[str, list[str]] = {}
        self._lacking: dict[str, list[Entry]] = {}

    def note_ordinary(self, entry: Entry) -> None:
        """A table is made as PostgreSQL's own tables are: the server does not have its access method."""
        self._ordinary.setdefault(entry.access_method or "", []).append(_name(entry))

    def note_lacking(self, entry: Entry, what: str) -> None:
        """An object is made without a clause that the server does not know."""
        self._lacking.setdefault(what, []).append(entry)

    def refuse(self, entry: Entry, error: psycopg.Error, advice: str | None = None) -> None:
        """Leave out an entry that the server did not make. Raises ApplianceError where that cannot be.

        ``advice``: the SQL that mends a function that it calls.
        """
        if self._holds_rows(entry) or (entry.kind not in _PARTS and not is_refusal(error)):
            failure = not_loaded(entry, error)
            raise (advised(failure, advice) if advice else failure) from None
        self._why[entry.dump_id] = (
            f"The target does not make it: {_REASONS.get(error.sqlstate or '', 'it refuses the definition')}"
            f" (SQLSTATE {error.sqlstate})." + (f" {in_the_source(advice)}" if advice else "")
        )
        self._gone[entry.dump_id] = entry
        self._root[entry.dump_id] = entry.dump_id

    def takes_along(self, entry: Entry) -> bool:
        """Whether an entry needs something that was refused, and is left out with it.

        Raises WrongRequestError where that cannot be.
        """
        need = next((needed for needed in entry.depends_on if needed in self._gone), None)
        if need is None:
            return False
        root = self._gone[self._root[need]]
        if self._holds_rows(entry):
            raise WrongRequestError(
                f"The target could not make the {entry.label}.",
                f"It needs the {root.label}. {self._why[root.dump_id]}",
                "Make available on the target what that needs, or leave the table out under tables.exclude.",
            )
        self._gone[entry.dump_id] = entry
        self._root[entry.dump_id] = root.dump_id
        needed = self._gone[need]
        if needed.kind not in _RELATIONS or entry.kind not in _OF_A_RELATION:
            self._why.setdefault(
                entry.dump_id, f"It needs the {root.label}, and the target does not make that."
            )
        return True

    def take_views(self, entries: Sequence[Entry]) -> list[Entry]:
        """The views whose query was refused: without it they would show a row of NULLs. They go too.

        Raises WrongRequestError where a table is left out with one and cannot be.
        """
        views = {entry.dump_id: entry for entry in entries if entry.kind == "VIEW"}
        found = []
        for query in [entry for entry in self._gone.values() if entry.is_query_of_view]:
            view = next((views[each] for each in query.depends_on if each in views), None)
            if view is None or view.dump_id in self._gone:
                continue
            self._why[view.dump_id] = self._why.pop(query.dump_id, "It needs what is left out.")
            self._gone[view.dump_id] = view
            self._root[view.dump_id] = view.dump_id
            found.append(view)
        if found:
            for entry in entries:
                if self._root.get(entry.dump_id) != entry.dump_id or entry.is_query_of_view:
                    self.takes_along(entry)
        return found

    def remaining(self, entries: Iterable[Entry]) -> list[Entry]:
        """The entries without those that are left out."""
        return [entry for entry in entries if entry.dump_id not in self._gone]

    @property
    def items(self) -> tuple[NotCarried, ...]:
        """What people know by name, each with the reason."""
        return tuple(
            NotCarried(
                kind=_KINDS.get(entry.kind, entry.kind.lower()),
                name=_name(entry),
                why=self._why[entry.dump_id],
            )
            for entry in self._gone.values()
            if entry.kind not in _PARTS and entry.dump_id in self._why
        )

    @property
    def sentences(self) -> list[str]:
        """What is left out, a sentence for each object that was refused."""
        found = []
        for dump_id, entry in self._gone.items():
            if self._root[dump_id] != dump_id or entry.kind in _PARTS:
                continue
            along = [
                other.label
                for other in self._gone.values()
                if self._root[other.dump_id] == dump_id
                and other is not entry
                and other.dump_id in self._why
                and other.kind not in _PARTS
            ]
            more = f" and {len(along) - _SHOWN} more" if len(along) > _SHOWN else ""
            also = f" Nor has it what needs it: {', '.join(along[:_SHOWN])}{more}." if along else ""
            found.append(f"The twin does not have the {entry.label}. {self._why[dump_id]}{also}")
        for method, names in self._ordinary.items():
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            found.append(
                "In the twin these are stored as PostgreSQL's own tables are:"
                f" {', '.join(names[:_SHOWN])}{more}."
                f" The target does not have their access method {method}."
            )
        for what, entries in self._lacking.items():
            made = [entry.label for entry in entries if entry.dump_id not in self._gone]
            more = f" and {len(made) - _SHOWN} more" if len(made) > _SHOWN else ""
            if made:
                found.append(
                    f"In the twin these lack {what}, which the target does not know:"
                    f" {', '.join(made[:_SHOWN])}{more}."
                )
        return found

    def _holds_rows(self, entry: Entry) -> bool:
        return entry.kind in _HOLDS_ROWS and (entry.schema_name or "", entry.tag) in self._needed


def is_refusal(error: psycopg.Error) -> bool:
    """Whether the server cannot make such a thing, and does not only lack time or room for it."""
    state = error.sqlstate
    if state == "58P01":  # a library or a file that is not installed there
        return True
    return state is not None and not state.startswith(_NOT_A_REFUSAL) and not retry_can_help(error)


def lacks_something(error: psycopg.Error) -> bool:
    """Whether what failed called something that is not there: a function, a type, a table, a column."""
    return error.sqlstate in {"42883", "42704", "42725", "42P01", "42703", "3F000", "F0000", "58P01"}


def not_loaded(entry: Entry, error: psycopg.Error) -> ApplianceError:
    """Why an object that must be there could not be made. Names it, and never what the server said of it."""
    failure = named_failure(f"The target could not make the {entry.label}.", error)
    if error.sqlstate in {"42601", "42704", "42883", "0A000", "42P01", "22023", "42P17"}:
        return WorkFailedError(
            failure.what,
            f"It needs something that this target does not have or understand. (SQLSTATE {error.sqlstate})",
            "Use a target of the source's own major version, or drop the object in the source.",
            sqlstate=error.sqlstate,
        )
    return failure


_REASONS = {
    "42501": "its role may not",
    "42601": "it does not understand the definition, which the source's PostgreSQL does",
    "42704": "something that it names is not there",
    "42883": "a function or operator that it calls is not there",
    "42725": "several functions or operators fit one that it calls",
    "42P01": "a table that it reads is not there",
    "42703": "a column that it reads is not there",
    "3F000": "a schema that it names is not there",
    "0A000": "it does not support it",
    "22023": "it does not take a setting of it",
    "F0000": "a file that it reads is not on the target's server",
    "58P01": "a file that it reads is not on the target's server",
}


def _name(entry: Entry) -> str:
    return f"{entry.schema_name}.{entry.tag}" if entry.schema_name else entry.tag
