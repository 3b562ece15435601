"""What a plan warns of: it will be done, and somebody should know."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.postgres.plan import PlannedTable
from appliance.workflow.catalog import Catalog


def free_sql_warnings(tables: Sequence[PlannedTable]) -> list[str]:
    """Where an author's own SQL chooses the rows."""
    names = ", ".join(table.qualified for table in tables if table.apart)
    if not names:
        return []
    return [
        f"Free SQL under rows chooses the rows of {names}: it runs with the reader's rights, sees all that"
        " the reader may see, and has no mask's key in its session."
    ]


def source_warnings(catalog: Catalog, tables: Sequence[PlannedTable]) -> list[str]:
    """What of the source and its tables may end a run or move rows."""
    found = []
    if catalog.encoding == "SQL_ASCII":
        found.append(
            "The source has no encoding (SQL_ASCII): its text is carried byte by byte, whatever it means."
            " Names of objects have to be valid UTF-8."
        )
    if catalog.in_recovery:
        found.append("The source is a standby: its replay may end a long run (see hot_standby_feedback).")
    planned = {table.qualified for table in tables}
    unsettled = {each.qualified for each in catalog.tables if each.unsettled and each.qualified in planned}
    moved = sorted(
        {
            table.load_into.qualified
            for table in tables
            if table.load_into.qualified != table.qualified and table.qualified not in unsettled
        }
    )
    if unsettled:
        roots = sorted({f"{each.root_schema}.{each.root_name}" for each in catalog.tables if each.unsettled})
        found.append(
            f"Rows of {', '.join(roots)} are spread by hashes that are others in another database: they are"
            " loaded through the table above, and may land in another partition than they came from."
        )
    if moved:
        found.append(
            f"A mask changes the partition key of {', '.join(moved)}: rows may land in another partition than"
            " they came from, and one that fits none stops the run."
        )
    return found
