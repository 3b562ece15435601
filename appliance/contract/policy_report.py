"""What of its owner's policy an appliance reports."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from appliance.contract.fields import (
    ConnectionName,
    Count,
    Label,
    ObjectName,
    UpdateWindow,
    VersionName,
    WireModel,
)

MAX_POLICY_NAMES = 100


class PolicyReport(WireModel):
    """What of the customer's own policy the dashboard must know, to offer only what will be taken."""

    workflows_from_cloud: bool = Field(description="Whether workflows are taken from the dashboard at all.")
    sql_from_cloud: bool = Field(
        default=False, description="Whether a workflow from the dashboard may hold SQL."
    )
    share_catalog: Literal["names", "none"] = Field(
        default="none", description="Whether names, types and findings of columns are reported."
    )
    read: tuple[ConnectionName, ...] | None = Field(
        default=None,
        max_length=MAX_POLICY_NAMES,
        description="Connections that workflows from the dashboard may read, by name, to say so to authors.",
    )
    write: tuple[ConnectionName, ...] | None = Field(
        default=None,
        max_length=MAX_POLICY_NAMES,
        description="Connections that they may deliver to, by name.",
    )
    files: bool | None = Field(default=None, description="Whether they may export files.")
    kept_looks_personal: Literal["warn", "halt"] | None = Field(
        default=None, description="What becomes of a run that keeps what looks personal."
    )
    max_parallel: Count | None = Field(default=None, description="The most parallel parts they may ask for.")
    snapshot_max_min: Count | None = Field(
        default=None, description="How many minutes they may hold a snapshot of the source."
    )
    min_interval_min: Count | None = Field(
        default=None, description="How many minutes lie at least between two of their runs."
    )
    always_mask: tuple[ObjectName, ...] | None = Field(
        default=None,
        max_length=MAX_POLICY_NAMES,
        description="Patterns of columns that must be masked; only where share_catalog allows names.",
    )
    never_copy: tuple[ObjectName, ...] | None = Field(
        default=None,
        max_length=MAX_POLICY_NAMES,
        description="Patterns of tables that may not be copied; only where share_catalog allows names.",
    )
    keep_from_cloud: tuple[ObjectName, ...] | None = Field(
        default=None,
        max_length=MAX_POLICY_NAMES,
        description="Patterns of columns that may be kept; only where share_catalog allows names.",
    )
    update_channel: Label | None = Field(default=None, description="Which releases the customer wants.")
    update_pin: VersionName | None = Field(default=None, description="The release the customer stays on.")
    update_window: UpdateWindow | None = Field(default=None, description="When updates may be made.")
