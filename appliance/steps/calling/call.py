"""One attempt at one step, as Airflow, a container, ``appliance run`` and the step itself pass it on."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

LOOKS = ("scan", "plan_only", "try_connection", "branch", "try_migration")
"""Steps of no run: they look at databases, and change nothing but branches."""
REHEARSE = "rehearse"
"""Part of ``appliance plan``: what a target refuses to make. It runs in this process's children alone."""
_PROVING = ("open_snapshot", "plan", "schema", "copy", "finish", "verify", "attest")
STEPS = (*_PROVING, "upload", "publish", "discard", *LOOKS)
PROGRAM = ("python", "-m", "appliance.steps")


@dataclass(frozen=True)
class StepCall:
    """Which attempt at which step of which run; ``shard`` or ``delivery`` where the step has parts."""

    run_id: str
    workflow: str
    step: str
    attempt: int = 1
    shard: int | None = None
    delivery: int | None = None
    exports: bool = False
    """Whether it is given the folder of files: ``attest``, which writes them, and ``upload``."""

    @property
    def part(self) -> int | None:
        """Which of the step's parallel parts this is, whatever they are parts of."""
        return self.shard if self.shard is not None else self.delivery

    @property
    def place(self) -> str:
        """Names the step within its run: ``copy-3``, ``plan``."""
        return self.step if self.part is None else f"{self.step}-{self.part}"

    @property
    def begins_run(self) -> bool:
        """Whether it is the first step of a run."""
        return self.step == STEPS[0]


@dataclass(frozen=True)
class StepPaths:
    """Where a step finds its run's folder and its secrets, and where it writes files, if it does."""

    run_dir: Path
    secrets_dir: Path
    export_dir: Path | None = None

    def each(self, seen: Callable[[Path], Path]) -> StepPaths:
        """The same places as seen from elsewhere."""
        exported = seen(self.export_dir) if self.export_dir is not None else None
        return StepPaths(seen(self.run_dir), seen(self.secrets_dir), exported)


def to_arguments(call: StepCall, paths: StepPaths) -> list[str]:
    """What follows ``python -m appliance.steps``. It stands in the list of processes: no secret is in it."""
    arguments = [call.step, "--run", call.run_id, "--workflow", call.workflow, "--attempt", str(call.attempt)]
    arguments += ["--run-dir", str(paths.run_dir), "--secrets", str(paths.secrets_dir)]
    if call.shard is not None:
        arguments += ["--shard", str(call.shard)]
    if call.delivery is not None:
        arguments += ["--delivery", str(call.delivery)]
    if call.exports:
        arguments += ["--export-dir", str(paths.export_dir)]
    return arguments


def from_arguments(arguments: Sequence[str] | None = None) -> tuple[StepCall, StepPaths]:
    """Read what ``to_arguments`` wrote, by default this process's command line. Exits with 2 if wrong."""
    parser = argparse.ArgumentParser(prog=" ".join(PROGRAM), description="One step of one run.")
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--run", required=True, help="the run's id")
    parser.add_argument("--workflow", required=True, help="the workflow's id")
    parser.add_argument("--attempt", type=int, default=1, help="how often the step has been begun, from 1")
    parser.add_argument("--run-dir", type=Path, required=True, help="the run's folder")
    parser.add_argument("--secrets", type=Path, required=True, help="the folder with service and pass files")
    parser.add_argument("--shard", type=int, help="which shard of the plan to copy")
    parser.add_argument("--delivery", type=int, help="which delivery of the workflow to publish or upload")
    parser.add_argument("--export-dir", type=Path, help="where attest writes files, and upload reads them")
    given = parser.parse_args(arguments)
    call = StepCall(
        run_id=given.run,
        workflow=given.workflow,
        step=given.step,
        attempt=given.attempt,
        shard=given.shard,
        delivery=given.delivery,
        exports=given.export_dir is not None,
    )
    return call, StepPaths(given.run_dir, given.secrets, given.export_dir)
