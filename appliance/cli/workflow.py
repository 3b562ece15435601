"""Check, list, start and cancel workflows."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from appliance import strict_yaml
from appliance.cli import workflow_runs
from appliance.errors import ExitCode
from appliance.problems import DocumentWrong, Problem, path_text
from appliance.strict_document import MAX_BYTES, Document
from appliance.workflow.document import Workflow
from appliance.workflow.loading import workflow_of

app = typer.Typer(no_args_is_help=True)
app.add_typer(workflow_runs.commands)

STANDARD_INPUT = Path("-")


@app.command()
def schema() -> None:
    """Print the JSON Schema of a workflow, for editors and for whoever generates one."""
    from appliance.workflow.schema import workflow_schema  # noqa: PLC0415

    typer.echo(json.dumps(workflow_schema(_mask_models()), indent=2, ensure_ascii=False))


@app.command()
def validate(
    files: Annotated[
        list[Path], typer.Argument(help="Workflow files; - reads standard input.", metavar="FILE…")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Say everything that is wrong with workflow files, without asking a database.

    Whether patterns match tables and masks fit their columns is decided when a run is planned: only the
    source knows its columns.
    """
    outcomes = [(file, *_validate_file(file)) for file in files]
    outcomes = _refuse_same_ids(outcomes)
    wrong = any(problems for _, _, problems in outcomes)
    if as_json:
        found = [_as_json(file, workflow, problems) for file, workflow, problems in outcomes]
        typer.echo(json.dumps({"valid": not wrong, "files": found}, indent=2, ensure_ascii=False))
    else:
        for file, workflow, problems in outcomes:
            if problems:
                typer.echo(DocumentWrong(problems).text(), err=True)
            elif workflow is not None:
                typer.echo(f"{file}: {workflow.id} is valid")
    if wrong:
        raise typer.Exit(ExitCode.REQUEST_WRONG)


Outcome = tuple[Path, Workflow | None, tuple[Problem, ...]]


def _validate_file(file: Path) -> tuple[Workflow | None, tuple[Problem, ...]]:
    from appliance.workflow.mask_check import check_masks  # noqa: PLC0415

    workflow: Workflow | None = None
    problems: tuple[Problem, ...] = ()
    try:
        document = _read(file)
    except DocumentWrong as error:
        return None, error.problems
    try:
        workflow = workflow_of(document).workflow
    except DocumentWrong as error:
        problems = error.problems
    return workflow, (*problems, *check_masks(document, _mask_models()))


def _read(file: Path) -> Document:
    if file == STANDARD_INPUT:
        return strict_yaml.load(sys.stdin.buffer.read(MAX_BYTES + 1), "standard input")
    return strict_yaml.read(file)


def _refuse_same_ids(outcomes: list[Outcome]) -> list[Outcome]:
    """Two workflows of one id would be one DAG, so neither may win silently."""
    by_id: dict[str, list[Path]] = {}
    for file, workflow, _ in outcomes:
        if workflow is not None:
            by_id.setdefault(workflow.id, []).append(file)
    return [
        (file, workflow, (*problems, *_same_id(file, workflow, by_id)) if workflow else problems)
        for file, workflow, problems in outcomes
    ]


def _same_id(file: Path, workflow: Workflow, by_id: dict[str, list[Path]]) -> list[Problem]:
    others = [str(other) for other in by_id[workflow.id] if other != file]
    what = f"`{workflow.id}` is also the id of {', '.join(others)}"
    return [Problem(("id",), what, "another id", source=str(file))] if others else []


def _as_json(file: Path, workflow: Workflow | None, problems: tuple[Problem, ...]) -> dict[str, Any]:
    return {
        "file": str(file),
        "valid": not problems,
        "id": workflow.id if workflow else None,
        "problems": [
            {"line": each.line, "path": path_text(each.path), "what": each.what, "expected": each.expected}
            for each in problems
        ],
    }


def _mask_models() -> dict[str, Any]:
    from appliance.masking.catalogue import parameter_models  # noqa: PLC0415

    return parameter_models()
