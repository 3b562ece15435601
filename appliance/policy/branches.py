"""What the owner allows of branches: how many, how large together, how long, and from where."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from appliance.documents.model import StrictModel
from appliance.policy.refusal import Origin, Refusal

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
    by: tuple[Literal["local", "cloud"], ...] = Field(
        default=("local",),
        description=(
            "From where they may be asked for: local is this machine, cloud the dashboard, which then sees"
            " which branches there are. An empty list allows none."
        ),
        examples=[["local", "cloud"]],
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
    origin: Origin = "local",
) -> tuple[Refusal, ...]:
    """Every reason why a branch may not be made beside ``there`` others of ``there_bytes`` together."""
    refusals = [*check_asking(policy, origin), *check_lifetime(policy, ttl)]
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


def check_lifetime(policy: BranchPolicy, ttl: timedelta) -> tuple[Refusal, ...]:
    """Whether a branch may stand that long."""
    if ttl <= policy.longest:
        return ()
    return (Refusal("branches.ttl_days", f"A branch may stand {policy.ttl_days} days at most."),)


def check_asking(policy: BranchPolicy, origin: Origin = "local") -> tuple[Refusal, ...]:
    """Whether branches may be made, reset and dropped at all by who asks."""
    if origin in policy.by:
        return ()
    where = "here" if origin == "local" else "by the dashboard"
    return (Refusal("branches.by", f"Branches may not be made or changed {where}."),)
