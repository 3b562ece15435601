"""Whether a mask may be why a row did not arrive. If none may, the source's own rows are at fault."""

from __future__ import annotations

import psycopg

from appliance.masking.compiled import CompiledColumn
from appliance.postgres.plan import PlannedTable


def mask_may_be_why(table: PlannedTable, error: psycopg.Error) -> bool:
    """What the error is about, as far as the server names it, held against what masks replace.

    Rather too often than too seldom: where nothing is named, any mask may be the reason.
    """
    masked = table.masked_columns
    named = error.diag
    if not masked:
        return False
    if error.sqlstate in {"23502", "23514"} and named.datatype_name:
        return any(named.datatype_name in column.type for column in masked)
    if error.sqlstate == "23502":
        # A mask leaves NULL as it is, and gives it for something else only where it is called so.
        column = next((each for each in table.columns if each.name == named.column_name), None)
        return column is None or _gives_null(column) or table.erased_sql is not None
    if error.sqlstate == "23514" and not named.constraint_name:
        # It fits no partition: what a mask moves is loaded through the root.
        return table.load_into.qualified != table.qualified
    return True


def _gives_null(column: CompiledColumn) -> bool:
    return "null" in {column.mask, *(branch.mask for branch in column.branches)}
