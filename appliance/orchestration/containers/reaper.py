"""Removes what runs that are over have left: containers, secrets, databases that were built aside.

``python -m appliance.orchestration.containers.reaper --once``

Whatever killed the process that should have done so (a crash, a reboot, kill -9), nothing stays for long.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import docker

from appliance.errors import ApplianceError, ExitCode
from appliance.orchestration.containers.attempt import DockerTrouble
from appliance.orchestration.containers.discarding import discard_left_behind
from appliance.orchestration.containers.reaping import reap
from appliance.orchestration.probe.leftovers import remove_ended
from appliance.orchestration.receipts import close_failed_runs
from appliance.settings.settings import load_settings
from appliance.system.beneath import as_owner_of

LOCK = "reaper.lock"


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
        client, settings = docker.from_env(version="auto").api, load_settings()
        with _alone(settings.state_dir):
            for run_id in (*remove_ended(client, settings), *reap(client, settings)):
                sys.stderr.write(f"Removed what the run {run_id} had left.\n")
            for line in discard_left_behind(client, settings):
                sys.stderr.write(f"{line}\n")
            for line in close_failed_runs(client, settings):
                sys.stderr.write(f"{line}\n")
    except DockerTrouble as error:
        sys.stderr.write(f"Docker does not answer ({type(error).__name__}).\n")
        return ExitCode.WORK_FAILED
    except ApplianceError as error:
        sys.stderr.write(error.text() + "\n")
        return error.exit_code
    return ExitCode.DONE


@contextlib.contextmanager
def _alone(state_dir: Path) -> Iterator[None]:
    """One reaper at a time: another would take what this one starts for a run that is over for a leftover."""
    with as_owner_of(state_dir):
        file = (state_dir / LOCK).open("w")
    with file as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())
