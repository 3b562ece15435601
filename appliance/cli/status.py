"""Show how this appliance is: its parts, its workflows, its latest runs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from appliance.cli.terminal.output import duration, moment, print_json, print_table, size
from appliance.cli.work.status_client import ask
from appliance.errors import ExitCode
from appliance.settings.settings import load_settings

app = typer.Typer()
KEEP_RULE = "keep_from_cloud"
"""As appliance.policy.columns has it, which is not loaded for this."""


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print everything that is known as JSON.")] = False,
) -> None:
    """Show how this appliance is: its parts, its workflows, its latest runs.

    The exit status is 1 when something does not work.
    """
    found = ask(load_settings(), "/status")
    if as_json:
        print_json(found)
    else:
        _show(found)
    if not found["healthy"]:
        raise typer.Exit(ExitCode.WORK_FAILED)


def _show(found: dict[str, Any]) -> None:
    typer.echo(f"appliance {found['version']}: {'healthy' if found['healthy'] else 'not healthy'}")
    typer.echo("")
    parts = [(each["name"], each["state"], each["problem"] or "") for each in found["components"]]
    print_table(("part", "state", "problem"), parts)
    typer.echo("")
    print_workflows(found["workflows"])
    runs = (found["runs"]["recent"] or [])[:5]
    if runs:
        typer.echo("")
        print_runs(runs)
    if waiting := _waiting(found):
        typer.echo("")
        print_table(
            ("waits for your approval", "next"),
            [(each, f"appliance workflow approve {each}") for each in waiting],
        )
    if lines := _refused(found):
        typer.echo("")
        print_table(("refused by policy", "rule"), lines)
    if disk := found["disk"]:
        typer.echo("")
        typer.echo(f"disk: {size(disk['free_bytes'])} of {size(disk['total_bytes'])} free at {disk['path']}")


def _waiting(found: dict[str, Any]) -> list[str]:
    """Workflows that would keep what the owner has not seen: in a new version, or at the last run."""
    not_taken = [
        each for each in (found["dashboard"] or {}).get("not_taken", []) if each["rule"] == KEEP_RULE
    ]
    newest: dict[str, dict[str, Any]] = {}
    for run in found["runs"]["recent"] or []:
        newest.setdefault(run.get("workflow", ""), run)
    runs = [name for name, run in newest.items() if (run["failure"] or {}).get("rule") == KEEP_RULE]
    return list(dict.fromkeys([*(each["id"] for each in not_taken), *runs]))


def _refused(found: dict[str, Any]) -> list[tuple[str, str]]:
    """What the dashboard wanted and policy refused: workflows, then commands."""
    workflows = [(each["id"], each["rule"]) for each in (found["dashboard"] or {}).get("not_taken", [])]
    commands = [
        (" ".join([each["kind"], *map(str, each["payload"].values())]), each["rule"])
        for each in found["refused"] or []
    ]
    return [(what, rule) for what, rule in [*workflows, *commands] if rule]


def print_workflows(workflows: list[dict[str, Any]]) -> None:
    """The workflows, then what is wrong with the files that cannot run."""
    rows = [
        (
            each["id"] or each["file"],
            each["state"],
            each["schedule"] or "on demand",
            moment(each["next_run_at"]),
            each["last_run"]["state"] if each["last_run"] else "never ran",
        )
        for each in workflows
    ]
    print_table(("workflow", "state", "schedule", "next run", "last run"), rows, empty="No workflows.")
    for problem in dict.fromkeys(each["problem"] for each in workflows if each["problem"]):
        typer.echo("")
        typer.echo(problem)


def print_runs(runs: list[dict[str, Any]]) -> None:
    """Runs, newest first."""
    rows = [
        (
            each["run_id"],
            each["state"],
            moment(each["started_at"] or each["queued_at"]),
            duration(each["seconds"]),
            (each["failure"] or {}).get("what", "").split("\n")[0],
        )
        for each in runs
    ]
    print_table(("run", "state", "started", "took", "why"), rows, empty="No runs yet.")
