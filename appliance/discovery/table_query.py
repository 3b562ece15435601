"""The query that looks at a table: what its sample's values look like, counted per column and path.

It returns a row for each column, path and shape with counts, and never a value. A key of a document is shown
only if it has the form of a field's name and stands in more than one row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from appliance.discovery.places import is_looked_at, values_sql
from appliance.discovery.value_shapes import KNOWN, LIMIT_YEAR, NAMES, shape_sql
from appliance.masking.expressions.sql_text import identifier
from appliance.postgres.copying.copy_sql import only
from appliance.workflow.catalog import Column, Table

COLUMNS_AT_ONCE = 60
_OFTEN = 3
"""A key in fewer values than this is not shown: it could be a person's."""
ROWS_PLACE = -1
"""Not a column: each row of the sample once."""


Places = dict[int, tuple[int, Column | None]]


@dataclass(frozen=True)
class TableQuery:
    """SQL with the parameters ``names`` and ``limit_year``, and the columns its places stand for."""

    sql: str
    columns: tuple[Column, ...]


def table_queries(
    table: Table, rows: int, seed: int, encoding: str, *, whole: bool = False, but: str | None = None
) -> list[TableQuery]:
    """One query for a table, or a few for one with very many columns. ``whole``: without TABLESAMPLE.

    ``but`` is true of rows, over the alias ``t``, that are not looked at.
    """
    looked_at = [column for column in table.columns if is_looked_at(table, column)]
    parts = [looked_at[at : at + COLUMNS_AT_ONCE] for at in range(0, len(looked_at), COLUMNS_AT_ONCE)]
    return [_query(table, part, rows, seed, encoding, whole=whole, but=but) for part in parts or [[]]]


def query_together(
    tables: Sequence[Table], rows: int, seed: int, encoding: str, but: Mapping[tuple[str, str], str]
) -> tuple[str, Places]:
    """One query for several small tables, and for each of its places the table's number and the column.

    ``but`` is true of rows that are not looked at, by table.

    What a place is without a column is a row of the table. The server plans what a text looks like once.
    """
    looked_at = [[column for column in table.columns if is_looked_at(table, column)] for table in tables]
    samples: list[str] = []
    places: Places = {}
    first = 0
    for number, (table, columns) in enumerate(zip(tables, looked_at, strict=True)):
        places |= {first + place: (number, column) for place, column in enumerate(columns)}
        places[ROWS_PLACE - number] = (number, None)
        samples.append(
            _sample(
                table,
                columns,
                rows,
                seed,
                encoding,
                rows_place=ROWS_PLACE - number,
                first=first,
                but=but.get((table.schema_name, table.name)),
            )
        )
        first += len(columns)
    return with_parameters(_counted(samples)), places


def sampled_percent(table: Table, rows: int) -> float | None:
    """Of the pages, for about twice so many rows; None where all pages are read."""
    if table.pages <= 50 or table.estimated_rows <= rows * 4:
        return None
    return max(100.0 * 2 * rows / table.estimated_rows, 100.0 * 16 / table.pages)


def _query(
    table: Table,
    columns: Sequence[Column],
    rows: int,
    seed: int,
    encoding: str,
    *,
    whole: bool,
    but: str | None,
) -> TableQuery:
    sample = _sample(table, columns, rows, seed, encoding, whole=whole, but=but)
    return TableQuery(with_parameters(_counted([sample])), tuple(columns))


def _sample(
    table: Table,
    columns: Sequence[Column],
    rows: int,
    seed: int,
    encoding: str,
    *,
    whole: bool = False,
    rows_place: int = ROWS_PLACE,
    first: int = 0,
    but: str | None = None,
) -> str:
    """A query of every value of a table's sample: place, path, mode, value, and which row it is of."""
    percent = None if whole else sampled_percent(table, rows)
    sample = f" TABLESAMPLE SYSTEM ({percent:.6f}) REPEATABLE ({seed})" if percent is not None else ""
    names = ", ".join(
        ["row_number() OVER () AS appliance_row", *(f"t.{identifier(c.name)}" for c in columns)]
    )
    own = f"{identifier(table.schema_name)}.{identifier(table.name)}"
    others = f" WHERE ({but}) IS NOT TRUE" if but is not None else ""
    sampled = f"SELECT {names} FROM {only(table)}{own} AS t{sample}{others} LIMIT {rows}"
    values = [f"SELECT {rows_place}, '', 'number', ''"]
    values += [values_sql(column, first + place, encoding) for place, column in enumerate(columns)]
    return (
        f'SELECT a.place, a.path, a.mode, a.value COLLATE "C" AS value, r.appliance_row FROM ({sampled}) AS r'
        f" CROSS JOIN LATERAL ({' UNION ALL '.join(values)}) AS a (place, path, mode, value)"
        " WHERE a.value IS NOT NULL"
    )


def _counted(samples: Sequence[str]) -> str:
    """The counting. What a text looks like is asked once of equal ones."""
    return (
        f"SELECT f.place, CASE WHEN f.path = '' OR f.path = '[*]' OR sum(f.n) OVER path >= {_OFTEN}"
        " AND min(f.first) OVER path <> max(f.last) OVER path THEN f.path ELSE '.*' END,"
        " f.shape, f.n, f.different, f.wordy FROM (SELECT s.place, s.path, s.shape, sum(s.n)::bigint AS n,"
        " count(*)::bigint AS different, coalesce(sum(s.n) FILTER (WHERE s.wordy), 0)::bigint AS wordy,"
        " min(s.first) AS first, max(s.last) AS last FROM ("
        f"SELECT v.place, v.path, v.n, v.first, v.last, {shape_sql()} AS shape,"
        " v.mode = 'text' AND v.value ~ '\\s\\S+\\s\\S+\\s\\S' AS wordy FROM ("
        "SELECT q.place, q.path, q.mode, q.value, count(*) AS n, min(q.appliance_row) AS first,"
        f" max(q.appliance_row) AS last, {LIMIT_YEAR}::text AS limit_year, {KNOWN}::jsonb AS {NAMES}"
        f" FROM ({' UNION ALL '.join(samples)}) AS q GROUP BY 1, 2, 3, 4"
        " OFFSET 0) AS v) AS s GROUP BY s.place, s.path, s.shape) AS f"
        " WINDOW path AS (PARTITION BY f.place, f.path)"
    )


def with_parameters(sql: str) -> str:
    """The query as psycopg takes it. A name or pattern may hold a per cent sign, which is none of ours."""
    doubled = sql.replace("%", "%%")
    return doubled.replace(LIMIT_YEAR, "%(limit_year)s").replace(KNOWN, "%(names)s")
