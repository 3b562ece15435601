"""Which workflows would build their twins on the same connection, and so replace each other's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from appliance.workflow.document import Workflow


@dataclass(frozen=True)
class TwinClaim:
    """The connections that a workflow's twins are built on."""

    workflow: str
    connections: tuple[str, ...]
    replaces: str | None = None

    @classmethod
    def of(cls, workflow: Workflow) -> TwinClaim:
        """What a document claims."""
        return cls(workflow.id, tuple(twin.connection for twin in workflow.twins.values()), workflow.replaces)

    @classmethod
    def of_stored(cls, document: Mapping[str, Any]) -> TwinClaim:
        """What a stored document claims, also where this release would not take it any more."""
        entries = [each for each in document.get("deliver") or () if isinstance(each, Mapping)]
        twins = [twin for each in entries if isinstance(twin := each.get("twin"), Mapping)]
        names = tuple(str(twin["connection"]) for twin in twins if "connection" in twin)
        replaces = document.get("replaces")
        return cls(str(document.get("id", "")), names, None if replaces is None else str(replaces))

    def settled_with(self, other: TwinClaim) -> bool:
        """Whether it is said which of the two takes the other's place."""
        return self.replaces == other.workflow or other.replaces == self.workflow


@dataclass(frozen=True)
class SharedTwin:
    """A connection that another workflow builds its twin on, too."""

    connection: str
    owner: str

    @property
    def what(self) -> str:
        """For people."""
        return f"The workflow '{self.owner}' delivers its twin to `{self.connection}`, too."

    @property
    def fix(self) -> str:
        """What to write, where that is meant."""
        return f"deliver to another connection, or write `replaces: {self.owner}` to take over its twin"


def shared_twins(claim: TwinClaim, others: Iterable[TwinClaim]) -> list[SharedTwin]:
    """The twins that a workflow would share with others of the same appliance, where nothing settles it."""
    return [
        SharedTwin(connection, other.workflow)
        for other in others
        if other.workflow != claim.workflow and not claim.settled_with(other)
        for connection in claim.connections
        if connection in other.connections
    ]
