"""The labels of step containers, by which an attempt, the reaper and a person find them."""

from __future__ import annotations

INSTANCE = "appliance.instance"
"""Which appliance made it, where several share an engine."""
RUN = "appliance.run"
"""The run's id. Every step container has it, and no other container."""
WORKFLOW = "appliance.workflow"
STEP = "appliance.step"
PART = "appliance.part"
"""The shard or delivery; empty where the step has one part only."""
ATTEMPT = "appliance.try"

OWN_NETWORKS = "apl-"
"""How bridges of networks begin that the customer's own containers stand in: the firewall goes by it."""


def labelled(label: str, value: str) -> str:
    """The engine's filter for containers whose label has that value."""
    return f"{label}={value}"


def shown(label: str) -> str:
    """The label's value in a ``--format`` of Docker's command line."""
    return f'{{{{.Label "{label}"}}}}'
