"""A twin's server, as a connection of connections.yaml leads to it."""

from __future__ import annotations

from functools import partial

import psycopg
from psycopg.rows import TupleRow

from appliance.branches.server import BranchServer
from appliance.connections import Connection
from appliance.policy.branches import BranchPolicy
from appliance.postgres.sessions.connect import open_session
from appliance.postgres.sessions.parameters import libpq_parameters

_APPLICATION_NAME = "appliance branch"


def server_of(name: str, connection: Connection, policy: BranchPolicy, workflow: str) -> BranchServer:
    """The server of the connection ``name``, whose database is the twin. Opens no session yet."""

    def open_database(database: str) -> psycopg.Connection[TupleRow]:
        return open_session(
            name,
            libpq_parameters(connection, database),
            application_name=_APPLICATION_NAME,
            read_only=False,
        )

    return BranchServer(
        workflow=workflow,
        twin=connection.dbname,
        policy=policy,
        open_admin=partial(open_database, connection.maintenance_db),
        open_database=open_database,
    )
