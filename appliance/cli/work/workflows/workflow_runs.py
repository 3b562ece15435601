"""``appliance workflow list|show|start|cancel``: the part of the group that has to do with runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from pydantic import TypeAdapter

from appliance.cli.host.status import print_workflows
from appliance.cli.terminal.completion import workflow_ids
from appliance.cli.terminal.output import print_json
from appliance.cli.work.host.status_client import ask, read
from appliance.errors import ApplianceError, ExitCode, WrongRequestError
from appliance.settings.settings import Settings, load_settings
from appliance.status.report import Report, WorkflowState
from appliance.store.rows import RunDetails, RunLine

commands = typer.Typer()
"""Added to the group by appliance.cli.workflows.workflow."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@commands.command("list")
def list_(as_json: AsJson = False) -> None:
    """List this appliance's workflows, and when each runs next. What is wrong with a file is said."""
    workflows = _workflows(load_settings())
    print_json(_json(workflows)) if as_json else print_workflows(workflows)
    if any(each.problem for each in workflows):
        raise typer.Exit(ExitCode.REQUEST_WRONG)


@commands.command()
def show(
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="Its id.", autocompletion=workflow_ids)],
    as_json: AsJson = False,
) -> None:
    """Show a workflow's file and its state."""
    settings = load_settings()
    found = [each for each in _workflows(settings) if each.id == workflow]
    if not found:
        raise WrongRequestError(f"There is no workflow '{workflow}'.", "", "appliance workflow list")
    if as_json:
        shown = _json(found)
        print_json(shown if len(shown) > 1 else shown[0])
        return
    for each in found:
        print_workflows([each])
        typer.echo("")
        typer.echo(f"# {each.file}")
        typer.echo(Path(each.file).read_text(encoding="utf-8", errors="replace").rstrip())


@commands.command()
def start(
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="Its id.", autocompletion=workflow_ids)],
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the end; the exit status is the run's.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Show how far it is, and wait for the end.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start a run now.

    With --wait or --follow the exit status is the run's: 0 done, 1 failed, 2 wrong, 3 refused.
    """
    from appliance.orchestration.start_and_stop import start_run  # noqa: PLC0415

    settings = load_settings()
    started = start_run(settings, workflow)
    if not wait and not follow:
        if as_json:
            print_json({"run_id": started.run_id, "workflow": started.workflow})
        else:
            typer.echo(started.run_id)
        return
    from appliance.cli.terminal.follow import follow_run  # noqa: PLC0415

    if not as_json:
        typer.echo(f"run {started.run_id}")
    run = follow_run(settings, started.run_id, show=follow and not as_json)
    if as_json:
        print_json(TypeAdapter(RunDetails).dump_python(run, mode="json"))
    raise typer.Exit(exit_code_of(run))


@commands.command()
def cancel(
    name: Annotated[
        str,
        typer.Argument(
            metavar="RUN|WORKFLOW",
            help="A run's id, or a workflow's for its runs.",
            autocompletion=workflow_ids,
        ),
    ],
    why: Annotated[str, typer.Option(help="Is shown with the run.")] = "Cancelled on the command line.",
    as_json: AsJson = False,
) -> None:
    """Stop a run within seconds. Its twin stays as it was; a workflow's id stops all of its runs."""
    from appliance.orchestration.start_and_stop import cancel_run  # noqa: PLC0415

    settings = load_settings()
    asked = {run_id: cancel_run(settings, run_id, why) for run_id in _runs_to_cancel(settings, name)}
    if as_json:
        print_json([{"run_id": run_id, "asked_now": now} for run_id, now in asked.items()])
        return
    for run_id, now in asked.items():
        typer.echo(f"{run_id}: {'is asked to stop' if now else 'had been asked to stop'}")


def exit_code_of(run: RunLine) -> int:
    """The exit status that a run's end stands for."""
    if run.state == "succeeded":
        return ExitCode.DONE
    code = run.failure.exit_code if run.failure else ExitCode.WORK_FAILED
    return code if code in (1, 2, 3) else ExitCode.WORK_FAILED


def _runs_to_cancel(settings: Settings, name: str) -> list[str]:
    try:
        return [read(RunDetails, ask(settings, f"/runs/{quote(name, safe='')}")).run_id]
    except WrongRequestError:
        runs = read(list[RunLine], ask(settings, f"/runs?workflow={quote(name, safe='')}"))
        open_runs = [run for run in runs if not run.ended_at]
    except ApplianceError:
        return [name]
    if not open_runs and any(each.id == name for each in _workflows(settings)):
        raise WrongRequestError(f"The workflow '{name}' has no run under way.", "", "appliance runs")
    return [run.run_id for run in open_runs] or [name]


def _workflows(settings: Settings) -> list[WorkflowState]:
    """From the status service; without it from the files alone, which is less but not nothing."""
    try:
        return list(read(Report, ask(settings, "/status")).workflows)
    except ApplianceError:
        from appliance.orchestration.workflow_files import read_workflow_files  # noqa: PLC0415

        typer.echo("The status service does not answer: this is what the files say.\n", err=True)
        return [
            WorkflowState(
                id=file.id,
                title=file.title,
                file=file.path,
                origin=file.origin,
                state="active" if file.usable else "invalid",
                problem=file.problem,
                schedule=file.schedule,
                timezone=file.timezone,
                next_run_at=None,
                last_run=None,
            )
            for file in read_workflow_files(settings.config_dir, settings.state_dir)
        ]


def _json(workflows: list[WorkflowState]) -> list[Any]:
    """As ``/status`` has them."""
    shown: list[Any] = TypeAdapter(list[WorkflowState]).dump_python(workflows, mode="json")
    return shown
