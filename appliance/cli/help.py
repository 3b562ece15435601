"""Show the help of a command."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def help(  # noqa: A001 - the command is called so
    command: Annotated[
        list[str] | None, typer.Argument(help="The command's words; none for all.", metavar="COMMAND…")
    ] = None,
) -> None:
    """Show the help of a command. COMMAND --help shows the same."""
    from appliance.cli.main import app as whole  # noqa: PLC0415 - it imports this module

    whole([*(command or ()), "--help"], prog_name="appliance")
