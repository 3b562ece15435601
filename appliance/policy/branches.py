"""What the owner allows of branches: how many, how large together, how long, and from where."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from appliance.documents.model import StrictModel
from appliance.policy.refusal import Refusal

GB = 10**9


class BranchPolicy(StrictModel):
    """Branches of twins, on each target server."""

    max: int = Field(
        default=20, strict=True, ge=0, le=1000, description="Branches on a target server.", examples=[20]
    )
    ttl_days: int = Field(
        default=7,
        strict=True,
        ge=1,
        le=365,
        description="Days that a branch may stand at most.",
        examples=[7],
    )
    by: tuple[Literal["local"], ...] = Field(
        default=("local",),
        description="From where they may be made: local is this machine; an empty list allows none.",
        examples=[["local"]],
    )
    max_gb: int | None = Field(
        default=None,
        strict=True,
        ge=1,
        description="GB that all branches of a server may take together, as the server counts them.",
        examples=[200],
    )

    @property
    def longest(self) -> timedelta:
        """How long a branch may stand."""
        return timedelta(days=self.ttl_days)


def check_branch(
    policy: BranchPolicy,
    *,
    ttl: timedelta,
    there: int,
    there_bytes: int,
    new_bytes: int,
) -> tuple[Refusal, ...]:
    """Every reason why a branch may not be made beside ``there`` others of ``there_bytes`` together."""
    refusals = list(check_asking(policy))
    if ttl > policy.longest:
        refusals.append(Refusal("branches.ttl_days", f"A branch may stand {policy.ttl_days} days at most."))
    if there >= policy.max:
        what = f"There are {there} branches on that server, and {policy.max} are allowed."
        refusals.append(Refusal("branches.max", what))
    if policy.max_gb is not None and there_bytes + new_bytes > policy.max_gb * GB:
        what = (
            f"The branches on that server take {there_bytes / GB:.2f} GB, this one {new_bytes / GB:.2f}, and"
            f" {policy.max_gb} GB are allowed."
        )
        refusals.append(Refusal("branches.max_gb", what))
    return tuple(refusals)


def check_asking(policy: BranchPolicy) -> tuple[Refusal, ...]:
    """Whether branches may be made, reset and dropped at all."""
    if "local" in policy.by:
        return ()
    return (Refusal("branches.by", "Branches may not be made or changed here."),)
