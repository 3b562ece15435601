"""Loads what must stand before rows arrive (tables, types, functions, views …), and tries out the rest.

Entries run in pg_dump's own order, which is one that works. They are committed in batches: a database that
failed half-way is dropped as a whole, and one transaction over thousands of tables would exhaust the server's
lock table.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from appliance.errors import ApplianceError, WorkFailed
from appliance.postgres.copying import ledger
from appliance.postgres.errors import database_failure, named_failure
from appliance.postgres.plan import NO_SETTINGS, DefinitionSettings
from appliance.postgres.source.archive_contents import Entry
from appliance.postgres.twin.as_in_source import set_as_in_source
from appliance.postgres.twin.function_advice import advised, function_advice

BATCH = 200
TABLES = frozenset({"TABLE", "MATERIALIZED VIEW"})
"""Kinds of entries that hold rows, and that others are about."""
_COULD_NOT = "The target could not make the {}."
MOST_REHEARSED = 2000
"""More objects than this in one transaction would need more locks than a server has by default."""
_FORCED = f"{ledger.SCHEMA}.forced_row_security"
# The owner of the public schema of older servers is a superuser: its comment stays as initdb made it.
_PUBLIC_SCHEMA_COMMENT = "SCHEMA public"


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
    *,
    public_schema: bool = True,
) -> list[str]:
    """Run the entries in the new database; returns sentences about what the target did not take.

    Row-level security that is forced on owners is lifted until ``force_row_security``, or no row could be
    loaded and verified. Raises ApplianceError naming the object, never what the server said about it.
    """
    notes: list[str] = []
    _session(connection)
    with _loading(connection):
        ledger.create(connection)
        connection.execute(f"CREATE TABLE {_FORCED} (table_name text NOT NULL)")
        if not public_schema:
            _drop_public_schema(connection)
    for start in range(0, len(entries), BATCH):
        notes += _load_batch(connection, entries[start : start + BATCH])
        progress(min(start + BATCH, len(entries)))
    with _loading(connection):
        _lift_forced_row_security(connection)
    return notes


def rehearse_post_data(
    connection: Connection[TupleRow],
    entries: Sequence[Entry],
    all_entries: Sequence[Entry] = (),
    settings: DefinitionSettings = NO_SETTINGS,
) -> bool:
    """Make indexes, keys and triggers on the still empty tables and undo it; False where there are too many.

    What the target does not understand fails here, in the first seconds of a run, not after the copying.
    ``all_entries`` are those of the whole schema, ``settings`` what is evaluated under.
    """
    tables = {entry.dump_id: entry for entry in all_entries if entry.kind in TABLES}
    if len(entries) > MOST_REHEARSED:
        return False
    with connection.transaction():
        for entry in entries:
            about = next((tables[needed] for needed in entry.depends_on if needed in tables), None)
            here = settings.of(about.schema_name, about.tag) if about else settings.common
            statement = set_as_in_source(here, "define") + entry.sql
            try:
                connection.execute(statement.encode("utf-8", "surrogateescape"))
            except psycopg.errors.OutOfMemory:
                raise psycopg.Rollback from None
            except psycopg.Error as error:
                if advice := function_advice(error, all_entries, here):
                    raise advised(named_failure(_COULD_NOT.format(entry.label), error), advice) from None
                raise _not_loaded(entry, error) from None
        raise psycopg.Rollback
    return True


def force_row_security(connection: Connection[TupleRow]) -> None:
    """Force row-level security on owners again where the source does (the caller commits)."""
    if connection.execute("SELECT to_regclass(%s)", [_FORCED]).fetchone() == (None,):
        return
    for (table,) in connection.execute(f"SELECT table_name FROM {_FORCED}").fetchall():  # noqa: S608
        connection.execute(f"ALTER TABLE ONLY {table} FORCE ROW LEVEL SECURITY".encode())


@contextlib.contextmanager
def _loading(connection: Connection[TupleRow]) -> Iterator[None]:
    try:
        with connection.transaction():
            yield
    except psycopg.Error as error:
        raise database_failure("The twin's schema could not be loaded.", error) from None


def _session(connection: Connection[TupleRow]) -> None:
    # Function bodies may name what comes later, or what is not carried.
    connection.execute("SET check_function_bodies = off")
    connection.execute("SET client_min_messages = error")
    connection.execute("SET search_path = ''")


def _load_batch(connection: Connection[TupleRow], entries: Sequence[Entry]) -> list[str]:
    """Load entries in one transaction, and in one round trip where nothing stands out."""
    if all(entry.access_method in {None, "heap"} and not _is_public(entry) for entry in entries):
        try:
            with connection.transaction():
                connection.execute(b"".join(_statements(entry) for entry in entries))
            return []
        except psycopg.Error:
            if connection.broken:
                raise
            # One by one, to say which it is.
    notes: list[str] = []
    with _loading(connection):
        for entry in entries:
            notes += _load(connection, entry)
    return notes


def _statements(entry: Entry) -> bytes:
    return entry.sql.encode("utf-8", "surrogateescape") + b";\n"


def _is_public(entry: Entry) -> bool:
    return entry.tag in {"public", _PUBLIC_SCHEMA_COMMENT}


def _load(connection: Connection[TupleRow], entry: Entry) -> list[str]:
    statements = entry.sql.encode("utf-8", "surrogateescape")
    if entry.kind == "SCHEMA" and entry.tag == "public":
        statements = b"CREATE SCHEMA IF NOT EXISTS public"
    if entry.kind == "COMMENT" and entry.tag == _PUBLIC_SCHEMA_COMMENT:
        try:
            with connection.transaction():
                connection.execute(statements)
        except psycopg.errors.InsufficientPrivilege:
            return ["The comment on the schema public was left as it is: the schema has another owner there."]
        return []
    try:
        with _access_method(connection, entry):
            connection.execute(statements)
    except psycopg.Error as error:
        raise _not_loaded(entry, error) from None
    return []


@contextlib.contextmanager
def _access_method(connection: Connection[TupleRow], entry: Entry) -> Iterator[None]:
    if entry.access_method in {None, "heap"}:
        yield
        return
    name = sql.Literal(entry.access_method)
    connection.execute(sql.SQL("SET default_table_access_method = {}").format(name))
    yield
    connection.execute("SET default_table_access_method = heap")


def _drop_public_schema(connection: Connection[TupleRow]) -> None:
    """A source that dropped its public schema gets a twin without one, where the role may drop it."""
    with contextlib.suppress(psycopg.errors.InsufficientPrivilege), connection.transaction():
        connection.execute("DROP SCHEMA IF EXISTS public")


def _lift_forced_row_security(connection: Connection[TupleRow]) -> None:
    tables = connection.execute(
        "SELECT oid::regclass::text FROM pg_class WHERE relforcerowsecurity AND relkind IN ('r', 'p')"
    ).fetchall()
    for (table,) in tables:
        connection.execute(f"ALTER TABLE ONLY {table} NO FORCE ROW LEVEL SECURITY".encode())
        connection.execute(f"INSERT INTO {_FORCED} VALUES (%s)", [table])  # noqa: S608


def _not_loaded(entry: Entry, error: psycopg.Error) -> ApplianceError:
    failure = named_failure(_COULD_NOT.format(entry.label), error)
    if error.sqlstate in {"42601", "42704", "42883", "0A000", "42P01", "22023", "42P17"}:
        return WorkFailed(
            failure.what,
            f"It needs something that this target does not have or understand. (SQLSTATE {error.sqlstate})",
            "Use a target of the source's major version or newer, or drop the object in the source.",
            sqlstate=error.sqlstate,
        )
    return failure
