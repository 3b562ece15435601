"""What crosses to and from the dashboard about a test of a connection: names of checks, and how each went."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from appliance.contract.fields import ConnectionName, Identifier, WireModel

MAX_CHECKS = 20


class ConnectionTestCommand(WireModel):
    """Log in to a connection as runs do, and say whether that works. No table is read."""

    kind: Literal["test"] = "test"
    connection: ConnectionName


class ConnectionCheck(WireModel):
    """How one check went."""

    check: Annotated[str, Field(pattern=r"^[a-z][a-z ]{0,29}$", max_length=30)] = Field(
        description="Which check, as `appliance connections check` calls it."
    )
    state: Literal["ok", "warn", "fail"] = Field(description="How it went, to see what to mend.")


class ConnectionTested(WireModel):
    """Whether a connection works, which the dashboard has asked for. Names of checks, and no finding."""

    type: Literal["connection_tested"] = Field(default="connection_tested", description="The kind of event.")
    command_id: Identifier = Field(description="The dashboard's command.")
    connection: ConnectionName = Field(description="The connection that was tried, by name only.")
    works: bool = Field(
        description="Whether it could be logged in to, and nothing was found that stops a run."
    )
    checks: tuple[ConnectionCheck, ...] = Field(
        default=(), max_length=MAX_CHECKS, description="The checks, to see what to mend."
    )
    failure: Annotated[str, Field(pattern=r"^[A-Za-z0-9]+$", max_length=60)] | None = Field(
        default=None, description="The class of the failure: an SQLSTATE, or the name of an exception."
    )
