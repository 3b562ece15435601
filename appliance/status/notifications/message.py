"""One message, as every way carries it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import uuid4

from appliance.errors import Explanation
from appliance.status.notifications.ledger import Due


@dataclass(frozen=True)
class Message:
    """What is said. None of it holds a value of a row or a secret."""

    id: str
    """The same for every try."""
    kind: str
    state: Literal["firing", "resolved", "test"]
    title: str
    text: str
    next_step: str
    workflow: str | None
    appliance: str
    at: datetime

    @property
    def body(self) -> str:
        """For a person."""
        said = Explanation(self.text, next_step=self.next_step).text()
        return "\n".join(line for line in (said, f"Appliance: {self.appliance}") if line)

    def as_json(self) -> dict[str, str | None]:
        """For a program."""
        return {
            "id": self.id,
            "kind": self.kind,
            "state": self.state,
            "title": self.title,
            "text": self.text,
            "next": self.next_step,
            "workflow": self.workflow,
            "appliance": self.appliance,
            "at": self.at.isoformat(),
        }


def message_of(due: Due, sender: str, now: datetime) -> Message:
    """The message that is due; ``sender`` is the appliance that it is about where it names no other."""
    condition = due.condition
    return Message(
        id=due.entry.message_id,
        kind=due.entry.kind,
        state="resolved" if condition is None else "firing",
        title=due.entry.over if condition is None else condition.title,
        text="" if condition is None else condition.text,
        next_step="" if condition is None else condition.next_step,
        workflow=due.entry.workflow,
        appliance=due.entry.appliance or sender,
        at=now,
    )


def a_test(title: str, sender: str) -> Message:
    """A message that goes the way of a real one."""
    return Message(
        id=uuid4().hex,
        kind="test",
        state="test",
        title=title,
        text="It has arrived, so a failure would arrive too.",
        next_step="",
        workflow=None,
        appliance=sender,
        at=datetime.now(UTC),
    )
