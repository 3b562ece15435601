"""What of a plan may be told: numbers and table names."""

from __future__ import annotations

from collections import Counter
from typing import Any

MOST_TABLES = 2000


def plan_brief(plan: dict[str, Any]) -> dict[str, Any]:
    """The ``run_planned`` event of a plan.json, shaped as appliance.contract.events.RunPlanned."""
    tables = plan.get("tables", [])
    return {
        "shards": len(plan.get("shards", [])),
        "tables": [_table(table) for table in tables[:MOST_TABLES]],
        "tables_total": len(tables),
        "not_carried": len(plan.get("not_carried", [])),
        "warnings": len(plan.get("warnings", [])),
        "server_version": plan.get("source", {}).get("server_version"),
    }


def parts_of_tables(plan: dict[str, Any]) -> dict[str, int]:
    """Into how many pieces each table of a plan.json is cut."""
    names = [f"{table['schema_name']}.{table['name']}" for table in plan.get("tables", [])]
    return dict(Counter(names[item["table"]] for shard in plan["shards"] for item in shard.get("items", [])))


def _table(table: dict[str, Any]) -> dict[str, Any]:
    columns = table.get("columns", [])
    masked = sum(1 for column in columns if column.get("mask") is not None)
    return {
        "table": f"{table['schema_name']}.{table['name']}",
        "rows": table.get("estimated_rows", 0),
        "bytes": table.get("bytes", 0),
        "masked": masked,
        "kept": len(columns) - masked,
    }
