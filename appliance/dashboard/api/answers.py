"""What the management calls answer: one model each. What the store has, they answer as its own rows."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """A key that is not declared here is a fault of ours, and found by the tests of every call."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Enrolment(Answer):
    """What the customer needs; the token is shown this once and is good for a day."""

    appliance_id: str
    enrolment_token: str
    install_command: str
    enrol_command: str


class TagsShown(Answer):
    """The tags of an appliance or a workflow."""

    tags: list[str]


class OutcomeRow(Answer):
    """What became of a change for one of several; ``problem`` is null where it is done."""

    id: str
    name: str
    problem: str | None


class ConnectionsTemplate(Answer):
    """The text of a connections.yaml to fill in."""

    yaml: str
