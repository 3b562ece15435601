"""Whether a table is still the one that the run's snapshot saw.

A snapshot says which rows are seen, not which file holds them or what a column is called: those are looked up
as they are now. A table that was emptied or rewritten since shows no rows to an old snapshot, without an
error; one whose columns or whose name were exchanged shows other values than planned. So a table is locked as
reading does it, and then what the catalog says now is compared with what it said in the snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from appliance.errors import SourceChangedError
from appliance.postgres.copying.copy_sql import only, rows_of, table_reference
from appliance.postgres.copying.subject_lookups import beside, lookups_of
from appliance.postgres.plan import PlannedTable

SAVEPOINT = "appliance_piece"

# relfilenode says where the rows are. A partitioned table has none, and reads those of its partitions; a
# hypertable, or a parent that a filter names, reads those of the tables that inherit from it.
_FACTS = """
SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, c.relfilenode,
    ARRAY(SELECT concat_ws(' ', a.attnum, a.attname, a.atttypid, a.atttypmod, a.attisdropped)
          FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 ORDER BY a.attnum),
    ARRAY(SELECT i.inhrelid::bigint FROM pg_inherits AS i
          WHERE i.inhparent = c.oid AND (c.relkind = 'p' OR {whole}) ORDER BY 1)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND
"""
_BY_NAME = "n.nspname = {schema} AND c.relname = {name}"
_BY_LOCK = (
    "c.oid >= 16384 AND c.oid IN (SELECT l.relation FROM pg_locks AS l"
    " WHERE l.locktype = 'relation' AND l.granted AND l.pid = {pid}"
    " AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()))"
)


@dataclass(frozen=True)
class Identity:
    """What a table is, as the catalog has it at one time."""

    oid: int
    schema_name: str
    name: str
    kind: str
    file: int
    columns: frozenset[str]
    partitions: frozenset[int]

    def still(self, now: Identity | None) -> bool:
        """Whether reading gives what the snapshot saw. What came since does not matter."""
        return (
            now is not None
            and (now.oid, now.schema_name, now.name, now.kind, now.file)
            == (self.oid, self.schema_name, self.name, self.kind, self.file)
            and self.columns <= now.columns
            and self.partitions <= now.partitions
        )


def question(table: PlannedTable, pid: int) -> sql.Composed:
    """The query whose answer must be the same in the snapshot as now.

    Where others may be read with it, whatever session ``pid`` has locked is looked at.
    """
    if not table.reads_others:
        which = sql.SQL(_BY_NAME).format(schema=table.schema_name, name=table.name)
    else:
        which = sql.SQL(_BY_LOCK).format(pid=pid)
    return sql.SQL(_FACTS).format(whole=sql.Literal(table.reads_others)) + which


def take(source: Connection[TupleRow], table: PlannedTable, wait_ms: int) -> list[Identity]:
    """Let go of the piece before, lock what reading this table needs, and see what it was in the snapshot.

    One round trip, in the caller's transaction, whose savepoint must have been made. Waits for locks no
    longer than ``wait_ms``. Raises psycopg errors.
    """
    # Planning locks every table of the statement, reading none of them.
    lock = f"SELECT {rows_of(table, beside=beside(lookups_of(table.columns)))} LIMIT 0"
    if table.unplanned:
        lock = f"LOCK TABLE {only(table)}{table_reference(table)} IN ACCESS SHARE MODE"
    if table.read_path:
        lock = f"SET LOCAL search_path = {table.read_path}; {lock}"
    script = sql.SQL("ROLLBACK TO SAVEPOINT {}; SET LOCAL lock_timeout = {}; {}; {}").format(
        sql.Identifier(SAVEPOINT),
        sql.Literal(f"{wait_ms}ms"),
        sql.SQL(lock),
        question(table, source.info.backend_pid),
    )
    answers = source.execute(script)
    while answers.nextset():
        pass
    return identities(answers.fetchall())


def question_of_all(tables: Sequence[PlannedTable]) -> sql.Composed:
    """The same query for several tables without a condition."""
    names = sql.SQL(", ").join(sql.SQL("({}, {})").format(each.schema_name, each.name) for each in tables)
    return sql.SQL(_FACTS).format(whole=sql.Literal(False)) + sql.SQL(
        "(n.nspname, c.relname) IN ({})"
    ).format(names)


def take_all(source: Connection[TupleRow], tables: Sequence[PlannedTable], wait_ms: int) -> list[Identity]:
    """The same as ``take`` for several tables without a condition, in one round trip."""
    locks = "; ".join(f"SELECT {rows_of(each)} LIMIT 0" for each in tables)
    script = sql.SQL("ROLLBACK TO SAVEPOINT {}; SET LOCAL lock_timeout = {}; {}; {}").format(
        sql.Identifier(SAVEPOINT), sql.Literal(f"{wait_ms}ms"), sql.SQL(locks), question_of_all(tables)
    )
    answers = source.execute(script)
    while answers.nextset():
        pass
    return identities(answers.fetchall())


def check_all_same(tables: Sequence[PlannedTable], then: Sequence[Identity], now: Sequence[Identity]) -> None:
    """``check_same`` for each. Raises SourceChangedError."""
    for table in tables:
        name = (table.schema_name, table.name)
        check_same(
            table,
            [each for each in then if (each.schema_name, each.name) == name],
            [each for each in now if (each.schema_name, each.name) == name],
        )


def identities(rows: Sequence[TupleRow]) -> list[Identity]:
    """The rows of ``question``'s answer."""
    return [
        Identity(oid, schema, name, kind, file, frozenset(columns), frozenset(partitions))
        for oid, schema, name, kind, file, columns, partitions in rows
    ]


def check_same(table: PlannedTable, then: Sequence[Identity], now: Sequence[Identity]) -> None:
    """Raise SourceChangedError where something has changed that the snapshot does not fit."""
    current = {each.oid: each for each in now}
    known = {each.oid for each in then}
    # Partitions that came since held none of what the snapshot saw in their parent.
    came = {oid for each in now for oid in each.partitions} - {
        oid for each in then for oid in each.partitions
    }
    came -= {each.oid for each in then if each.name == table.name and each.schema_name == table.schema_name}
    changed = [each for each in then if each.oid not in came and not each.still(current.get(each.oid))]
    # What is read now and was not there, under that name or at all, in the snapshot.
    strange = [each for each in now if each.oid not in known | came]
    if then and not changed and not strange:
        return
    names = sorted({f"{each.schema_name}.{each.name}" for each in (*changed, *strange)})
    raise _no_longer_fits(table, names or [table.qualified])


def gone(table: PlannedTable) -> SourceChangedError:
    """The failure where reading the table finds one that is not there under its name any more."""
    return _no_longer_fits(table, [table.qualified])


def _no_longer_fits(table: PlannedTable, names: Sequence[str]) -> SourceChangedError:
    return SourceChangedError(
        f"The run's snapshot does not fit {', '.join(names)} any more.",
        "It was emptied, rewritten, renamed, altered or dropped since the run began (TRUNCATE, VACUUM FULL,"
        " ALTER TABLE …). Read in the old snapshot it would show other rows than it had, or none.",
        SourceChangedError.NEXT_STEP,
        sqlstate="40001",
        table=table.qualified,
    )
