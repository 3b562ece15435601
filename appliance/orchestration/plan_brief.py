"""What of a plan may be reported: numbers and table names."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from appliance.contract.fitting import shown_name
from appliance.contract.run_parts import MAX_PLANNED_TABLES
from appliance.contract.table_drift import MAX_DRIFT
from appliance.postgres.plan import Plan, PlannedTable
from appliance.workflow.drift import Drift

if TYPE_CHECKING:
    from appliance.store.runs import StepData

_CHANGES = {
    ("table", "added"): "table_added",
    ("table", "gone"): "table_gone",
    ("column", "added"): "columns_added",
    ("column", "gone"): "columns_gone",
    ("type", "changed"): "types_changed",
    ("constraint", "added"): "constraints",
    ("constraint", "gone"): "constraints",
}


def plan_brief(plan: Plan) -> StepData:
    """The ``run_planned`` event of a plan, shaped as appliance.contract.events.RunPlanned."""
    return {
        "shards": len(plan.shards),
        "tables": [_table(table) for table in plan.tables[:MAX_PLANNED_TABLES]],
        "tables_total": len(plan.tables),
        "not_carried": len(plan.not_carried),
        "warnings": len(plan.warnings),
        "server_version": plan.source.server_version,
        "drift": drift_brief(plan.drift),
    }


def parts_of_tables(plan: Plan) -> dict[str, int]:
    """Into how many pieces each table is cut."""
    return dict(Counter(plan.table_name(item) for shard in plan.shards for item in shard.items))


def drift_brief(found: Drift) -> list[StepData]:
    """The changes by table and outcome: no column is named."""
    counted = Counter(
        (f"{item.schema_name}.{item.table}", _CHANGES[item.kind, item.change], item.outcome)
        for item in found.items
    )
    brief = [
        {"table": shown_name(table), "change": change, "outcome": outcome, "count": count}
        for (table, change, outcome), count in counted.items()
    ]
    return brief[:MAX_DRIFT]


def _table(table: PlannedTable) -> StepData:
    masked = len(table.masked_columns)
    return {
        "table": table.qualified,
        "rows": table.estimated_rows,
        "bytes": table.bytes,
        "masked": masked,
        "kept": len(table.columns) - masked,
    }
