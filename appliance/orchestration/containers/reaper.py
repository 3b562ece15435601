"""Removes containers and secrets of runs that are over.

``python -m appliance.orchestration.containers.reaper --once``

Whatever killed the process that should have done so (a crash, a reboot, kill -9), nothing stays for long.
"""

from __future__ import annotations

import argparse
import sys
import time

import docker

from appliance.errors import ApplianceError, ExitCode
from appliance.orchestration.containers.attempt import DockerTrouble
from appliance.orchestration.containers.reaping import reap
from appliance.settings.settings import load_settings


def main(arguments: list[str] | None = None) -> int:
    """Reap once, or for ever; Docker being away is a failure of this look only."""
    parser = argparse.ArgumentParser(prog="appliance-reaper", description=__doc__)
    how_often = parser.add_mutually_exclusive_group(required=True)
    how_often.add_argument("--once", action="store_true", help="look once")
    how_often.add_argument("--every", type=float, metavar="SECONDS", help="look again and again")
    options = parser.parse_args(arguments)
    while True:
        code = _look()
        if options.once:
            return code
        time.sleep(options.every)


def _look() -> int:
    try:
        client = docker.from_env(version="auto").api
        for run_id in reap(client, load_settings()):
            sys.stderr.write(f"Removed what the run {run_id} had left.\n")
    except DockerTrouble as error:
        sys.stderr.write(f"Docker does not answer ({type(error).__name__}).\n")
        return ExitCode.WORK_FAILED
    except ApplianceError as error:
        sys.stderr.write(error.text() + "\n")
        return error.exit_code
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
