"""What of a plan may be reported: numbers and table names."""

from __future__ import annotations

from collections import Counter

from appliance.contract.events import MAX_PLANNED_TABLES
from appliance.postgres.plan import Plan, PlannedTable
from appliance.store.runs import Row


def plan_brief(plan: Plan) -> Row:
    """The ``run_planned`` event of a plan, shaped as appliance.contract.events.RunPlanned."""
    return {
        "shards": len(plan.shards),
        "tables": [_table(table) for table in plan.tables[:MAX_PLANNED_TABLES]],
        "tables_total": len(plan.tables),
        "not_carried": len(plan.not_carried),
        "warnings": len(plan.warnings),
        "server_version": plan.source.server_version,
    }


def parts_of_tables(plan: Plan) -> dict[str, int]:
    """Into how many pieces each table is cut."""
    return dict(Counter(plan.table_name(item) for shard in plan.shards for item in shard.items))


def _table(table: PlannedTable) -> Row:
    masked = len(table.masked_columns)
    return {
        "table": table.qualified,
        "rows": table.estimated_rows,
        "bytes": table.bytes,
        "masked": masked,
        "kept": len(table.columns) - masked,
    }
