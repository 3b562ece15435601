"""How small the groups are that columns together form: who has birth date, city and gender may know a row.

Counted in the twin, on its server: only numbers come here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow
from pydantic import BaseModel, ConfigDict

from appliance.postgres.copying.copy_sql import table_reference
from appliance.postgres.errors import database_failure
from appliance.postgres.identifiers import quoted
from appliance.postgres.plan import Plan, TableName
from appliance.postgres.twin.found_names import with_names
from appliance.workflow.matching.patterns import parse_pattern

USUAL_K = 5
"""Groups of fewer rows are counted as small, where the policy names no number."""


class GroupSizes(BaseModel):
    """What the groups of one table came to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    columns: tuple[str, ...]
    k: int
    smallest: int | None
    """None of an empty table."""
    rows: int
    rows_below: int
    """In groups of fewer than ``k`` rows."""


def wanted_groups(
    plan: Plan, quasi: Mapping[str, Sequence[str]]
) -> Iterator[tuple[TableName, bool, Sequence[str]]]:
    """Table, whether it has partitions, and columns, for each that a pattern names."""
    roots: dict[TableName, bool] = {}
    for table in plan.tables:
        roots[table.root or TableName(schema_name=table.schema_name, name=table.name)] = (
            table.root is not None
        )
    for text, columns in quasi.items():
        pattern = parse_pattern(text, 2)
        for name, has_partitions in roots.items():
            if pattern.matches(name.schema_name, name.name):
                yield name, has_partitions, columns


def group_sizes(
    session: Connection[TupleRow], name: TableName, columns: Sequence[str], k: int, *, has_partitions: bool
) -> GroupSizes:
    """Count the groups of a table. Raises WorkFailedError."""
    only = "" if has_partitions else "ONLY "
    query = (
        "SELECT min(size), coalesce(sum(size), 0)::bigint,"  # noqa: S608
        f" coalesce(sum(size) FILTER (WHERE size < {k}), 0)::bigint"
        f" FROM (SELECT count(*) AS size FROM {only}{table_reference(name)}"
        f" GROUP BY {', '.join(map(quoted, columns))}) AS found"
    )
    try:
        session.execute("SET row_security = off")
        row = with_names(session, lambda: session.execute(query.encode()).fetchone())
    except psycopg.Error as error:
        what = "The groups that its columns form could not be counted."
        raise database_failure(what, error, table=name.qualified) from None
    smallest, rows, below = row if row is not None else (None, 0, 0)
    return GroupSizes(
        table=name.qualified, columns=tuple(columns), k=k, smallest=smallest, rows=rows, rows_below=below
    )
