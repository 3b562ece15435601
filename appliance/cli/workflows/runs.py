"""List the newest runs, or show one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.host.status import print_runs
from appliance.cli.terminal.completion import run_ids
from appliance.cli.terminal.output import coloured, duration, moment, print_json, print_table, size
from appliance.cli.terminal.results.not_carried import not_carried_lines
from appliance.contract.step_messages import Failure
from appliance.documents.problems import printable
from appliance.errors import Explanation
from appliance.postgres.proof.kept import SaidTable
from appliance.settings.settings import load_settings
from appliance.store.rows import RunDetails, StepLine, TwinLine

app = typer.Typer()


@app.command()
def runs(
    run_id: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="A run's id, for its details.", autocompletion=run_ids),
    ] = None,
    workflow: Annotated[str | None, typer.Option(help="Only runs of this workflow.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 20,
    state: Annotated[
        Path | None,
        typer.Option(help="Only runs of appliance run that are kept in this folder.", metavar="DIR"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the newest runs, or show one.

    Of one: its steps, its tables, what was proven, what the twin lacks, and why it failed. The list has the
    runs of the appliance, and those of appliance run. A long reason is cut in the list; RUN shows all of it.
    """
    from appliance.cli.local_runs.all_runs import find_run, list_runs  # noqa: PLC0415 - help does without

    settings = load_settings()
    if run_id is None:
        found = list_runs(settings, state, workflow=workflow, limit=limit)
        print_json(found.as_json) if as_json else print_runs(found.runs)
        return
    shown = find_run(settings, state, run_id)
    print_json(shown.as_json) if as_json else print_run(shown.run, shown.folder)


def print_run(run: RunDetails, folder: Path) -> None:
    """One run as a person reads it; ``folder`` is where it keeps its plan."""
    typer.echo(f"{run.run_id}: {coloured(run.state)} after {duration(run.seconds)}")
    typer.echo("")
    print_table(("step", "state", "tries", "started", "took"), [_step(step) for step in run.steps])
    if run.tables:
        typer.echo("")
        tables = [
            (printable(each.table), f"{each.rows:,}", size(each.bytes), "done" if each.done else "copying")
            for each in run.tables
        ]
        print_table(("table", "rows", "size", "state"), tables)
    for twin in run.twins:
        typer.echo("")
        typer.echo(_twin(run, twin))
    for line in verified_lines(run):
        typer.echo(line)
    if lacks := not_carried_lines(run, folder):
        typer.echo("")
        typer.echo("\n".join(lacks))
    for notice in run.notices:
        typer.echo("")
        typer.echo(f"Note ({notice.step}): {notice.text}")
    if run.failure:
        typer.echo("")
        typer.echo(failure_text(run.failure))


def _twin(run: RunDetails, twin: TwinLine) -> str:
    """Since when a twin stands, and by what it was replaced."""
    if twin.replaced_by is None:
        return f"Twin on {twin.connection}: stands since {moment(twin.since)}."
    whose = f" of the workflow {twin.replaced_workflow}" if twin.replaced_workflow != run.workflow else ""
    return (
        f"Twin on {twin.connection}: stood from {moment(twin.since)} until {moment(twin.replaced_at)}, when"
        f" {twin.replaced_by}{whose} replaced it."
    )


def verified_lines(run: RunDetails) -> list[str]:
    """What verification has proven, table by table, what it has only looked at, and what it has not."""
    result = next((step.result for step in run.steps if step.step == "verify" and step.result), {})
    said = [SaidTable.model_validate(each) for each in result.get("said", ())]
    if not said:
        return []
    lines = ["", "Verified:"]
    for table in said:
        parts = [f"{table.rows:,} rows counted"]
        if table.proven:
            parts.append(f"masked and proven over {table.rows_searched:,} rows: {', '.join(table.proven)}")
        if table.kept:
            parts.append(f"kept and looked at over {table.rows_looked_at:,} rows: {', '.join(table.kept)}")
        if table.found:
            parts.append(f"of these, something was found in: {', '.join(table.found)}")
        parts += [f"not looked at: {column} ({why})" for column, why in table.not_looked_at]
        # A name may move a terminal's cursor.
        lines += [f"  {printable(table.table)}", *(f"    {printable(part)}" for part in parts)]
    more = result.get("tables", 0) - len(said)
    if more > 0:
        lines.append(f"  and {more:,} more: verify.json in the run's folder")
    return [*lines, "  That no kept column holds personal data is not proven."]


def failure_text(failure: Failure) -> str:
    """What happened, why, and what to do."""
    return Explanation(failure.what, failure.why, failure.next_step).text()


def _step(step: StepLine) -> tuple[str, str, str, str, str]:
    name = step.step if step.shard is None else f"{step.step} {step.shard}"
    return name, step.state, str(step.attempt), moment(step.started_at), duration(step.seconds)
