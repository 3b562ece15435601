"""``scan``: look at the source's columns as ``appliance scan`` does, and leave what may be reported."""

from __future__ import annotations

from contextlib import closing

import psycopg
from pydantic import BaseModel

from appliance.discovery.reporting import reported
from appliance.discovery.scanning import Sampler, scan
from appliance.errors import WorkFailedError
from appliance.postgres.errors import database_failure
from appliance.postgres.source.catalog_reader import read_catalog
from appliance.steps.calling.context import StepContext
from appliance.steps.records.look_files import SCANNED


class ScanSummary(BaseModel):
    """The scan in numbers."""

    tables: int
    rows: int
    """Looked at."""
    not_looked_at: int


def run(context: StepContext) -> ScanSummary:
    """Scan the source and write ``scan.json``. Raises WorkFailedError where nothing could be looked at."""
    source = context.spec.workflow.source
    with closing(context.connect_source()) as session:
        try:
            catalog = read_catalog(session)
        except psycopg.Error as error:
            raise database_failure("The source's catalog could not be read.", error) from None
    with closing(Sampler(context.connect_source, catalog.encoding)) as sampler:
        found = scan(source, catalog, sampler)
    if found.tables and len(found.not_looked_at) == found.tables:
        raise WorkFailedError(
            f"No table of the connection '{source}' could be looked at.",
            f"Of the first: {found.not_looked_at[0].why}.",
            f"appliance connections check {source}",
        )
    SCANNED.write(context.run_dir, reported(catalog, found))
    return ScanSummary(tables=found.tables, rows=found.rows, not_looked_at=len(found.not_looked_at))
