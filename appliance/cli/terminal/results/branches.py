"""Branches, for eyes and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import typer

from appliance.branches.branch import Branch
from appliance.branches.server import Made
from appliance.branches.template import IN_WORDS
from appliance.cli.terminal.output import print_table
from appliance.system.disk import readable

_COLUMNS = ("branch", "database", "run", "copy of", "for", "size", "ends")


def print_branches(branches: Sequence[Branch]) -> None:
    """One a line."""
    rows = [
        (
            each.marker.name,
            each.database.name,
            each.marker.run,
            each.marker.copy_of,
            each.marker.role or "",
            readable(each.bytes),
            _time(each.marker.ends_at),
        )
        for each in branches
    ]
    print_table(_COLUMNS, rows, empty="There are no branches.")


def print_made(made: Made) -> None:
    """What was made, how, and what comes next."""
    branch = made.branch
    marker = branch.marker
    for note in made.notes:
        typer.echo(note)
    way = "its files are clones" if made.method == "clone" else "its files are copies"
    typer.echo(
        f"'{branch.database.name}' is a copy of {IN_WORDS[marker.copy_of]}, of the run {marker.run}"
        f" ({readable(branch.bytes)} in {made.seconds:.1f} s: {way})."
    )
    typer.echo(f"It ends by itself {_time(marker.ends_at)} UTC.")
    typer.echo(f"Next: appliance branch connect {marker.workflow} '{marker.name}'")


def made_json(made: Made) -> dict[str, object]:
    """As ``branches_json`` has it, and how it was made."""
    return {
        **_json(made.branch),
        "method": made.method,
        "seconds": round(made.seconds, 3),
        "notes": list(made.notes),
    }


def branches_json(branches: Sequence[Branch]) -> list[dict[str, object]]:
    """All that is known of each."""
    return [_json(each) for each in branches]


def _json(branch: Branch) -> dict[str, object]:
    marker = branch.marker.model_dump(mode="json", exclude={"appliance"})
    return {**marker, "database": branch.database.name, "bytes": branch.bytes}


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
