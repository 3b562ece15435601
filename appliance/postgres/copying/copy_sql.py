"""The two COPY statements of one piece of a table."""

from __future__ import annotations

from appliance.masking.expressions.permutation import drawn_once
from appliance.postgres.copying.subject_lookups import as_columns, lookups_of
from appliance.postgres.copying.subject_lookups import beside as subjects_beside
from appliance.postgres.identifiers import quoted
from appliance.postgres.plan import CopyItem, PlannedTable, TableName
from appliance.workflow.catalog import Table


def table_reference(table: PlannedTable | TableName) -> str:
    """The quoted, qualified name."""
    name = table.name
    return quoted(table.schema_name, name)


def only(table: PlannedTable | Table) -> str:
    """``ONLY ``, where rows of tables that inherit from it are not its own."""
    return "" if table.hypertable else "ONLY "


def rows_of(
    table: PlannedTable, item: CopyItem | None = None, beside: str = "", *, erased: bool = False
) -> str:
    """``FROM … WHERE …`` for the table's planned rows, or those of one piece, under the alias ``t``.

    ONLY: a parent's children are tables of their own, but for the chunks of a hypertable. ``beside`` is what
    else stands in FROM. ``erased``: those that would be copied if they were not about erased subjects.
    """
    conditions = []
    if table.erased_sql is not None:
        conditions.append(f"({table.erased_sql})" if erased else f"({table.erased_sql}) IS NOT TRUE")
    if item is not None and item.ctids is not None:
        # Chosen in another session by all the other conditions that there are.
        conditions.append(f"t.ctid = ANY ('{item.ctids}'::tid[])")
        item = None
    elif table.where_sql is not None:
        conditions.append(f"({table.where_sql})")
    if item is not None and item.first_page is not None:
        conditions.append(f"t.ctid >= '({item.first_page},0)'::tid")
    if item is not None and item.end_page is not None:
        conditions.append(f"t.ctid < '({item.end_page},0)'::tid")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"FROM {only(table)}{table_reference(table)} AS t{beside}{where}"


def masked_select(table: PlannedTable, item: CopyItem | None = None) -> str:
    """The query whose rows leave the source.

    A value that comes again need not be masked again: PostgreSQL since 14 remembers the answers of a LATERAL
    subquery (Memoize) where its statistics say that values repeat. Among many rows a first name then costs a
    quarter, a key that others refer to a thirtieth. Digests that a mask mentions more than once are computed
    by a query below.
    """
    taken, answer = {column.name for column in table.columns}, "appliance_masked"
    while answer in taken:
        answer += "_"
    below, above = [], []
    lookups = lookups_of(table.columns)
    beside = subjects_beside(lookups)
    for number, column in enumerate(table.columns):
        name = quoted(column.name)
        shown, finished = column.sql, name
        if column.repeats:
            # The value is mentioned once, so that it is the key of what is remembered, and the only one.
            once = f"(SELECT t.{name} OFFSET 0) AS v"
            beside += f", LATERAL (SELECT {shown} AS {answer} FROM {once} OFFSET 0) AS m{number}"  # noqa: S608
            shown = f"m{number}.{answer}"
        elif column.lifted is not None:
            below += [f"{sql} AS {beneath}" for beneath, sql in column.lifted.beneath.items()]
            shown, finished = f"t.{name}", f"{column.lifted.sql} AS {name}"
        below.append(f"{shown} AS {name}")
        above.append(finished)
    lifted = len(below) > len(above)
    below += [each.name for each in lookups] if lifted else []
    query = f"SELECT {as_columns(', '.join(below), lookups)} {rows_of(table, item, beside)}"
    if lifted:
        query = f"SELECT {as_columns(', '.join(above), lookups)} FROM ({query} OFFSET 0) AS t"  # noqa: S608
    return drawn_once(query)


def copy_out(table: PlannedTable, item: CopyItem) -> str:
    """``COPY … TO STDOUT`` for one piece."""
    plain = not table.masked_columns and not table.filtered and item.parts == 1
    # Straight from the table costs a little less than through a query; it needs columns to name.
    if plain and table.columns:
        what = f"{table_reference(table)} ({_names(table)})"
    else:
        what = f"({masked_select(table, item)})"
    return f"COPY {what} TO STDOUT (FORMAT {table.format})"


def copy_in(table: PlannedTable) -> str:
    """``COPY … FROM STDIN`` for the same columns."""
    columns = f" ({_names(table)})" if table.columns else ""
    return f"COPY {table_reference(table.load_into)}{columns} FROM STDIN (FORMAT {table.format})"


def _names(table: PlannedTable) -> str:
    return ", ".join(quoted(column.name) for column in table.columns)
