"""What ``appliance twin`` does on a target server."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from appliance.connections.file import load_connections, select_connections
from appliance.errors import WrongRequestError
from appliance.postgres.errors import database_failure
from appliance.postgres.sessions.connect import open_session
from appliance.postgres.sessions.parameters import libpq_parameters
from appliance.postgres.twin.database import DatabaseFacts, read_database
from appliance.postgres.twin.names import twin_names
from appliance.postgres.twin.publishing import Publisher, roll_back
from appliance.settings.settings import load_settings

_APPLICATION_NAME = "appliance twin"


class TwinServer:
    """The server of a connection from connections.yaml, whose database is a twin."""

    def __init__(self, connection: str, connections: Path | None) -> None:
        path = connections or load_settings().connections_file
        self.connection = connection
        self.settings = select_connections(load_connections(path), [connection], str(path))[connection]
        self.names = twin_names(self.settings.dbname)

    def databases(self) -> list[tuple[str, str, str, str, str]]:
        """(database, what it is, workflow, run, since) of those that there are."""
        roles = (
            (self.names.twin, "the twin"),
            (self.names.prev, "the former twin"),
            (self.names.next, "the next twin"),
            (self.names.golden, "what branches are copies of"),
            (self.names.gone, "to be dropped"),
        )
        rows = []
        with closing(self.open_admin()) as admin:
            for name, role in roles:
                facts = self._read(admin, name)
                if facts is None:
                    continue
                marker = facts.marker
                if marker is None:
                    rows.append((name, "not the appliance's", "", "", ""))
                    continue
                state = role if marker.state in {"published", "golden"} else f"{role}, {marker.state}"
                rows.append((name, state, marker.workflow, marker.run, f"{marker.at:%Y-%m-%d %H:%M:%S}"))
        return rows

    def publish(self, grace_s: float) -> list[str]:
        """Swap in the verified next twin; returns what to tell.

        Raises WrongRequestError where there is none.
        """
        lines: list[str] = []
        with closing(self.open_admin()) as admin:
            following = self._read(admin, self.names.next)
        marker = following.marker if following is not None else None
        if marker is None or marker.state != "verified":
            state = f"'{self.names.next}' is {marker.state}" if marker else f"there is no '{self.names.next}'"
            raise WrongRequestError(
                "There is nothing to publish.",
                f"Only a verified twin is published, and {state}.",
                "Start a run of the workflow.",
            )
        published = Publisher(
            names=self.names,
            connection=self.connection,
            open_admin=self.open_admin,
            open_database=self.open_database,
            workflow=marker.workflow,
            run=marker.run,
            grace_s=grace_s,
            tell=lines.append,
        ).publish()
        former = f"; the former one is kept as '{self.names.prev}'" if published.replaced else ""
        return [*lines, *published.notes, f"'{self.names.twin}' is now the twin of {marker.run}{former}."]

    def roll_back(self, grace_s: float) -> str:
        """Exchange the twin and the former one; returns what to tell."""
        lines: list[str] = []
        roll_back(self.names, self.connection, self.open_admin, grace_s, lines.append)
        with closing(self.open_admin()) as admin:
            twin = self._read(admin, self.names.twin)
        run = twin.marker.run if twin is not None and twin.marker is not None else "an unknown run"
        return "\n".join([*lines, f"'{self.names.twin}' is now the twin of {run}."])

    def open_admin(self) -> psycopg.Connection[TupleRow]:
        """A session on the server's maintenance database."""
        return self.open_database(self.settings.maintenance_db)

    def open_database(self, database: str) -> psycopg.Connection[TupleRow]:
        """A session on any database of the server."""
        return open_session(
            self.connection,
            libpq_parameters(self.settings, database),
            application_name=_APPLICATION_NAME,
            read_only=False,
        )

    def _read(self, admin: psycopg.Connection[TupleRow], name: str) -> DatabaseFacts | None:
        try:
            return read_database(admin, name)
        except psycopg.Error as error:
            raise database_failure(f"The database '{name}' could not be looked at.", error) from None
