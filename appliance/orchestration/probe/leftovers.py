"""What a probe that was cut off has left: its folder with the throwaway server, containers, secrets.

The next probe removes its folder. Where none comes, as on the way back to a former release, the reaper does.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import docker

from appliance.errors import WorkFailedError
from appliance.orchestration.containers.reaping import remove_run
from appliance.orchestration.probe.tiny_run import PROBE
from appliance.run_folder import LOOK
from appliance.settings.settings import Settings
from appliance.system.beneath import as_owner_of

_LOCK = "probe.lock"
_POLL_S = 0.2


def folders_of_probes(settings: Settings) -> list[Path]:
    """Of the one under way, and of those that were cut off."""
    return sorted((settings.state_dir / "runs").glob(f"{LOOK}{PROBE}-*"))


def remove_ended(client: docker.APIClient, settings: Settings) -> list[str]:
    """Remove all that is left of them, unless a probe is under way; the ids of those there were.

    Raises DockerTrouble.
    """
    removed: list[str] = []
    if not folders_of_probes(settings):
        return removed
    with contextlib.suppress(WorkFailedError), alone(settings, within_s=0.0):
        for folder in folders_of_probes(settings):
            remove_run(client, settings, folder.name)
            # Last: where Docker does not answer, the next look finds it again.
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder.name)
    return removed


@contextlib.contextmanager
def alone(settings: Settings, *, within_s: float) -> Iterator[None]:
    """Be the only one that deals with probes here. Raises WorkFailedError where another is longer at it."""
    give_up = time.monotonic() + within_s
    with as_owner_of(settings.state_dir):
        lock = (settings.state_dir / _LOCK).open("w")
    with lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= give_up:
                    raise WorkFailedError("Another probe is being performed.") from None
                time.sleep(_POLL_S)
        yield
