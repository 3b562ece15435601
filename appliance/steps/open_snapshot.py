"""``open_snapshot``: take the run's snapshot and hold it until told to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.postgres.plan import SNAPSHOT_FILE, TableName
from appliance.postgres.snapshot import export_snapshot, hold, readable_tables
from appliance.steps.context import StepContext, write_document
from appliance.workflow.document import Workflow
from appliance.workflow.patterns import parse_pattern

KEEPER = True
"""Its result comes first; then it works on until SIGTERM, which is its proper end."""


def run(context: StepContext, publish: Callable[[dict[str, Any]], None], stopped: Callable[[], bool]) -> None:
    """Export the snapshot, write ``snapshot.json``, ``publish`` the result, hold it until ``stopped()``."""
    workflow = context.spec.workflow
    until = time.monotonic() + workflow.limits.run_timeout_min * 60
    with context.connect_source() as connection:
        snapshot = export_snapshot(connection, _selected(workflow, connection))
        write_document(context.run_dir / SNAPSHOT_FILE, snapshot)
        publish({"server_version": snapshot.server_version, "in_recovery": snapshot.in_recovery})
        hold(connection, until, stopped)


def _selected(workflow: Workflow, connection: Connection[TupleRow]) -> list[TableName]:
    """What the workflow will copy, as far as the names tell."""
    include = [parse_pattern(text, 2) for text in workflow.tables.include]
    exclude = [parse_pattern(text, 2) for text in workflow.tables.exclude]
    selected = []
    for table, root in readable_tables(connection):
        names = [(name.schema_name, name.name) for name in (table, root) if name is not None]
        taken = any(pattern.matches(*name) for pattern in include for name in names)
        if taken and not any(pattern.matches(*name) for pattern in exclude for name in names):
            selected.append(table)
    return selected
