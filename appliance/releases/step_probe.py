"""Whether the steps of a release begin at all, in its own images, before the running release is touched.

Each is started as a container like a step's, without a run: it has to get so far that it misses it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable

from appliance.errors import WorkFailedError

STEPS = ("plan", "copy", "verify", "attest", "publish")
"""Between them they load all of the engine; every release has them."""
_NOWHERE = ("--run", "probe", "--workflow", "probe", "--run-dir", "/nowhere", "--secrets", "/nowhere")
_CONFINED = (
    *("--rm", "--pull=never", "--network=none", "--read-only", "--tmpfs=/tmp"),
    *("--cap-drop=ALL", "--security-opt=no-new-privileges", "--memory=512m"),
)
_NO_RUN = 2
"""What a step ends with that was called for no run."""
_WITHIN_S = 120.0


def check_steps(tags: Iterable[str]) -> None:
    """Start each step once in each image. Raises WorkFailedError with those that cannot begin."""
    broken = [f"{step} in {tag} ({why})" for tag in tags for step in STEPS if (why := _why_not(tag, step))]
    if broken:
        raise WorkFailedError(
            "Steps of the release cannot begin on this machine.", f"{', '.join(broken)}.", "docker info"
        )


def _why_not(tag: str, step: str) -> str:
    command = ["docker", "run", *_CONFINED, tag, step, *_NOWHERE]
    try:
        done = subprocess.run(  # noqa: S603
            command, env=os.environ, capture_output=True, timeout=_WITHIN_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {_WITHIN_S:.0f} s"
    except OSError as error:
        return os.strerror(error.errno or 0)
    return "" if done.returncode == _NO_RUN else f"exit code {done.returncode}"
