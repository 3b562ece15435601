"""`make demo` and `make clean`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from rich.console import Console

from appliance.cli._output import duration
from appliance.errors import ApplianceError, ExitCode, RequestWrong
from appliance.postgres.plan import Plan

from . import report
from .follow import follow
from .reader import Reader
from .stack import Stack

WORKFLOW = "staging-twin"
SEEN_WITHIN_S = 60
"""A new workflow file is taken up in seconds; right after the first start the parser has just begun."""


def main(arguments: list[str]) -> int:
    """Run one of the two and return the exit status."""
    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=120)
    try:
        if arguments == ["up"]:
            return demonstrate(console, Stack())
        if arguments == ["down"]:
            _timed(console, "Removing containers, volumes, networks and images", lambda _: Stack().remove())
            return ExitCode.DONE
        raise RequestWrong(f"There is no `{' '.join(arguments)}` here.", "", "make demo, or make clean")
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
    _timed(console, "Starting the appliance, a production and a staging server", stack.start)
    url = f"http://127.0.0.1:{stack.port('status', 8642)}"
    reader = Reader(stack)
    with reader:
        run_id = _start_run(stack)
        console.print()
        title = f"Run {run_id}"
        run = follow(console, title, url, run_id, lambda: _plan(stack, run_id))
    console.print()
    if run["state"] != "succeeded":
        failure = run["failure"] or {}
        text = [f"The run {run['state']}.", failure.get("what"), failure.get("why")]
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
    report.where_to_look(console, stack, url, WORKFLOW)
    console.print(f"\nThe demo took {duration(time.monotonic() - began)}.")
    return ExitCode.DONE


def _timed(console: Console, what: str, work: Callable[[Callable[[str], None]], object]) -> None:
    """Do it and say how long it took; what ``work`` tells meanwhile is shown on a terminal only."""
    began = time.monotonic()
    if console.is_terminal:
        with console.status(f"{what} …") as status:
            work(lambda detail: status.update(f"{what} … {detail}"))
    else:
        console.print(f"{what} …")
        work(lambda _: None)
    console.print(f"{what}: {duration(time.monotonic() - began)}")


def _start_run(stack: Stack) -> str:
    """Ask the appliance's own command line, in its container, to start the workflow; the run's id."""
    give_up = time.monotonic() + SEEN_WITHIN_S
    while True:
        try:
            return stack.execute("api-server", "appliance", "workflow", "start", WORKFLOW).split()[-1]
        except ApplianceError:
            if time.monotonic() > give_up:
                raise
            time.sleep(1)


def _plan(stack: Stack, run_id: str) -> Plan:
    return Plan.model_validate_json(
        stack.execute("scheduler", "cat", f"/var/lib/appliance/runs/{run_id}/plan.json")
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
