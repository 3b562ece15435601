"""The mark of the process that works behind the status service: touched whenever a turn came to its end."""

from __future__ import annotations

import time
from pathlib import Path

from appliance.supervision.health_probes import Proof

MARK = "upkeep-works"
"""In the runtime folder."""
FRESH_S = 60.0
"""A turn takes a second, and as long as a call of Airflow's or the database's may."""


def upkeep_works(runtime_dir: Path) -> bool:
    """Whether its last turn was lately."""
    try:
        return time.time() - (runtime_dir / MARK).stat().st_mtime < FRESH_S
    except OSError:
        return False


def upkeep_proof(runtime_dir: Path) -> Proof:
    """The mark is fresh; else that it is not."""
    return lambda: "" if upkeep_works(runtime_dir) else "no turn has come to its end lately"
