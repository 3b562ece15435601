"""Read a workflow's source's catalog from this process: names of columns, no row."""

from __future__ import annotations

from contextlib import closing

import psycopg

from appliance.connections.file import load_connections, select_connections
from appliance.postgres.errors import database_failure
from appliance.postgres.sessions.connect import open_session
from appliance.postgres.sessions.parameters import libpq_parameters
from appliance.postgres.source.catalog_reader import read_catalog
from appliance.settings.settings import Settings
from appliance.workflow.catalog import Catalog
from appliance.workflow.document import Workflow

STATEMENT_TIMEOUT_S = 600


def source_catalog(settings: Settings, workflow: Workflow, application_name: str) -> Catalog:
    """The catalog now.

    Raises WrongRequestError for connections.yaml, WorkFailedError where the source is away.
    """
    known = load_connections(settings.connections_file)
    connection = select_connections(known, [workflow.source], str(settings.connections_file))[workflow.source]
    with closing(
        open_session(
            workflow.source,
            libpq_parameters(connection),
            application_name=application_name,
            read_only=True,
            statement_timeout_s=STATEMENT_TIMEOUT_S,
            lock_timeout_s=workflow.limits.lock_timeout_s,
        )
    ) as session:
        try:
            return read_catalog(session)
        except psycopg.Error as error:
            raise database_failure("The source's catalog could not be read.", error) from None
