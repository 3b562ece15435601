"""SQL of a workflow's author that could do more than choose rows by their own columns."""

from __future__ import annotations

from appliance.policy.refusal import Refusal
from appliance.workflow.conditions.grammar import why_free
from appliance.workflow.document import Workflow


def check_free_sql(workflow: Workflow) -> list[Refusal]:
    """What of it the cloud may not send where the owner has not allowed that."""
    free = [
        f"rows of {pattern} ({why})"
        for pattern, rows in workflow.rows.items()
        if rows.where is not None and (why := why_free(rows.where)) is not None
    ]
    if workflow.after_load:
        free.append("after_load")
    what = f"SQL from the cloud is not allowed here: {'; '.join(free)}."
    return [Refusal("sql_from_cloud", what)] if free else []
