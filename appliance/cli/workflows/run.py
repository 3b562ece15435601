"""Run a workflow here, without Airflow or Docker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.work.workflows.run_options import (
    ConnectionsOption,
    PolicyOption,
    QuietOption,
    StateOption,
    WorkflowArgument,
)
from appliance.errors import ApplianceError

app = typer.Typer()


@app.command()
def run(  # noqa: PLR0917 - as typer has it
    file: WorkflowArgument,
    connections: ConnectionsOption = None,
    policy: PolicyOption = None,
    state: StateOption = None,
    exports_dir: Annotated[
        Path | None,
        typer.Option(help="Where delivered files go; else exports/ beside the runs.", metavar="DIR"),
    ] = None,
    quiet: QuietOption = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print each line of the run's log as it is written.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Run a workflow on this machine, without Airflow or Docker.

    It plans, copies, verifies, and swaps the twin.
    The twin is replaced only by one that is complete and verified. Ctrl-C leaves it as it was.
    """
    from appliance.cli.local_runs.record import run_recorded  # noqa: PLC0415 - help must be instant
    from appliance.cli.terminal.json_observer import JsonObserver  # noqa: PLC0415
    from appliance.cli.work.workflows.local import (  # noqa: PLC0415
        console,
        display,
        interruptible,
        local_run,
        once_anew,
    )

    with interruptible("The run") as interruption:
        if as_json:
            observer = JsonObserver()

            def print_lines() -> None:
                with local_run(file, connections, policy, state, exports_dir) as prepared:
                    prepared.check = interruption.check
                    observer.begin(prepared.spec)
                    observer.end(run_recorded(prepared, observer))

            try:
                once_anew(print_lines, observer.changed)
            except ApplianceError as error:
                observer.failed(error)
                raise typer.Exit(error.exit_code) from None
            return
        # Only what is drawn for eyes needs it.
        from appliance.cli.terminal.results.run_summary import print_outcome  # noqa: PLC0415

        screen = console(quiet=quiet, verbose=verbose)

        def draw() -> None:
            with local_run(file, connections, policy, state, exports_dir) as prepared:
                prepared.check = interruption.check
                with display(screen, prepared.spec) as shown:
                    heard = typer.echo if verbose and not quiet else None
                    outcome = run_recorded(prepared, shown, heard=heard)
                rows = {name: table.rows for name, table in shown.state.tables.items()}
                print_outcome(screen, outcome, rows)

        once_anew(draw, lambda error: screen.print(f"{error.what} A run begins anew.", markup=False))
