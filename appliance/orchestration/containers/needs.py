"""Which connections a step is given, and whether it gets keys: what its work needs, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.steps.call import StepCall
    from appliance.workflow.document import Workflow

DISCARD = "discard"
"""The step that tidies up after a failed run; it is not shown among a run's steps."""

_READS_SOURCE = frozenset({"open_snapshot", "plan", "schema", "copy", "scan", "plan_only"})
_WRITES_TARGET = frozenset({"plan", "plan_only", "schema", "copy", "finish", "verify", "discard"})
# `verify` computes the evidence's keyed hashes of the twin's values as `copy` did of what the masks gave.
_NEEDS_KEY = frozenset({"copy", "verify"})


def connections_for(call: StepCall, workflow: Workflow) -> list[str]:
    """The names of the connections that a step may use. ``publish`` sees only the place it publishes to."""
    targets = workflow.built
    names = [workflow.source] if call.step in _READS_SOURCE else []
    if call.step in _WRITES_TARGET:
        names += targets.values()
    elif call.delivery is not None:
        names.append(targets[call.delivery])
    return names


def packs_parquet(call: StepCall, workflow: Workflow) -> bool:
    """Whether the step runs in the image that has the libraries for Parquet."""
    return call.exports and "parquet" in workflow.formats


def needs_key(step: str) -> bool:
    """Whether the step's sessions compute keyed values: it gets the keys that its plan asks for."""
    return step in _NEEDS_KEY
