"""Which connections a step is given, and whether it gets keys: what its work needs, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.steps.calling.call import StepCall
    from appliance.workflow.document import Workflow

DISCARD = "discard"
"""The step that tidies up after a failed run; it is not shown among a run's steps."""

CONTAINER = "container"
"""A container of the customer's own, which is a step of the run too."""

UPLOAD = "upload"
"""Delivers to one bucket, in the image that has the library for it."""

TRY_MIGRATION = "try_migration"
"""Rehearses a migration: as the twin's role, or as one of its own."""

_READS_SOURCE = frozenset({"open_snapshot", "plan", "schema", "copy", "scan", "plan_only", "try_connection"})
_WRITES_TARGET = frozenset({"plan", "plan_only", "schema", "copy", "finish", "verify", "attest", "discard"})
# `verify` computes the evidence's keyed hashes of the twin's values as `copy` did of what the masks gave.
# A plan looks at no row about an erased subject, which it knows by keyed digests.
_NEEDS_KEY = frozenset({"copy", "verify", "plan", "plan_only"})


def connections_for(call: StepCall, workflow: Workflow) -> list[str]:
    """The names of the connections that a step may use. ``publish`` sees only the place it publishes to."""
    targets = workflow.built
    names = [workflow.source] if call.step in _READS_SOURCE else []
    if call.step in _WRITES_TARGET:
        names += targets.values()
    elif call.step == CONTAINER:
        # The servers that it may reach, for the service that opens the way to them.
        names += [twin.connection for twin in workflow.twins.values()] if _reaches(call, workflow) else []
    elif call.step != UPLOAD and call.delivery is not None:
        names.append(targets[call.delivery])
        if call.step == TRY_MIGRATION and workflow.rehearsal.connection is not None:
            names.append(workflow.rehearsal.connection)
    return names


def buckets_for(call: StepCall, workflow: Workflow) -> list[str]:
    """The names of the buckets that a step may use: one, and only if it uploads."""
    return (
        [workflow.buckets[call.delivery].connection]
        if call.step == UPLOAD and call.delivery is not None
        else []
    )


def _reaches(call: StepCall, workflow: Workflow) -> bool:
    container = workflow.containers.get(call.delivery or 0)
    return container is not None and container.reaches_databases


def takes_files(step: str, workflow: Workflow) -> bool:
    """Whether the step is given the folder of files: it writes them, or uploads them."""
    return step in ("attest", UPLOAD) and bool(workflow.exported)


def needs_libraries(call: StepCall, workflow: Workflow) -> bool:
    """Whether the step runs in the image that has the libraries for Parquet and for buckets."""
    return call.step == UPLOAD or (call.exports and "parquet" in workflow.formats)


def needs_key(step: str) -> bool:
    """Whether the step's sessions compute keyed values: it gets those keys that this asks for."""
    return step in _NEEDS_KEY
