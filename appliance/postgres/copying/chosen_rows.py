"""Rows that free SQL chooses, by their place: the SQL runs in one session, the masks' keys are in another.

An author's SQL may call whatever the reader may call, and what it calls could read the settings of its
session. So it runs where no key is bound, on the same snapshot, and only the places (ctids) of the rows go
from there to the session that masks. A row keeps its place for as long as a snapshot sees it.
"""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.postgres.copying.copy_sql import rows_of
from appliance.postgres.plan import CopyItem, PlannedTable

AT_ONCE = 10_000
"""Rows of one batch: some 120 kB of statement."""


def chosen_rows(
    without_keys: Connection[TupleRow], table: PlannedTable, item: CopyItem
) -> Iterator[CopyItem]:
    """The piece as batches of rows by their places; none where no row is chosen. Memory is constant.

    ``without_keys`` is in a transaction on the run's snapshot. psycopg errors pass.
    """
    # Whom erasures name is found where the keys are.
    anybody = table.model_copy(update={"erased_sql": None})
    with without_keys.cursor(name="appliance_chosen_rows") as cursor:
        cursor.execute(f"SELECT t.ctid::text {rows_of(anybody, item)}".encode())
        while places := cursor.fetchmany(AT_ONCE):
            listed = ",".join(f'"{place}"' for (place,) in places)
            yield item.model_copy(update={"ctids": f"{{{listed}}}"})


def gives_evidence(batch: int) -> bool:
    """Whether verification takes a batch: the first ones, and then a tenth."""
    return batch < 2 or batch % 10 == 0
