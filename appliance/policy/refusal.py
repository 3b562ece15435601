"""What policy says no to, in the words that all who ask it share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Origin = Literal["local", "cloud"]
"""Where a workflow or a command came from: a file on this machine, or the dashboard."""


@dataclass(frozen=True)
class Refusal:
    """What policy says no to; ``rule`` is the key of policy.yaml that says it."""

    rule: str
    what: str
