"""List runs, or show one: its steps, its tables, and why it failed."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, urlencode

import typer

from appliance.cli.status import print_runs
from appliance.cli.terminal.completion import run_ids
from appliance.cli.terminal.output import duration, moment, print_json, print_table, size
from appliance.cli.work.status_client import ask, read
from appliance.contract.step_messages import Failure
from appliance.errors import Explanation
from appliance.postgres.proof.kept import SaidTable
from appliance.settings.settings import load_settings
from appliance.store.rows import RunDetails, RunLine, StepLine, TwinLine

app = typer.Typer()


@app.command()
def runs(
    run_id: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="A run's id, for its details.", autocompletion=run_ids),
    ] = None,
    workflow: Annotated[str | None, typer.Option(help="Only runs of this workflow.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the newest runs, or show one: its steps, its tables, and why it failed.

    ``appliance run show RUN`` is the same.
    """
    settings = load_settings()
    if run_id is None:
        asked = {"limit": str(limit)} | ({"workflow": workflow} if workflow else {})
        found = ask(settings, f"/runs?{urlencode(asked)}")
        print_json(found) if as_json else print_runs(read(list[RunLine], found))
        return
    run = ask(settings, f"/runs/{quote(run_id, safe='')}")
    print_json(run) if as_json else print_run(read(RunDetails, run))


def print_run(run: RunDetails) -> None:
    """One run as a person reads it."""
    typer.echo(f"{run.run_id}: {run.state} after {duration(run.seconds)}")
    typer.echo("")
    print_table(("step", "state", "tries", "started", "took"), [_step(step) for step in run.steps])
    if run.tables:
        typer.echo("")
        tables = [
            (each.table, f"{each.rows:,}", size(each.bytes), "done" if each.done else "copying")
            for each in run.tables
        ]
        print_table(("table", "rows", "size", "state"), tables)
    for twin in run.twins:
        typer.echo("")
        typer.echo(_twin(run, twin))
    for line in verified_lines(run):
        typer.echo(line)
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
        lines += [f"  {table.table}", *(f"    {part}" for part in parts)]
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
