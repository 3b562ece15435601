"""When a workflow is checked for drift: by its own word and the owner's. Pure."""

from __future__ import annotations

from collections.abc import Collection

from appliance.policy.refusal import Origin
from appliance.workflow.document_types import NEVER


def drift_times(
    wanted: str | None, origin: Origin, *, by_policy: str | None, own: Collection[Origin]
) -> tuple[str, ...]:
    """Five cron fields each; none where it is not checked.

    ``wanted`` is the workflow's own word, which takes the place of policy's where ``own`` has its origin.
    Where it has not, the owner's time holds beside it: a time of its own could be one in four years.
    """
    its = () if wanted in (None, NEVER) else (wanted,)
    if by_policy is None:
        return its
    chosen = its if wanted is not None and origin in own else (*its, by_policy)
    return tuple(dict.fromkeys(chosen))
