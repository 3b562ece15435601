"""Sessions beside the databases that hold copies."""

from __future__ import annotations

import psycopg
from psycopg.rows import TupleRow

from appliance.connections.database import Connection
from appliance.connections.file import select_connections
from appliance.postgres.sessions.connect import open_session
from appliance.postgres.sessions.parameters import libpq_parameters

_APPLICATION = "appliance copies"


def open_admin(name: str, connections: dict[str, Connection]) -> psycopg.Connection[TupleRow]:
    """A session on a connection's maintenance database. Raises our errors."""
    settings = select_connections(connections, [name])[name]
    return open_session(
        name,
        libpq_parameters(settings, settings.maintenance_db),
        application_name=_APPLICATION,
        read_only=False,
    )
