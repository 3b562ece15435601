"""What is asked of branches from elsewhere, apart from doing it: asking needs no server."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class BranchAsked(BaseModel):
    """One thing to do to the branches of a twin."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    act: Literal["list", "create", "reset", "extend", "drop"]
    name: str | None = None
    ttl: str | None = None
    connection: str
    """Of the twin."""
