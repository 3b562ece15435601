"""What may be asked of branches from elsewhere, done in one place; the answer says which there are then."""

from __future__ import annotations

from pydantic import BaseModel

from appliance.branches.asked import BranchAsked
from appliance.branches.branch import Branch, BranchMarker
from appliance.branches.lifetime import lifetime
from appliance.branches.server import Asked, BranchServer
from appliance.errors import WrongRequestError


class BranchFound(BaseModel):
    """One branch, as its comment has it."""

    database: str
    marker: BranchMarker
    bytes: int


class BranchNoted(BaseModel):
    """A branch that is about to be made, for the ledger of copies."""

    database: str
    marker: BranchMarker


class BranchesNoted(BaseModel):
    """All that a step was about to make."""

    branches: tuple[BranchNoted, ...] = ()


class BranchesFound(BaseModel):
    """The branches of a twin, by name."""

    connection: str
    branches: tuple[BranchFound, ...]


def perform(server: BranchServer, asked: BranchAsked) -> None:
    """Do it. Raises our errors; listing needs the right to ask, too."""
    ttl = lifetime(asked.ttl) if asked.ttl else None
    if asked.act == "list":
        server.may_ask()
        return
    if asked.name is None:
        raise WrongRequestError("No branch is named.", f"To {asked.act} one, its name is needed.")
    match asked.act:
        case "create":
            server.create(asked.name, Asked(ttl=ttl))
        case "reset":
            server.reset(asked.name, Asked(ttl=ttl))
        case "extend":
            server.extend(asked.name, ttl)
        case "drop":
            server.drop(asked.name)


def found(connection: str, branches: list[Branch]) -> BranchesFound:
    """What there is, as it is handed on; those half made are not shown."""
    whole = (each for each in branches if each.marker.state == "ready")
    return BranchesFound(
        connection=connection,
        branches=tuple(
            BranchFound(database=each.database.name, marker=each.marker, bytes=each.bytes) for each in whole
        ),
    )
