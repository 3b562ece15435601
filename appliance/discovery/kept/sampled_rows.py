"""The rows of a table that are compared: all of a small one, pages from all over a large one. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from appliance.masking.expressions.sql_text import identifier
from appliance.postgres.copying.copy_sql import only
from appliance.workflow.catalog import Column, Table


def sampled_rows(  # noqa: PLR0917
    table: Table,
    columns: Sequence[Column],
    whole: int,
    some: int,
    seed: int,
    where: str | None = None,
    shown: Mapping[str, str] | None = None,
) -> str:
    """All rows of a table, or about ``some`` of a larger one, by pages; those that are copied.

    One seed for all: the fewer pages are among the more, so that a row's originals are looked for in the row.
    """
    names = ", ".join((shown or {}).get(column.name, f"t.{identifier(column.name)}") for column in columns)
    sample = ""
    if table.estimated_rows > whole and table.pages > 50:
        percent = max(100.0 * some / table.estimated_rows, 100.0 * 16 / table.pages)
        sample = f" TABLESAMPLE SYSTEM ({min(percent, 100.0):.6f}) REPEATABLE ({seed})"
    own = f"{identifier(table.schema_name)}.{identifier(table.name)}"
    chosen = f" WHERE ({where})" if where is not None else ""
    # Twice as many at most: an estimate may be wrong.
    return f"SELECT {names} FROM {only(table)}{own} AS t{sample}{chosen} LIMIT {2 * max(whole, some)}"
