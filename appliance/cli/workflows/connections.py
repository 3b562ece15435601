"""Write the file of connections, and check what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.terminal.completion import connection_names
from appliance.cli.work.workflows.run_options import QuietOption

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _connections() -> None:
    """Addresses and credentials of databases and buckets, known on this machine only."""


@app.command()
def schema() -> None:
    """Print the JSON Schema of connections.yaml. Editors check the file by it."""
    from appliance.connections.schema import connections_schema  # noqa: PLC0415 - help does without
    from appliance.documents.json_schema import printed  # noqa: PLC0415

    typer.echo(printed(connections_schema()), nl=False)


@app.command()
def template(
    files: Annotated[list[Path], typer.Argument(help="Workflow files.", metavar="WORKFLOW…")],
) -> None:
    """Print a connections.yaml to fill in. It has a changeme for each value that the workflows need."""
    from appliance.cli.work.workflows.connections_template import connections_template  # noqa: PLC0415 - help does without
    from appliance.settings.settings import load_settings  # noqa: PLC0415
    from appliance.workflow.loading import load_workflow  # noqa: PLC0415

    config_dir = load_settings().config_dir
    typer.echo(connections_template(load_workflow(file, config_dir).workflow for file in files), nl=False)


@app.command()
def check(  # noqa: PLR0917 - as typer has it
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Only these.", metavar="NAME…", autocompletion=connection_names),
    ] = None,
    connections: Annotated[
        Path | None, typer.Option(help="connections.yaml; else the appliance's own.", metavar="FILE")
    ] = None,
    workflow: Annotated[
        list[Path] | None,
        typer.Option(help="A workflow to check them for; else all of the appliance's.", metavar="FILE"),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(help="policy.yaml; else the appliance's own, if it has one.", metavar="FILE"),
    ] = None,
    quiet: QuietOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Try each connection, and say what is missing.

    What to grant is printed as SQL to paste.

    Address, port, TLS, login, poolers, version, clock, privileges for what the workflows read and replace and
    none beyond, sessions, a standby's lag, extensions, space. Nothing is written to a database. In a
    bucket, a small object is put below each workflow's prefix, read and deleted. The exit status is 1 if a
    check fails; warnings are none.
    """
    from appliance.cli.work.workflows.connections_check import (  # noqa: PLC0415
        check_all,
        known_workflows,
        print_reports,
    )
    from appliance.connections.file import load_connections  # noqa: PLC0415
    from appliance.errors import ExitCode  # noqa: PLC0415
    from appliance.policy.policy import read_policy  # noqa: PLC0415
    from appliance.settings.settings import load_settings  # noqa: PLC0415
    from appliance.system.findings import failed  # noqa: PLC0415

    settings = load_settings()
    known = load_connections(connections or settings.connections_file)
    rules = read_policy(settings, policy)
    reports = check_all(known, known_workflows(settings, workflow or ()), rules, names or ())
    print_reports(reports, as_json=as_json, quiet=quiet)
    if any(failed(report.findings) for report in reports):
        raise typer.Exit(ExitCode.WORK_FAILED)
