"""What has changed in a source since the last run, as far as it goes to the dashboard."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from appliance.contract.fields import Count, ObjectName, WireModel

MAX_DRIFT = 200
"""Changes in one event."""


class TableDrift(WireModel):
    """What has changed in one table of the source since the last run, in numbers."""

    table: ObjectName = Field(description="The table's name, to know where to look.")
    change: Literal[
        "table_added", "table_gone", "columns_added", "columns_gone", "types_changed", "constraints"
    ] = Field(description="What kind of change it is.")
    count: Count = Field(default=1, description="How many columns or constraints it is about.")
    outcome: Literal["masked", "kept", "unlisted", "halted", "computed", "not selected", "gone"] = Field(
        description="What the workflow decided of them."
    )
