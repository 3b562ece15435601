"""As whom a rehearsal speaks to the twin's server, and how libpq gets there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg.rows import TupleRow

from appliance.connections.database import Connection
from appliance.postgres.sessions.connect import open_session
from appliance.postgres.sessions.parameters import libpq_parameters


@dataclass(frozen=True, repr=False)
class Login:
    """One role on the twin's server. Its parameters may hold a password: it is never printed."""

    name: str
    """Of the connection."""
    parameters: Mapping[str, str]

    @classmethod
    def of(cls, connection: Connection) -> Login:
        """That of a connection. A password that a program prints is asked for once, here."""
        return cls(connection.name, libpq_parameters(connection))

    @property
    def user(self) -> str:
        """The role."""
        return self.parameters["user"]

    @property
    def server(self) -> tuple[str, str]:
        """Host and port."""
        return self.parameters["host"], self.parameters.get("port", "5432")

    def open(self, database: str | None, application: str) -> psycopg.Connection[TupleRow]:
        """A session that may write. Raises our errors."""
        parameters = {**self.parameters, **({"dbname": database} if database is not None else {})}
        return open_session(self.name, parameters, application_name=application, read_only=False)
