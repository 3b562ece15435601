"""Look at a twin, swap in a finished one, or go back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.terminal.completion import connection_names

app = typer.Typer(no_args_is_help=True)

Connection = Annotated[
    str, typer.Argument(help="The connection whose database is the twin.", autocompletion=connection_names)
]
ConnectionsFile = Annotated[
    Path | None, typer.Option("--connections", help="Connections file (default: the appliance's own).")
]
Grace = Annotated[
    float, typer.Option("--grace", min=0, help="Seconds that sessions in the twin get to end by themselves.")
]


@app.callback()
def _twin() -> None:
    """Look at a twin, swap in a finished one, or go back.

    Twins are the masked copies that stand on target servers.
    """


@app.command()
def show(
    connection: Connection,
    connections: ConnectionsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the databases of a twin, and which run made them."""
    from appliance.cli.terminal.output import print_json, print_table  # noqa: PLC0415 - help does without
    from appliance.cli.work.copies.twin_server import TwinServer  # noqa: PLC0415

    rows = TwinServer(connection, connections).databases()
    columns = ("database", "is", "workflow", "run", "since")
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, rows, empty="There is no twin yet.")


@app.command()
def publish(connection: Connection, connections: ConnectionsFile = None, grace: Grace = 30) -> None:
    """Swap in a verified twin. It is for one that could not be swapped in when its run ended."""
    from appliance.cli.work.copies.twin_server import TwinServer  # noqa: PLC0415

    for line in TwinServer(connection, connections).publish(grace):
        typer.echo(line)


@app.command()
def rollback(connection: Connection, connections: ConnectionsFile = None, grace: Grace = 30) -> None:
    """Put the former twin in the twin's place. Doing it again goes forward again."""
    from appliance.cli.work.copies.twin_server import TwinServer  # noqa: PLC0415

    typer.echo(TwinServer(connection, connections).roll_back(grace))
