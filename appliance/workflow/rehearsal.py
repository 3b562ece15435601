"""What a rehearsal of a migration on this workflow's twin may do, and what is too much."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from appliance.documents.model import StrictModel
from appliance.documents.named_types import ConnectionName


class RehearsalLimits(StrictModel):
    """Thresholds: what is above one ends `appliance rehearse` with exit code 3."""

    max_blocked_ms: int | None = Field(
        default=None,
        strict=True,
        ge=1,
        le=86_400_000,
        description="The longest that readers or writers of any table may be kept waiting, in milliseconds.",
        examples=[2000],
    )
    max_minutes: int = Field(
        default=30,
        strict=True,
        ge=1,
        le=1_440,
        description="Minutes after which the migration is ended; its way back has as many of its own.",
        examples=[30],
    )
    forbid: tuple[Literal["rewrite", "invalid", "lint"], ...] = Field(
        default=(),
        description=(
            "What must not happen: rewrite, a table is written anew; invalid, an index or constraint is left"
            " invalid at the end; lint, the linter has a finding."
        ),
        examples=[["rewrite"]],
    )
    connection: ConnectionName | None = Field(
        default=None,
        description=(
            "The connection as whose role the migration runs, on the twin's server; everything in the branch"
            " is made its own. The twin's role must be a member of it. Left out, the migration runs as the"
            " twin's role. A container needs one."
        ),
        examples=["staging-migrator"],
    )
