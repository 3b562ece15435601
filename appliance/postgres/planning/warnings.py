"""What a plan warns of: it will be done, and somebody should know."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.policy.policy import Origin, Policy, Refusal, refuses_kept
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
            "The source has no encoding (SQL_ASCII): text that is not valid UTF-8 would stop the run."
        )
    if catalog.in_recovery:
        found.append("The source is a standby: its replay may end a long run (see hot_standby_feedback).")
    moved = sorted(
        {table.load_into.qualified for table in tables if table.load_into.qualified != table.qualified}
    )
    if moved:
        found.append(
            f"A mask changes the partition key of {', '.join(moved)}: rows may land in another partition than"
            " they came from, and one that fits none stops the run."
        )
    return found


def kept_notes(policy: Policy, origin: Origin, lines: Sequence[str]) -> tuple[list[Refusal], list[str]]:
    """What follows of kept columns that look personal, a line each: refusals, or warnings."""
    if refuses_kept(policy, origin):
        return [Refusal("kept_looks_personal", f"{line}.") for line in lines], []
    how = "mask it, or say why it is kept: {column: …, because: …}"
    return [], [f"{line}; {how}" for line in lines]
