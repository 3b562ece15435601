"""Show how this appliance is, and what to do about faults."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from appliance.cli.terminal.output import coloured, duration, moment, print_json, print_table, size
from appliance.cli.work.host.status_client import ask, read
from appliance.errors import ExitCode, Explanation
from appliance.settings.settings import load_settings
from appliance.status.report import Report, WorkflowState
from appliance.store.rows import RunLine

app = typer.Typer()
KEEP_RULE = "keep_from_cloud"
"""As appliance.policy.columns has it, which is not loaded for this."""


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print everything that is known as JSON.")] = False,
) -> None:
    """Show how this appliance is, and what to do about faults.

    Its parts, its workflows, its latest runs. The exit status is 1 when something does not work.
    """
    answer = ask(load_settings(), "/status")
    report = read(Report, answer)
    if as_json:
        print_json(answer)
    else:
        _show(report)
    if not report.healthy:
        raise typer.Exit(ExitCode.WORK_FAILED)


def _show(report: Report) -> None:
    typer.echo(f"appliance {report.version}: {coloured('healthy' if report.healthy else 'not healthy')}")
    typer.echo("")
    parts = [(each.name, each.state, each.problem or "") for each in report.components]
    print_table(("part", "state", "problem"), parts, clipped="problem")
    for part in report.components:
        if part.problem:
            typer.echo("")
            typer.echo(Explanation(f"{part.name}: {part.problem}.", next_step=part.next_step or "").text())
    typer.echo("")
    print_workflows(report.workflows)
    runs = (report.runs.recent or ())[:5]
    if runs:
        typer.echo("")
        print_runs(runs)
    for line in _would_halt(report):
        typer.echo("")
        typer.echo(line)
    if failing := _failing(report):
        typer.echo("")
        print_table(
            ("failed last", "next"), [(each.workflow, f"appliance runs {each.run_id}") for each in failing]
        )
    if waiting := _waiting(report):
        typer.echo("")
        print_table(
            ("waits for your approval", "next"),
            [(each, f"appliance workflow approve {each}") for each in waiting],
        )
    if report.erasures:
        typer.echo("")
        print_table(
            ("erasures asked for by the dashboard", "since", "next"),
            [
                (each.reference, f"{each.received_at:%Y-%m-%d %H:%M}", "appliance erasure requests")
                for each in report.erasures
            ],
        )
    if lines := _refused(report):
        typer.echo("")
        print_table(("refused by policy", "rule"), lines)
    if disk := report.disk:
        typer.echo("")
        typer.echo(f"disk: {size(disk.free_bytes)} of {size(disk.total_bytes)} free at {disk.path}")


def _would_halt(report: Report) -> list[str]:
    """What the checks for drift have found of the runs to come."""
    lines = []
    for each in report.workflows:
        check = each.drift_check
        if check is None or check.outcome != "halts":
            continue
        what = check.failure.what if check.failure else ""
        said = Explanation(
            f"The next run of {each.id} would halt.",
            "\n".join([what, *check.columns, *check.changes]).strip(),
            f"appliance plan {each.file}",
        )
        lines.append(said.text())
    return lines


def _failing(report: Report) -> list[RunLine]:
    """The newest run of each workflow, where it has not worked."""
    newest: dict[str, RunLine] = {}
    for run in report.runs.recent or ():
        if run.state not in ("queued", "running"):
            newest.setdefault(run.workflow, run)
    return [run for run in newest.values() if run.state in ("failed", "refused")]


def _waiting(report: Report) -> list[str]:
    """Workflows that would keep what the owner has not seen: in a new version, or at the last run."""
    not_taken = report.dashboard.not_taken if report.dashboard else ()
    newest: dict[str, RunLine] = {}
    for run in report.runs.recent or ():
        newest.setdefault(run.workflow, run)
    runs = [name for name, run in newest.items() if run.failure and run.failure.rule == KEEP_RULE]
    return list(dict.fromkeys([*(each.id for each in not_taken if each.rule == KEEP_RULE), *runs]))


def _refused(report: Report) -> list[tuple[str, str]]:
    """What the dashboard wanted and policy refused: workflows, then commands."""
    not_taken = report.dashboard.not_taken if report.dashboard else ()
    workflows = [(each.id, each.rule) for each in not_taken]
    commands = [(" ".join([each.kind, *each.payload.values()]), each.rule) for each in report.refused or ()]
    return [(what, rule) for what, rule in [*workflows, *commands] if rule]


def print_workflows(workflows: Iterable[WorkflowState]) -> None:
    """The workflows, then what is wrong with the files that cannot run."""
    workflows = list(workflows)
    rows = [
        (
            each.id or each.file,
            each.state,
            each.schedule or "on demand",
            moment(each.next_run_at),
            each.last_run.state if each.last_run else "never ran",
            _looked(each),
        )
        for each in workflows
    ]
    heads = ("workflow", "state", "schedule", "next run", "last run", "kept columns looked into")
    print_table(heads, rows, empty="No workflows.")
    for problem in dict.fromkeys(each.problem for each in workflows if each.problem):
        typer.echo("")
        typer.echo(problem)


def _looked(workflow: WorkflowState) -> str:
    """How far the last run that was verified looked into what it kept."""
    look = workflow.kept
    if look is None:
        return ""
    found = f", {look.found:,} look personal" if look.found else ""
    return f"{look.looked_at:,} of {look.columns:,}{found}"


def print_runs(runs: Iterable[RunLine]) -> None:
    """Runs, newest first."""
    rows = [
        (
            each.run_id,
            each.state,
            moment(each.started_at or each.queued_at),
            duration(each.seconds),
            each.failure.what if each.failure else "",
        )
        for each in runs
    ]
    print_table(("run", "state", "started", "took", "why"), rows, empty="No runs yet.", clipped="why")
