"""``open_snapshot``: take the run's snapshot and hold it until it is to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from appliance.postgres.source.snapshot import export_snapshot, hold
from appliance.steps.calling.context import StepContext
from appliance.steps.records.run_files import SNAPSHOT

KEEPER = True
"""Its result comes first; then it works on until SIGTERM, which is its proper end."""


def run(
    context: StepContext, publish: Callable[[Mapping[str, object]], None], stopped: Callable[[], bool]
) -> None:
    """Export the snapshot, write ``snapshot.json``, ``publish`` the result, hold it until ``stopped()``."""
    limits = context.spec.workflow.limits
    until = time.monotonic() + limits.snapshot_s
    with context.connect_source() as connection:
        snapshot = export_snapshot(connection)
        SNAPSHOT.write(context.run_dir, snapshot)
        publish({"server_version": snapshot.server_version, "in_recovery": snapshot.in_recovery})
        hold(connection, until, stopped, limits.yield_s)
