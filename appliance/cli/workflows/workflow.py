"""Write, check, list, approve, start and cancel workflows."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.work.workflows import workflow_runs
from appliance.cli.work.workflows.run_options import QuietOption
from appliance.errors import ExitCode


class Tool(StrEnum):
    """Whose rules can be read."""

    GREENMASK = "greenmask"
    ANON = "anon"
    PGSTREAM = "pgstream"
    REPLIBYTE = "replibyte"
    NEOSYNC = "neosync"


app = typer.Typer(no_args_is_help=True)
app.add_typer(workflow_runs.commands)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a workflow. Editors check the file by it."""
    from appliance.documents.json_schema import printed  # noqa: PLC0415 - help does without
    from appliance.masking.registry import MASKS, parameter_models  # noqa: PLC0415
    from appliance.workflow.schema import workflow_schema  # noqa: PLC0415

    summaries = {name: mask.summary for name, mask in MASKS.items()}
    typer.echo(printed(workflow_schema(parameter_models(), summaries)), nl=False)


@app.command()
def validate(
    files: Annotated[
        list[Path], typer.Argument(help="Workflow files; - reads standard input.", metavar="FILE…")
    ],
    quiet: QuietOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Say everything that is wrong with workflow files.

    No database is asked.

    Whether patterns match tables and masks fit their columns is decided when a run is planned: only the
    source knows its columns.
    """
    from appliance.cli.work.workflows.validate import validate_files  # noqa: PLC0415 - help does without
    from appliance.documents.problems import WrongDocumentError  # noqa: PLC0415

    outcomes = validate_files(files)
    wrong = any(outcome.problems for outcome in outcomes)
    if as_json:
        found = {"valid": not wrong, "files": [outcome.as_json() for outcome in outcomes]}
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        for outcome in outcomes:
            if outcome.problems:
                typer.echo(WrongDocumentError(outcome.problems).text(), err=True)
            elif not quiet:
                typer.echo(f"{outcome.file}: {outcome.id} is valid")
    if wrong:
        raise typer.Exit(ExitCode.REQUEST_WRONG)


@app.command()
def new(
    source: Annotated[str, typer.Option("--from", help="The connection to look at.", metavar="CONNECTION")],
    file: Annotated[Path, typer.Argument(help="The new file.", metavar="FILE")],
    connections: Annotated[
        Path | None, typer.Option(help="connections.yaml; else the appliance's own.", metavar="FILE")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="Where the scan's result is kept.", metavar="DIR")
    ] = None,
) -> None:
    """Write a whole workflow for a database, from a scan of it.

    It is the same as: appliance scan CONNECTION --write FILE
    """
    from appliance.cli.work.workflows.local import interruptible  # noqa: PLC0415 - help does without
    from appliance.cli.work.workflows.scanning import ScanRequest, run_scan  # noqa: PLC0415

    with interruptible("The scan"):
        run_scan(ScanRequest(source, (), connections, state), write=file, as_json=False)


@app.command("import")
def import_(  # noqa: PLR0917 - as typer has it
    tool: Annotated[Tool, typer.Argument(help="Whose rules they are.")],
    given: Annotated[
        str, typer.Argument(help="The file with them; for anon a connection too.", metavar="FILE|CONNECTION")
    ],
    source: Annotated[
        str | None,
        typer.Option(
            help="The connection that the workflow reads. Default: production.", metavar="CONNECTION"
        ),
    ] = None,
    target: Annotated[
        str, typer.Option(help="The connection that gets the twin.", metavar="CONNECTION")
    ] = "staging",
    write: Annotated[
        Path | None, typer.Option(help="Write the workflow to this new file.", metavar="FILE")
    ] = None,
    connections: Annotated[
        Path | None, typer.Option(help="connections.yaml; else the appliance's own.", metavar="FILE")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what became of each rule as JSON.")] = False,
) -> None:
    """Write a workflow from the rules of another tool.

    What has no equal here is listed, and its column is left to decide: a plan refuses it until a line does.

    Of a connection only the security labels are read, in a read-only session.
    """
    from appliance.cli.terminal.output import print_json  # noqa: PLC0415 - help does without
    from appliance.cli.work.workflows.importing import (  # noqa: PLC0415
        ImportRequest,
        import_rules,
        write_new,
    )

    outcome = import_rules(ImportRequest(tool.value, given, source, target, connections))
    if write is not None:
        write_new(write, outcome.text)
    if as_json:
        print_json(outcome.as_json())
    elif write is None:
        typer.echo(outcome.text, nl=False)
    for line in outcome.lines(write):
        typer.echo(line, err=True)


@app.command()
def columns(  # noqa: PLR0917 - as typer has it
    file: Annotated[Path, typer.Argument(help="The workflow.", metavar="FILE")],
    undecided: Annotated[bool, typer.Option("--undecided", help="Only those that nothing covers.")] = False,
    personal: Annotated[
        bool, typer.Option("--personal", help="Only those that the scan finds personal.")
    ] = False,
    scan: Annotated[
        str | None,
        typer.Option(help="Scan this connection now, and keep the result.", metavar="CONNECTION"),
    ] = None,
    connections: Annotated[
        Path | None, typer.Option(help="connections.yaml; else the appliance's own.", metavar="FILE")
    ] = None,
    state: Annotated[Path | None, typer.Option(help="Where scans' results are kept.", metavar="DIR")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the columns that a workflow selects, and how each is decided.

    What the scan found is shown beside the decision, and the line that makes it.

    It rests on the last scan of the workflow's source, and asks no database unless --scan says so. With both
    filters, columns are listed that pass both.
    """
    from appliance.cli.terminal.output import print_json  # noqa: PLC0415 - help does without
    from appliance.cli.terminal.results.columns_table import columns_json, print_columns  # noqa: PLC0415
    from appliance.cli.work.workflows.local import interruptible  # noqa: PLC0415
    from appliance.cli.work.workflows.workflow_columns import ColumnsRequest, columns_of  # noqa: PLC0415

    with interruptible("The scan"):
        rows, seen = columns_of(ColumnsRequest(file, scan, connections, state))
    shown = [row for row in rows if (row.undecided or not undecided) and (row.personal or not personal)]
    if as_json:
        print_json(columns_json(shown, seen))
    else:
        print_columns(file, rows, shown, seen)


@app.command()
def approve(
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="Its id.")],
    digest: Annotated[
        str | None,
        typer.Option(help="Approve without a question exactly what was shown with this digest."),
    ] = None,
) -> None:
    """Let a workflow from the dashboard keep what it would keep.

    Its columns are shown before.

    Without a terminal and without --digest it only shows them; the exit status is then 3.
    """
    from appliance.cli.work.workflows import approve as _approve  # noqa: PLC0415 - help does without
    from appliance.settings.settings import load_settings  # noqa: PLC0415

    settings = load_settings()
    _approve.approve(settings, _approve.what_is_asked(settings, workflow), digest)
