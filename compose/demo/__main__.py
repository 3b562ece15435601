"""`make demo` and `make clean`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeVar

from rich.console import Console

from appliance.cli.terminal.output import duration
from appliance.errors import ApplianceError, ExitCode, WrongRequestError
from appliance.postgres.plan import Plan

from . import branches, deliveries, enrolment, report, sample_workflow
from .dashboard import Dashboard
from .follow import follow
from .reader import Reader
from .stack import ROW_COUNT_IMAGE, Stack

ENDED = {
    "failed": "The run failed.",
    "refused": "The run was refused.",
    "cancelled": "The run was cancelled.",
}
Result = TypeVar("Result")


def main(arguments: list[str]) -> int:
    """Run one of the two and return the exit status."""
    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=120)
    try:
        if arguments == ["up"]:
            return demonstrate(console, Stack())
        if arguments == ["down"]:
            _timed(console, "Removing containers, volumes, networks and images", lambda _: Stack().remove())
            return ExitCode.DONE
        raise WrongRequestError(f"There is no `{' '.join(arguments)}` here.", "", "make demo, or make clean")
    except ApplianceError as error:
        console.print(error.text(), markup=False, soft_wrap=True)
        return error.exit_code
    except KeyboardInterrupt:
        console.print("\nStopped. What was started runs on; `make clean` removes it.")
        return 130


def demonstrate(console: Console, stack: Stack) -> int:
    """Bring everything up, run the workflow, and show what came of it."""
    began = time.monotonic()
    console.print("[bold]A shop's production database becomes a masked twin[/bold]\n")
    _timed(console, "Building the images", lambda _: stack.build())
    _timed(console, "Starting the appliance, its databases, a bucket and a dashboard", stack.start)
    _timed(console, f"Trusting the image {ROW_COUNT_IMAGE}", lambda _: deliveries.trust(stack))
    url, dashboard = stack.address("status"), Dashboard(stack)
    appliance_id = _timed(
        console, "Enrolling the appliance", lambda tell: enrolment.enrol(stack, dashboard, tell)
    )
    what = f"Writing the workflow {sample_workflow.ID} on the dashboard"
    _timed(console, what, lambda tell: sample_workflow.write(dashboard, appliance_id, tell))
    password = dashboard.password()
    reader = Reader(stack)
    with reader:
        run_id = _timed(
            console, "Asking for a run there", lambda _: sample_workflow.run(dashboard, appliance_id)
        )
        page = sample_workflow.page_of(dashboard, appliance_id, run_id)
        console.print()
        report.where_to_watch(console, stack, page, password)
        console.print()
        run = follow(console, f"Run {run_id}", url, run_id, lambda: _plan(stack, run_id))
    console.print()
    if run["state"] != "succeeded":
        failure = run["failure"] or {}
        text = [ENDED[run["state"]], failure.get("what"), failure.get("why")]
        console.print("\n".join(line for line in text if line), markup=False, soft_wrap=True)
        console.print(f"Next: {failure.get('next_step') or stack.command('logs', 'scheduler')}", markup=False)
        return ExitCode.WORK_FAILED
    report.side_by_side(console, stack)
    console.print()
    report.counts(console, stack, _plan(stack, run_id))
    console.print()
    report.verification(console, run)
    reader.report(console)
    console.print()
    report.step_times(console, run)
    console.print()
    report.state_on_the_dashboard(console, sample_workflow.run_on_dashboard(dashboard, appliance_id, run_id))
    console.print()
    report.receipt(console, stack, run_id)
    console.print()
    branches.branch(console, stack)
    branches.rehearsals(console, stack)
    deliveries.in_the_bucket(console, stack, run)
    console.print()
    deliveries.counted_by_the_container(console, stack, run)
    console.print()
    report.where_to_look(console, stack, report.Addresses(url, dashboard.url, page), password)
    console.print(f"\nThe demo took {duration(time.monotonic() - began)}.")
    return ExitCode.DONE


def _timed(console: Console, what: str, work: Callable[[Callable[[str], None]], Result]) -> Result:
    """Do it and say how long it took; what ``work`` reports meanwhile is shown on a terminal only."""
    began = time.monotonic()
    if console.is_terminal:
        with console.status(f"{what} …") as status:
            result = work(lambda detail: status.update(f"{what} … {detail}"))
    else:
        console.print(f"{what} …")
        result = work(lambda _: None)
    console.print(f"{what}: {duration(time.monotonic() - began)}")
    return result


def _plan(stack: Stack, run_id: str) -> Plan:
    return Plan.model_validate_json(
        stack.execute("scheduler", "cat", f"/var/lib/appliance/runs/{run_id}/plan.json")
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
