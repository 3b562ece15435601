"""List every copy that was ever made, and end those whose time is over."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)

Connections = Annotated[
    Path | None, typer.Option("--connections", metavar="FILE", help="Instead of the appliance's.")
]
State = Annotated[
    Path | None, typer.Option("--state", metavar="DIR", help="Where runs are (default: the appliance's).")
]
ExportsDir = Annotated[Path | None, typer.Option("--exports-dir", metavar="DIR", help="Where files are.")]


@app.callback()
def _copies() -> None:
    """Every copy that this appliance ever made, and whether it is still there."""


@app.command("list")
def list_(
    connections: Connections = None,
    state: State = None,
    exports_dir: ExportsDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List them, the oldest first. Servers are asked whether a twin is still there."""
    from appliance.cli.terminal.output import print_json, print_table  # noqa: PLC0415 - help is instant
    from appliance.cli.work.copies.copies import found_copies  # noqa: PLC0415

    found = found_copies(connections, state, exports_dir)
    if as_json:
        print_json(
            [
                {
                    **each.copy.model_dump(mode="json", exclude={"event"}),
                    "standing": each.standing,
                    "why": each.ended.why if each.ended else each.why,
                    "ended_at": each.ended.ended_at.isoformat() if each.ended else None,
                }
                for each in found
            ]
        )
        return
    rows = [
        (
            f"{each.copy.kind} {each.copy.place}",
            each.copy.run,
            each.copy.source,
            f"{each.copy.made_at:%Y-%m-%d %H:%M}",
            each.copy.asked_by,
            f"{each.copy.expires_at:%Y-%m-%d}" if each.copy.expires_at else "never",
            each.standing if not each.why else f"{each.standing}: {each.why}",
        )
        for each in found
    ]
    columns = ("copy", "run", "of", "made", "asked by", "ends", "now")
    print_table(columns, rows, empty="No copy was made since this ledger is kept.")


@app.command()
def expire(connections: Connections = None, state: State = None, exports_dir: ExportsDir = None) -> None:
    """Remove every copy whose time is over, as the timer does every hour."""
    from appliance.cli.work.copies.copies import expire_copies  # noqa: PLC0415

    raise typer.Exit(expire_copies(connections, state, exports_dir))


@app.command()
def gone(
    place: Annotated[str, typer.Argument(metavar="PLACE", help="PERSON/WORKFLOW/RUN, as the list has it.")],
    why: Annotated[str, typer.Option(help="Who said so, and when.", metavar="TEXT")],
    state: State = None,
) -> None:
    """Note that a copy which a person fetched was deleted there, by that person's word."""
    from appliance.cli.work.copies.copies import note_gone  # noqa: PLC0415

    note_gone(place, why, state)
    typer.echo(f"{place}: noted as gone.")
