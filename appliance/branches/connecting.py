"""How to connect to a branch: an entry for ``pg_service.conf``, and a line for a pass file."""

from __future__ import annotations

from appliance.branches.branch import Branch
from appliance.connections.database import Connection

_CERTIFICATES = ("sslrootcert", "sslcert", "sslkey")


def service_entry(branch: Branch, connection: Connection, passfile: str | None = None) -> str:
    """The entry, without a password: that is in ``passfile``, or the role's own."""
    marker, database = branch.marker, branch.database.name
    user = marker.role or connection.user
    values: dict[str, object] = {
        "host": connection.host,
        "port": connection.port,
        "dbname": database,
        "user": user,
        "sslmode": connection.sslmode,
    }
    # A client certificate is the owner's: it proves no other role.
    files = _CERTIFICATES if marker.role is None else _CERTIFICATES[:1]
    values |= {key: value for key in files if (value := getattr(connection, key)) is not None}
    if passfile is not None:
        values["passfile"] = passfile
    lines = [
        f"# The branch {marker.name} of the run {marker.run}; it ends {marker.ends_at:%Y-%m-%d %H:%M} UTC.",
        f"[{database}]",
        *(f"{key}={value}" for key, value in values.items()),
    ]
    return "\n".join(lines)


def pass_line(branch: Branch, connection: Connection) -> str:
    """The owner's password as libpq's pass file takes it: for this database and no other."""
    parts = (
        connection.host,
        str(connection.port),
        branch.database.name,
        connection.user,
        connection.password.get_secret_value(),
    )
    return ":".join(part.replace("\\", "\\\\").replace(":", "\\:") for part in parts)
