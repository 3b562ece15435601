"""Loads what must stand before rows arrive (tables, types, functions, views …), and tries out the rest.

Entries run in pg_dump's own order, which is one that works. They are committed in batches: a database that
failed half-way is dropped as a whole, and one transaction over thousands of tables would exhaust the server's
lock table.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from appliance.postgres.building.as_in_source import set_as_in_source
from appliance.postgres.building.forced_row_security import lift_forced_row_security
from appliance.postgres.building.function_advice import function_advice, may_be_advised
from appliance.postgres.building.newer_clauses import without_unknown
from appliance.postgres.building.refused_objects import RefusedObjects
from appliance.postgres.copying import ledger
from appliance.postgres.errors import database_failure
from appliance.postgres.identifiers import quoted
from appliance.postgres.no_encoding import bytes_of, run
from appliance.postgres.plan import NO_SETTINGS, DefinitionSettings, Settings
from appliance.postgres.sessions.connect import SESSION_SETTINGS
from appliance.postgres.source.archive_contents import Entry

# Function bodies may name what comes later, or what is not carried.
_LOADING = {**SESSION_SETTINGS, "check_function_bodies": "off", "client_min_messages": "error"}
_OURS_AGAIN = b"".join(
    sql.SQL("SET {} = {};\n").format(sql.Identifier(name), sql.Literal(value)).as_string(None).encode()
    for name, value in _LOADING.items()
)
BATCH = 200
TABLES = frozenset({"TABLE", "MATERIALIZED VIEW"})
"""Kinds of entries that hold rows, and that others are about."""
REHEARSED_AT_ONCE = 300
"""Objects in one transaction, besides those that they need: each takes a few of the locks a server has."""
# The owner of the public schema of older servers is a superuser: its comment stays as initdb made it.
_PUBLIC_SCHEMA_COMMENT = "SCHEMA public"

_NAME = r'(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)'
_TABLE = rf"{_NAME}\.{_NAME}"
_COLUMNS = rf"{_NAME}(?:, {_NAME})*"
_FOREIGN_KEY = re.compile(
    rf"ALTER TABLE (?:ONLY )?(?P<table>{_TABLE})\s+ADD CONSTRAINT {_NAME} FOREIGN KEY \({_COLUMNS}\)"
    rf" REFERENCES (?P<referenced>{_TABLE})\({_COLUMNS}\)"
)
_ORDER = r"(?: DESC)?(?: NULLS (?:FIRST|LAST))?"
_PLAIN = re.compile(
    rf"ALTER TABLE (?:ONLY )?{_TABLE}\s+ADD CONSTRAINT {_NAME} (?:PRIMARY KEY|UNIQUE) \({_COLUMNS}\);"
    rf"|CREATE (?:UNIQUE )?INDEX {_NAME} ON (?:ONLY )?{_TABLE} USING btree"
    rf" \({_NAME}{_ORDER}(?:, {_NAME}{_ORDER})*\);"
    rf"|{_FOREIGN_KEY.pattern}(?: ON (?:UPDATE|DELETE) (?:CASCADE|RESTRICT|SET NULL|SET DEFAULT))*"
    r"(?: DEFERRABLE)?(?: INITIALLY DEFERRED)?(?: NOT VALID)?;"
)


def split_sections(entries: Iterable[Entry]) -> tuple[list[Entry], list[Entry]]:
    """(before rows, after rows). An entry of no section, a comment, goes with what it is about."""
    before: list[Entry] = []
    after: list[Entry] = []
    late: set[int] = set()
    for entry in entries:
        if entry.section == "post-data" or not late.isdisjoint(entry.depends_on):
            late.add(entry.dump_id)
            after.append(entry)
        else:
            before.append(entry)
    return before, after


def load_pre_data(
    connection: Connection[TupleRow],
    entries: Sequence[Entry],
    progress: Callable[[int], None],
    refused: RefusedObjects,
    *,
    public_schema: bool = True,
    settings: DefinitionSettings = NO_SETTINGS,
) -> list[str]:
    """Run the entries in the new database; returns sentences about what the target did not take.

    What it refuses to make goes to ``refused``. What does not find its names is tried with the source's path,
    of ``settings``: a generated column may call a function whose body has bare names. Row-level security that
    is forced on owners is lifted until ``force_row_security``, or no row could be loaded and verified.
    Raises ApplianceError naming the object, never what the server said about it.
    """
    notes: list[str] = []
    _session(connection)
    with _loading(connection):
        ledger.create(connection)
        if not public_schema:
            notes += _drop_public_schema(connection)
    for start in range(0, len(entries), BATCH):
        batch = [each for each in entries[start : start + BATCH] if not refused.takes_along(each)]
        functions = [each for each in entries[: start + BATCH] if each.kind == "FUNCTION"]
        notes += _load_batch(connection, batch, refused, settings, functions)
        progress(min(start + BATCH, len(entries)))
    with _loading(connection):
        lift_forced_row_security(connection)
    return notes


def rehearse_post_data(
    connection: Connection[TupleRow],
    entries: Sequence[Entry],
    made: Collection[Entry],
    refused: RefusedObjects,
    settings: DefinitionSettings = NO_SETTINGS,
) -> None:
    """Make indexes, keys and triggers on the still empty tables, and undo it; what fails goes to ``refused``.

    What the target does not understand fails here, in the first seconds of a run, not after the copying.
    ``made`` is there already. Plain keys and indexes over columns of its tables cannot fail, and are made
    only where others need them. ``settings`` are those of the source that definitions are evaluated under.
    Raises psycopg errors and ours.
    """
    by_id = {entry.dump_id: entry for entry in entries}
    tables = {entry.dump_id: entry for entry in made if entry.kind in TABLES}
    functions = [entry for entry in made if entry.kind == "FUNCTION"]
    plain: set[int] = set()
    doubtful: list[Entry] = []
    for entry in entries:
        # Attaching one plain index to another one.
        attaches = entry.kind == "INDEX ATTACH" and plain.union(tables).issuperset(entry.depends_on)
        if attaches or is_plain(entry, tables):
            plain.add(entry.dump_id)
        else:
            doubtful.append(entry)
    for start in range(0, len(doubtful), REHEARSED_AT_ONCE):
        chunk = doubtful[start : start + REHEARSED_AT_ONCE]
        wanted = _with_needs(chunk, by_id)
        with connection.transaction():
            for entry in entries:
                if entry.dump_id not in wanted or refused.takes_along(entry):
                    continue
                about = next((tables[needed] for needed in entry.depends_on if needed in tables), None)
                here = settings.of(about.schema_name, about.tag) if about else settings.common
                _try(connection, entry, refused, here, functions)
            raise psycopg.Rollback
    for entry in entries:
        refused.takes_along(entry)
    views = refused.take_views([*made, *entries])
    if views:
        names = ", ".join(quoted(view.schema_name or "", view.tag) for view in views)
        connection.execute(f"DROP VIEW {names} CASCADE".encode())


def is_plain(entry: Entry, tables: Collection[int]) -> bool:
    """Whether an entry makes a key or a B-tree over columns of our own ``tables``, and calls nothing else.

    ``tables`` are those that were made, by ``dump_id``.
    """
    if entry.kind not in {"INDEX", "CONSTRAINT", "FK CONSTRAINT"} or not _PLAIN.fullmatch(entry.sql.strip()):
        return False
    # A key into a table that no entry makes depends on its referring table alone.
    wanted = 2 if entry.kind == "FK CONSTRAINT" else 1
    needs = {need for need in entry.depends_on if need in tables}
    self_reference = entry.kind == "FK CONSTRAINT" and len(needs) == 1 and _refers_to_itself(entry.sql)
    return len(needs) >= wanted or self_reference


def _refers_to_itself(statement: str) -> bool:
    match = _FOREIGN_KEY.search(statement)
    return match is not None and match["table"] == match["referenced"]


def _with_needs(chunk: Iterable[Entry], by_id: Mapping[int, Entry]) -> set[int]:
    wanted: set[int] = set()
    left = [entry.dump_id for entry in chunk]
    while left:
        found = left.pop()
        if found in by_id and found not in wanted:
            wanted.add(found)
            left += by_id[found].depends_on
    return wanted


@contextlib.contextmanager
def _loading(connection: Connection[TupleRow]) -> Iterator[None]:
    try:
        with connection.transaction():
            yield
    except psycopg.Error as error:
        raise database_failure("The twin's schema could not be loaded.", error) from None


def _session(connection: Connection[TupleRow]) -> None:
    connection.execute(_OURS_AGAIN)


def _load_batch(
    connection: Connection[TupleRow],
    entries: Sequence[Entry],
    refused: RefusedObjects,
    settings: DefinitionSettings,
    functions: Collection[Entry],
) -> list[str]:
    """Load entries in one transaction, and in one round trip where nothing stands out."""
    if all(entry.access_method in {None, "heap"} and not _is_public(entry) for entry in entries):
        try:
            with connection.transaction():
                run(connection, b"".join(_statements(entry) for entry in entries))
            return []
        except psycopg.Error:
            if connection.broken:
                raise
            # One by one, to see which it is.
    notes: list[str] = []
    with _loading(connection):
        for entry in entries:
            if not refused.takes_along(entry):
                path = [
                    pair for pair in settings.of(entry.schema_name, entry.tag) if pair[0] == "search_path"
                ]
                notes += _load(connection, entry, refused, tuple(path), functions)
    return notes


def _statements(entry: Entry) -> bytes:
    statements = bytes_of(entry.sql) + b";\n"
    # An extension's script may leave its session with a path of its own (postgis_topology does).
    return statements + _OURS_AGAIN if entry.kind == "EXTENSION" else statements


def _try(
    connection: Connection[TupleRow],
    entry: Entry,
    refused: RefusedObjects,
    settings: Settings = (),
    functions: Collection[Entry] = (),
    *,
    path: Settings = (),
) -> None:
    """Make one object in the caller's transaction, or leave the transaction as it was.

    ``functions``: those of the source whose mending may be advised. ``path``: for a second try, where a name
    is not found; what follows in the transaction is under ours again.
    """
    statements = set_as_in_source(settings, "define").encode() + _statements(entry)
    if settings:
        statements += b"SET LOCAL search_path = '';"
    if entry.access_method not in {None, "heap"}:
        method = sql.SQL("SET LOCAL default_table_access_method = {};").format(
            sql.Literal(entry.access_method)
        )
        statements = (
            method.as_bytes(connection) + statements + b"SET LOCAL default_table_access_method = heap;"
        )
    # By itself: a syntax error is found before anything of its message is executed.
    connection.execute("SAVEPOINT object")
    try:
        run(connection, statements + b"RELEASE SAVEPOINT object")
    except psycopg.Error as error:
        if connection.broken:
            raise
        connection.execute("ROLLBACK TO SAVEPOINT object; RELEASE SAVEPOINT object")
        said = error.diag.message_primary or ""
        if (simpler := without_unknown(entry, said)) is not None:
            plain, lacking = simpler
            _try(connection, plain, refused, settings, functions, path=path)
            if lacking is not None:
                refused.note_lacking(plain, lacking)
            return
        if entry.access_method is not None and "default_table_access_method" in said:
            refused.note_ordinary(entry)
            ordinary = entry.model_copy(update={"access_method": None})
            _try(connection, ordinary, refused, settings, functions, path=path)
            return
        if path and may_be_advised(error):
            _try(connection, entry, refused, path, functions)
            return
        refused.refuse(entry, error, function_advice(error, functions, settings))


def _is_public(entry: Entry) -> bool:
    return entry.tag in {"public", _PUBLIC_SCHEMA_COMMENT}


def _load(
    connection: Connection[TupleRow],
    entry: Entry,
    refused: RefusedObjects,
    path: Settings,
    functions: Collection[Entry],
) -> list[str]:
    if entry.kind == "SCHEMA" and entry.tag == "public":
        entry = entry.model_copy(update={"sql": "CREATE SCHEMA IF NOT EXISTS public"})
    if entry.kind == "COMMENT" and entry.tag == _PUBLIC_SCHEMA_COMMENT:
        try:
            with connection.transaction():
                connection.execute(_statements(entry))
        except psycopg.errors.InsufficientPrivilege:
            return ["The comment on the schema public was left as it is: the schema has another owner there."]
        return []
    _try(connection, entry, refused, functions=functions, path=path)
    return []


def _drop_public_schema(connection: Connection[TupleRow]) -> list[str]:
    """A source that dropped its public schema gets a twin without one, where the role may drop it.

    Before PostgreSQL 15 it is a superuser's, and not of the database's owner.
    """
    try:
        with connection.transaction():
            connection.execute("DROP SCHEMA IF EXISTS public")
    except psycopg.errors.InsufficientPrivilege:
        return [
            "The twin has a schema public, which the source lacks: on the target its role may not drop it."
        ]
    return []
