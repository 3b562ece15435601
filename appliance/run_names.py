"""How a run is called: by Airflow, and everywhere else."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime

_LONGEST = 120
"""Run ids name folders and container labels; this keeps any path well under the limits of a file system."""


def new_airflow_run_id(now: datetime | None = None) -> str:
    """A run id for Airflow that sorts by time and that nobody else makes: ``20261123T020000Z-3f9a``."""
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    return f"{moment:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def run_id_for(workflow: str, airflow_run_id: str) -> str:
    """The appliance's id of an Airflow run: ``<workflow>-<airflow run id>``, of ``[a-z0-9-]`` only.

    >>> run_id_for("staging-twin", "scheduled__2026-11-23T02:00:00+00:00")
    'staging-twin-scheduled-2026-11-23t02-00-00-00-00'
    """
    plain = re.sub(r"[^a-z0-9]+", "-", airflow_run_id.lower()).strip("-")
    return f"{workflow}-{plain}"[:_LONGEST].rstrip("-")
