"""Whether one release can be moved to from another, and what a way down would lose: of two manifests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from appliance.documents.names import release_order
from appliance.errors import RefusedError
from appliance.releases.way_down.kept_aside import KEPT_MAX
from appliance.releases.way_down.schemas import Moves, Schemas

RULE = "releases.down"
"""What a refusal names that the dashboard hears of: no key of policy.yaml, since none allows it."""


@dataclass(frozen=True)
class Side:
    """A release, and what its manifest says; None for what one from before there was that does not."""

    version: str
    schemas: Schemas | None
    moves: Moves | None


def is_down(here: Side, there: Side) -> bool:
    """Whether it is an older release."""
    return release_order(there.version) < release_order(here.version)


def check_move(here: Side, there: Side) -> None:
    """Raise RefusedError where the manifest of the newer of the two does not name the older one."""
    if is_down(here, there):
        _check_down(here, there)
    elif there.moves and release_order(here.version) < release_order(there.moves.up_from):
        oldest = there.moves.up_from
        raise RefusedError(
            f"{there.version} cannot be moved to from {here.version}.",
            f"Its manifest names {oldest} as the oldest release to come from.",
            f"sudo appliance release apply {oldest}, then {there.version}",
            rule="releases.up_from",
        )


def _check_down(here: Side, there: Side) -> None:
    oldest = here.moves.down_to if here.moves else None
    if oldest is not None and release_order(there.version) < release_order(oldest):
        raise RefusedError(
            f"{here.version} does not go down to {there.version}.",
            f"Its manifest names {oldest} as the oldest release that can read what it has written.",
            f"sudo appliance release apply {oldest}",
            rule=RULE,
        )
    if here.schemas is None or there.schemas is None or not metadata_schema_to_reach(here, there):
        return
    if there.schemas.metadata not in here.schemas.metadata_down_to:
        raise RefusedError(
            f"{here.version} does not go down to {there.version}.",
            f"Its Airflow {here.schemas.airflow} cannot turn its metadata into that of"
            f" {there.schemas.airflow}, which {there.version} has.",
            "appliance release list shows others; sudo appliance backup restore brings an older state back.",
            rule=RULE,
        )


def metadata_schema_to_reach(here: Side, there: Side) -> str:
    """What Airflow's metadata has to be turned into before the older release starts; empty where it stays."""
    if not is_down(here, there) or here.schemas is None or there.schemas is None:
        return ""
    return there.schemas.metadata if there.schemas.metadata != here.schemas.metadata else ""


def losses(here: Side, there: Side) -> tuple[str, ...]:
    """What a way down would lose, for the person who decides; empty where no schema of Airflow is crossed."""
    if not is_down(here, there) or here.schemas is None:
        return ()
    if there.schemas is None:
        return (
            f"{there.version} does not say which schemas it works on, so what it makes of what {here.version}"
            " has written is only known once it runs. If it does not prove to work, the move is undone.",
        )
    if not metadata_schema_to_reach(here, there):
        return ()
    newer, older = here.schemas.airflow, there.schemas.airflow
    return (
        f"Airflow goes from {newer} back to {older}, and loses what only {newer} records of a run."
        " Its history stays, and a run that is stopped for the move is taken up again.",
    )


def check_accepted(here: Side, there: Side, *, accepted: bool) -> None:
    """Raise RefusedError where something would be lost that no person has agreed to lose."""
    lost = losses(here, there)
    if lost and not accepted:
        raise RefusedError(
            f"Going down from {here.version} to {there.version} is for a person at the machine to decide.",
            " ".join(lost),
            f"sudo appliance release apply {there.version}",
            rule=RULE,
        )


def kept_in(folder: Path) -> str:
    """Where what is lost can be looked at afterwards."""
    return (
        f"What Airflow has recorded until then is kept as SQL in {folder}, for root alone; the last"
        f" {KEPT_MAX} such copies are."
    )


def what_stays(here: Side, there: Side) -> str:
    """What no way down touches."""
    stays = (
        "Documents, keys, receipts, exports, twins, events to be sent and the appliance's own record stay."
    )
    if here.schemas is None or there.schemas is None or here.schemas.store == there.schemas.store:
        return stays
    return (
        f"{stays} That record has the schema {here.schemas.store}, which {there.version} works on, and shows"
        f" as much of as its own, {there.schemas.store}, has."
    )
