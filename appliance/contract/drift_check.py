"""The event of a check for drift: whether the next run of a workflow would go, looked at before it begins."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from appliance.contract.catalog import MAX_UNCOVERED, Refused, UncoveredColumn
from appliance.contract.fields import Count, Digest, WireModel, WorkflowId
from appliance.contract.table_drift import MAX_DRIFT, TableDrift


class DriftChecked(WireModel):
    """A workflow was planned by its own timetable, without a run, to see whether the next one would go."""

    type: Literal["drift_checked"] = Field(default="drift_checked", description="The kind of event.")
    workflow: WorkflowId = Field(description="The workflow.")
    digest: Digest | None = Field(default=None, description="Which version of the document was planned.")
    outcome: Literal["goes", "halts", "unknown"] = Field(
        description="Whether a run would go; `unknown` where it could not be looked at."
    )
    drift: tuple[TableDrift, ...] = Field(
        default=(),
        max_length=MAX_DRIFT,
        description="What has changed in the source's tables since the last run, to see what came.",
    )
    refused: Refused | None = Field(default=None, description="Why a run would not go, where it would not.")
    uncovered: tuple[UncoveredColumn, ...] = Field(
        default=(),
        max_length=MAX_UNCOVERED,
        description="Columns that nothing covers. Only with `share_catalog: names`.",
    )
    uncovered_total: Count = Field(default=0, description="How many nothing covers.")
