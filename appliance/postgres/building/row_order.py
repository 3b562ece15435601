"""In which order the rows of the twin stand on its disk, where that would tell what a mask hides.

A table's rows arrive as they stand in the source, and mostly that is the order in which they came to be.
Where its only numbers that grow so are masked, rank and pseudonym together would give the number back. Such
a table is written again in the order of the masked key, in one transaction, before it has an index: then
neither the place of a row nor the transaction that wrote it (``xmin``) says which piece of the source it
came from.

It is done on the target. A sort in the source's own query would cost a third as much, but fills the source's
disk with temporary files, and each piece of a large table would still stand together.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg.rows import TupleRow

from appliance.masking.compiled import CompiledColumn
from appliance.postgres.building.as_in_source import set_as_in_source
from appliance.postgres.building.once import once
from appliance.postgres.copying.ledger import SCHEMA
from appliance.postgres.errors import named_failure
from appliance.postgres.identifiers import quoted
from appliance.postgres.plan import DefinitionSettings, Plan, PlannedTable
from appliance.postgres.sessions.parallel_jobs import Job, Session
from appliance.workflow.catalog import Table

_NOT_PSEUDONYMS = frozenset({"null", "constant", "date_shift", "number_noise"})
"""Masks after which nothing can be ordered, or whose values keep an order of their own."""
_GROWING = frozenset(
    {"smallint", "integer", "bigint", "date", "timestamp without time zone", "timestamp with time zone"}
)
_SORT_MEMORY = "SET LOCAL work_mem = '128MB'"
_RELATION = """
SELECT c.oid, n.nspname, c.relname, pg_table_size(c.oid),
       ARRAY(SELECT a.attname::text FROM pg_attribute AS a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
             ORDER BY a.attnum)
FROM (SELECT %s::regclass AS name) AS wanted
JOIN pg_class AS c ON c.oid = wanted.name
     OR %s AND c.oid IN (SELECT relid FROM pg_partition_tree(wanted.name) WHERE isleaf)
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r'
"""


def order_columns(table: Table, columns: Sequence[CompiledColumn]) -> tuple[str, ...]:
    """The masked columns by which a table's rows are to stand; none where the source's order may stay. Pure.

    Those of its primary key, else of a unique key, else of a foreign key. A kept number or date that is
    unique by itself shows the order of the rows wherever they stand, and so it may stay then.
    """
    masked = {each.name for each in columns if each.mask is not None and each.mask not in _NOT_PSEUDONYMS}
    kept = {each.name for each in columns if each.mask is None}
    if any(each.unique_alone and each.name in kept and each.base_type in _GROWING for each in table.columns):
        return ()
    keys = [table.primary_key, *table.unique_keys, *(key.columns for key in table.foreign_keys)]
    return next((found for key in keys if (found := tuple(name for name in key if name in masked))), ())


def ordering_jobs(session: Session, plan: Plan, settings: DefinitionSettings) -> list[Job]:
    """A job for each relation of the twin whose rows are to stand in another order. Raises psycopg errors.

    Generated columns and domains are evaluated anew, under ``settings``.
    """
    jobs: dict[int, Job] = {}
    for table in plan.tables:
        if table.order_by:
            for oid, schema, name, size, columns in _relations(session, table):
                as_in_source = set_as_in_source(settings.of(schema, name), "evaluate")
                jobs[oid] = _job(oid, (schema, name), columns, table.order_by, size, as_in_source)
    return list(jobs.values())


def _relations(session: Session, table: PlannedTable) -> list[TupleRow]:
    """The table itself; or where rows may have moved to another partition, all partitions of its root."""
    into = table.load_into
    return session.execute(_RELATION, [quoted(into.schema_name, into.name), into == table.root]).fetchall()


def _job(  # noqa: PLR0917
    oid: int,
    relation: tuple[str, str],
    columns: Sequence[str],
    order: Sequence[str],
    size: int,
    as_in_source: str,
) -> Job:
    table, aside = quoted(*relation), quoted(SCHEMA, f"aside_{oid}")
    names = ", ".join(quoted(each) for each in columns)
    # Rows that are equal by the key (a foreign key's) must not stay in the source's order among themselves.
    by = ", ".join([*(f"r.{quoted(each)}" for each in order), "random()"])
    take = f"CREATE TABLE {aside} AS SELECT {names} FROM ONLY {table}; TRUNCATE ONLY {table}"  # noqa: S608
    put = (
        f"{_SORT_MEMORY}; {as_in_source}INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE"  # noqa: S608
        f" SELECT {names} FROM {aside} AS r ORDER BY {by}; DROP TABLE {aside}"
    )

    def run(session: Session) -> None:
        # Two transactions, so that the space of the first order is free before the second is written.
        try:
            once(session, f"aside/{oid}", take.encode())
            once(session, f"order/{oid}", put.encode())
        except psycopg.errors.DeadlockDetected:
            raise
        except psycopg.Error as error:
            what = "A table could not be put in another order."
            raise named_failure(what, error, table=".".join(relation)) from None

    return Job(f"order of {'.'.join(relation)}", run, (-size,))
