"""A twin's server, as a connection of connections.yaml leads to it."""

from __future__ import annotations

from functools import partial

import psycopg
from psycopg.rows import TupleRow

from appliance.branches.server import BranchServer
from appliance.connections.database import Connection
from appliance.errors import WrongRequestError
from appliance.policy.branches import BranchPolicy
from appliance.postgres.sessions.connect import open_session
from appliance.postgres.sessions.parameters import libpq_parameters
from appliance.workflow.document import Workflow

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


def twin_of(workflow: Workflow, wanted: str | None) -> str:
    """The connection of the twin that is meant. Raises WrongRequestError."""
    twins = [twin.connection for twin in workflow.twins.values()]
    if not twins:
        raise WrongRequestError(
            f"The workflow {workflow.id} delivers no twin.", "A branch is a copy of a twin."
        )
    if wanted is None and len(twins) > 1:
        raise WrongRequestError(
            f"The workflow {workflow.id} delivers several twins: {', '.join(twins)}.",
            "A branch is a copy of one of them.",
            f"--on {twins[0]}",
        )
    if wanted is not None and wanted not in twins:
        raise WrongRequestError(
            f"The workflow {workflow.id} delivers no twin on '{wanted}'.", f"It does on {', '.join(twins)}."
        )
    return wanted or twins[0]
