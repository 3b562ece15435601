"""Say which columns of a database hold personal data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.terminal.completion import connection_names

app = typer.Typer()


@app.command()
def scan(  # noqa: PLR0917 - as typer has it
    connection: Annotated[
        str, typer.Argument(help="The connection to look at.", autocompletion=connection_names)
    ],
    tables: Annotated[
        list[str] | None,
        typer.Option("--tables", help="Only these.", metavar="SCHEMA.TABLE"),
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="Write a whole workflow for it to this new file.", metavar="FILE")
    ] = None,
    connections: Annotated[
        Path | None, typer.Option(help="connections.yaml; else the appliance's own.", metavar="FILE")
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(help="Where the last result is kept, to show what is new since then.", metavar="DIR"),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, max=100_000, help="Rows to look at in a table.")] = 500,
    seed: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, help="The same seed looks at the same rows.")
    ] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say which columns of a database hold personal data, and why.

    No value leaves the server, and nothing is written to it.

    The source counts in its own SQL, in a read-only session. The exit status is 1 only if no table could be
    looked at.
    """
    from appliance.cli.work.workflows.local import interruptible  # noqa: PLC0415 - help does without
    from appliance.cli.work.workflows.scanning import ScanRequest, run_scan  # noqa: PLC0415

    request = ScanRequest(connection, tuple(tables or ()), connections, state, rows, seed)
    with interruptible("The scan"):
        run_scan(request, write=write, as_json=as_json)
