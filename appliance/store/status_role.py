"""What the status service's own role may do in the two databases; granted by their owner at each start.

It sends the outbox and takes commands in. What a run is and has done it may read, and not change.
"""

from __future__ import annotations

from contextlib import closing

import psycopg

from appliance.errors import WorkFailedError
from appliance.store.database import connect

ROLE = "appliance_status"
_OURS = f"""
REVOKE ALL ON ALL TABLES IN SCHEMA appliance FROM {ROLE};
GRANT USAGE ON SCHEMA appliance TO {ROLE};
GRANT SELECT ON ALL TABLES IN SCHEMA appliance TO {ROLE};
GRANT INSERT, UPDATE, DELETE ON appliance.event, appliance.command, appliance.wanted_release TO {ROLE};
GRANT UPDATE ON appliance.event_counter, appliance.reporting TO {ROLE};
"""
# A restored database has a schema that no one else may look into.
_AIRFLOWS = f"GRANT USAGE ON SCHEMA public TO {ROLE}; GRANT SELECT ON job, dag, dag_run TO {ROLE};"
_IS_THERE = "SELECT FROM pg_roles WHERE rolname = %s"


def grant(ours: str, airflows: str) -> None:
    """Grant it where there is such a role; the same again changes nothing. Raises WorkFailedError."""
    for conninfo, grants in ((ours, _OURS), (airflows, _AIRFLOWS)):
        try:
            with closing(connect(conninfo)) as owner, owner.transaction():
                if owner.execute(_IS_THERE, [ROLE]).fetchone() is None:
                    return
                database = psycopg.sql.Identifier(owner.info.dbname)
                owner.execute(
                    psycopg.sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
                        database, psycopg.sql.Identifier(ROLE)
                    )
                )
                owner.execute(grants.encode())
        except psycopg.Error as error:
            raise WorkFailedError(
                "The status service could not be given its rights in the appliance's databases.",
                f"PostgreSQL answered with {error.sqlstate or type(error).__name__}.",
                "systemctl restart appliance-prepare",
            ) from None
