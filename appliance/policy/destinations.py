"""Where files may go: the exports folder of this appliance, and buckets, each by name."""

from __future__ import annotations

from collections.abc import Collection

from appliance.policy.containers import EXPORTS
from appliance.policy.refusal import Refusal
from appliance.workflow.document import Workflow


def check_files(destinations: Collection[str], workflow: Workflow) -> list[Refusal]:
    """Files are outside every database's own access control, so they need a word of the owner's."""
    refusals = []
    if workflow.files and EXPORTS not in destinations:
        what = f"Files may not be exported here: destinations does not name `{EXPORTS}`."
        refusals.append(Refusal("destinations", what))
    for name in dict.fromkeys(bucket.connection for bucket in workflow.buckets.values()):
        if name == EXPORTS:
            what = f"A bucket may not be called `{EXPORTS}`, which is the exports folder in destinations."
            refusals.append(Refusal("destinations", what))
        elif name not in destinations:
            what = f"Nothing may be delivered to the bucket `{name}`: destinations does not name it."
            refusals.append(Refusal("destinations", what))
    return refusals
