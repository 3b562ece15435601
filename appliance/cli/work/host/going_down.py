"""What ``appliance release`` says and asks before a way down that loses something."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from appliance.errors import RefusedError
from appliance.releases.bundles import side
from appliance.releases.installed import CURRENT, linked
from appliance.releases.lock import STATE
from appliance.releases.under_way import is_overtaken, read_update
from appliance.releases.way_down import kept_aside
from appliance.releases.way_down.moves import (
    RULE,
    Side,
    check_move,
    kept_in,
    losses,
    metadata_schema_to_reach,
    what_stays,
)


def agreed(root: Path, version: str, *, yes: bool) -> bool:
    """Whether a person agrees to lose what this move loses; False where it loses nothing.

    Raises RefusedError where it is not possible, or there is no terminal to ask on, and typer.Abort for a no.
    """
    here, there = side(root, linked(root, CURRENT) or ""), side(root, version)
    stays = what_stays(here, there)
    kept = kept_in(root / STATE / kept_aside.FOLDER)
    if _is_way_back(root, version):
        if since := _since_the_move(here, there):
            _ask(version, (since, kept, stays), yes=yes)
        # The updater, which is of the release that is gone back to, goes back at once and does not ask.
        return False
    check_move(here, there)
    lost = losses(here, there)
    if lost:
        keeps = (kept,) if metadata_schema_to_reach(here, there) else ()
        _ask(version, (*lost, *keeps, stays), yes=yes)
    return bool(lost)


def _is_way_back(root: Path, version: str) -> bool:
    """Whether the release that runs is in its grace period, and that one was left for it."""
    update = read_update(root / STATE)
    return (
        update is not None
        and update.state == "watching"
        and update.former == version
        and not is_overtaken(root, update)
    )


def _since_the_move(here: Side, there: Side) -> str:
    if here.schemas is None or there.schemas is None or here.schemas.metadata == there.schemas.metadata:
        return ""
    return (
        f"Airflow's own record goes back to what it was before the move to {here.version}: what it has"
        " recorded since goes, and a run that is under way fails. The appliance's own record of runs stays."
    )


def _ask(version: str, said: tuple[str, ...], *, yes: bool) -> None:
    """Show what it is about, and ask. Raises RefusedError without a terminal, typer.Abort for a no."""
    if not yes and not sys.stdin.isatty():
        raise RefusedError(
            f"Going down to {version} loses something, and no terminal is there to ask on.",
            " ".join(said),
            "The same command with --yes.",
            rule=RULE,
        )
    for line in said:
        typer.echo(line)
    if not yes:
        typer.confirm(f"Go down to {version}?", abort=True)
