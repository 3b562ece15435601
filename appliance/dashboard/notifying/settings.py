"""The file that ``DASHBOARD_NOTIFY`` names: who is notified of what goes wrong in the fleet."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, model_validator

from appliance.documents.model import StrictModel, validate
from appliance.documents.strict_yaml import read
from appliance.settings.notify import Address, check_names

FleetNoticeKind = Literal[
    "run_failed",
    "run_halted",
    "run_would_halt",
    "twin_stale",
    "update_refused",
    "update_failed",
    "appliance_offline",
    "appliance_unhealthy",
]
"""What is notified. That it is over is said by the same kind."""


class FleetAddress(Address):
    """One address, and what it is notified of."""

    events: tuple[FleetNoticeKind, ...] = Field(
        default=get_args(FleetNoticeKind),
        description="What it is notified of.",
        examples=[["run_failed", "appliance_offline"]],
    )


class FleetNotifySettings(StrictModel):
    """Who is notified of what goes wrong in the fleet."""

    addresses: tuple[FleetAddress, ...] = Field(
        min_length=1,
        description="Whom to notify, and of what.",
        examples=[[{"name": "on-call", "by": "ntfy", "url": "https://ntfy.example.com/fleet"}]],
    )
    stale_after_h: int | None = Field(
        default=26,
        ge=1,
        le=8_784,
        description="Hours without a success after which a scheduled workflow is named; null for never.",
        examples=[26],
    )
    offline_after_min: int = Field(
        default=10,
        ge=1,
        le=10_080,
        description="Minutes without a word after which an appliance is named.",
        examples=[10],
    )
    repeat_h: int = Field(
        default=24, ge=1, le=8_784, description="Hours after which what goes on is said again.", examples=[24]
    )

    @model_validator(mode="after")
    def _names_are_different(self) -> FleetNotifySettings:
        check_names(self.addresses)
        return self


def read_notify(path: Path) -> FleetNotifySettings:
    """The file's settings. Raises WrongDocumentError with line, key path and what was expected."""
    return validate(FleetNotifySettings, read(path))
