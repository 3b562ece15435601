"""``python -m appliance.steps``: one step, as a container runs it."""

from __future__ import annotations

import os
import sys
import threading

from appliance.contract.step_messages import Message
from appliance.steps.calling.call import from_arguments
from appliance.steps.calling.execute import execute_step


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, run the step, print its messages; returns the exit code."""
    call, paths = from_arguments(arguments)
    return execute_step(call, paths, LinePrinter())


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
