"""Masks that give values of a table to other rows of it: only of rows that are copied anyway. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.errors import WrongRequestError
from appliance.postgres.plan import PlannedTable

WHOLE_TABLE = "shuffle"


def check_own_values(tables: Sequence[PlannedTable]) -> None:
    """Raises WrongRequestError for a table of which rows are left out, and whose values are shuffled.

    A value of a row that is left out, or of an erased subject, would come to stand in the twin.
    """
    found = [
        f"{table.qualified}.{column.name} is shuffled, and rows of the table are left out"
        f" ({'by a row filter' if table.where_sql is not None else 'for erased subjects'})."
        for table in tables
        if table.where_sql is not None or table.erased_sql is not None
        for column in table.columns
        if column.mask == WHOLE_TABLE
    ]
    if found:
        raise WrongRequestError(
            "\n".join(found),
            "The mask 'shuffle' gives every value of the table to some row, also those of rows that are not"
            " copied. No row has been read.",
            "Use the mask distribution, which gives frequent values only, or copy the table whole.",
        )
