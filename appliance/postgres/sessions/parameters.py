"""A connection of ``connections.yaml`` as libpq takes it."""

from __future__ import annotations

from appliance.connections.database import Connection
from appliance.connections.password_command import password_of


def libpq_parameters(connection: Connection, dbname: str | None = None) -> dict[str, str]:
    """For a session in this process. Never to be printed: the password is among them."""
    parameters = {
        "host": connection.host,
        "port": str(connection.port),
        "dbname": dbname or connection.dbname,
        "user": connection.user,
        "password": password_of(connection),
        "sslmode": connection.sslmode,
        "connect_timeout": str(connection.connect_timeout),
        "gssencmode": "disable",
        "sslrootcert": connection.sslrootcert,
        "sslcert": connection.sslcert,
        "sslkey": connection.sslkey,
        # Without a file of ours libpq would look for one in the home directory.
        "passfile": "/dev/null",
    }
    return {key: value for key, value in parameters.items() if value}
