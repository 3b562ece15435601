"""``python -m appliance.steps NAME --run-dir DIR --secrets DIR``: one step, as a container runs it."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from pathlib import Path

from appliance.contract.step_messages import Message
from appliance.steps.execute import STEPS, execute_step


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, run the step, print its messages; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m appliance.steps", description=__doc__)
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--run-dir", type=Path, required=True, help="the run's folder")
    parser.add_argument("--secrets", type=Path, required=True, help="the folder with service and pass files")
    parser.add_argument("--shard", type=int, help="which shard of the plan to copy")
    parser.add_argument("--delivery", type=int, help="which delivery of the workflow to publish")
    parser.add_argument("--export-dir", type=Path, help="where publish writes files")
    told = parser.parse_args(arguments)
    return execute_step(
        told.step,
        told.run_dir,
        told.secrets,
        LinePrinter(),
        shard=told.shard,
        delivery=told.delivery,
        export_dir=told.export_dir,
    )


class LinePrinter:
    """Prints messages as JSON lines, whole ones also when several threads speak."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = sys.stdout.fileno() if descriptor is None else descriptor
        self._turn = threading.Lock()

    def __call__(self, message: Message) -> None:
        line = message.model_dump_json(exclude_none=True).encode() + b"\n"
        with self._turn:
            while line:
                line = line[os.write(self._descriptor, line) :]


if __name__ == "__main__":
    sys.exit(main())
