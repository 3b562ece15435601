"""Which document has decided what of a plan's columns: the workflow itself, or a preset."""

from __future__ import annotations

from collections import Counter

from appliance.masking.compiled import CompiledColumn
from appliance.postgres.plan import Plan


def by_whom(plan: Plan) -> str:
    """How many columns the workflow's own rules decide, and how many each preset; empty without presets."""
    counts = Counter(
        column.preset.said if column.preset else "" for table in plan.tables for column in table.columns
    )
    if not any(counts):
        return ""
    own = f"the workflow itself: {counts.pop('', 0):,}"
    return ", ".join([own, *(f"the preset {name}: {count:,}" for name, count in sorted(counts.items()))])


def rule_json(column: CompiledColumn) -> dict[str, str | None]:
    """For programs."""
    return {"pattern": column.rule, "preset": column.preset.said if column.preset else None}
