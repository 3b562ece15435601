"""Show what a run of a workflow would do."""

from __future__ import annotations

from typing import Annotated

import typer

from appliance.cli.work.workflows.run_options import (
    ConnectionsOption,
    PolicyOption,
    QuietOption,
    StateOption,
    WorkflowArgument,
)
from appliance.documents.problems import printable
from appliance.errors import ApplianceError

app = typer.Typer()


@app.command()
def plan(  # noqa: PLR0917 - as typer has it
    file: WorkflowArgument,
    connections: ConnectionsOption = None,
    policy: PolicyOption = None,
    state: StateOption = None,
    columns: Annotated[
        bool, typer.Option("--columns", help="List every column and what happens to it.")
    ] = False,
    quiet: QuietOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Show what a run would do. Of kept columns a sample is looked at in the source; nothing is copied.

    Whatever is wrong with the workflow, the source or the target is said at once. What the target refuses to
    make is found by making it: an empty database beside the twin, which is dropped again after seconds.
    """
    from appliance.cli.terminal.results.run_summary import plan_json, print_plan  # noqa: PLC0415
    from appliance.cli.work.workflows.local import console, interruptible, local_run  # noqa: PLC0415 - help must be instant
    from appliance.steps.local.observer import NoticesObserver  # noqa: PLC0415

    notices = NoticesObserver()
    with (
        interruptible("Planning") as interruption,
        local_run(file, connections, policy, state) as prepared,
    ):
        prepared.check = interruption.check
        try:
            made = prepared.only_plan(notices)
        except ApplianceError:
            # What has changed since the last run may be why. A plan that is made says it itself.
            for text in () if quiet else notices.texts:
                typer.echo(printable(text), err=True)
            raise
    if as_json:
        typer.echo(plan_json(made))
    else:
        print_plan(console(quiet=quiet), made, columns=columns)
