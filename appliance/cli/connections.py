"""Write the connections file that workflows need."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _connections() -> None:
    """Databases' addresses and credentials, known on this machine only."""


@app.command()
def template(
    files: Annotated[list[Path], typer.Argument(help="Workflow files.", metavar="WORKFLOW…")],
) -> None:
    """Print a connections.yaml with a changeme for each value that the workflows' connections need."""
    from appliance.cli._connections_template import connections_template  # noqa: PLC0415 - help does without
    from appliance.workflow.loading import load_workflow  # noqa: PLC0415

    typer.echo(connections_template(load_workflow(file).workflow for file in files), nl=False)
