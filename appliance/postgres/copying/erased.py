"""How many rows are left out because they are about erased subjects: counted piece by piece as it is copied.

The digests are compared in the session that has the keys, on the source. The numbers go to the target's
ledger in the transaction of the piece, so that ``verify`` finds rows copied, left out and erased to be all
that there are.
"""

from __future__ import annotations

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.postgres.copying.copy_sql import rows_of
from appliance.postgres.copying.ledger import SCHEMA
from appliance.postgres.plan import CopyItem, PlannedTable

_COUNTS = f"{SCHEMA}.erased"


def create(connection: Connection[TupleRow]) -> None:
    """Add the counts' table to the ledger's schema; what is there is kept."""
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {_COUNTS} (item text NOT NULL, table_number integer NOT NULL,"
        " rows bigint NOT NULL)"
    )


def erased_query(table: PlannedTable, item: CopyItem) -> str:
    """The query that counts them in one piece."""
    return f"SELECT count(*) {rows_of(table, item, erased=True)}"


def count_erased(
    source: Connection[TupleRow], into: Connection[TupleRow], table: PlannedTable, item: CopyItem
) -> None:
    """Count on the source and note the number beside the piece. Raises psycopg errors."""
    if table.erased_sql is None:
        return
    ((rows,),) = source.execute(erased_query(table, item).encode()).fetchall()
    into.execute(f"INSERT INTO {_COUNTS} VALUES (%s, %s, %s)", (item.key, item.table, rows))  # noqa: S608


def erased(connection: Connection[TupleRow]) -> dict[int, int]:
    """Rows by the table's place in the plan."""
    rows = connection.execute(f"SELECT table_number, sum(rows)::bigint FROM {_COUNTS} GROUP BY 1")  # noqa: S608
    return {number: int(count) for number, count in rows}
