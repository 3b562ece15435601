"""Why a login did not work, in our words: what happened, why, what to do.

What a server says to one who connects comes before any query and holds names only; even so it is matched,
never shown. Servers may speak another language: then what the client library itself knows has to do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import psycopg

from appliance.errors import ApplianceError, WorkFailedError, WrongRequestError
from appliance.postgres.identifiers import quoted


class NoDatabaseError(WrongRequestError):
    """The server answers, and has no database of that name (exit code 2)."""


_PASSWORD = (
    WrongRequestError,
    "The server did not accept the password of '{user}'.",
    "Correct {name}.password (and {name}.user) in connections.yaml, then run it again.",
    "28P01",
)
_CAUSES: tuple[tuple[str, type[ApplianceError], str, str, str | None], ...] = (
    (
        r"could not translate host name|Name or service not known|No address associated|name resolution",
        WrongRequestError,
        "No address is known for the host '{host}'.",
        "Correct {name}.host in connections.yaml, or the DNS.",
        "08001",
    ),
    (
        r"does not match host name",
        WrongRequestError,
        "The server's TLS certificate is not for '{host}'.",
        "Use a name that the certificate has as {name}.host, or give the server a certificate for '{host}'.",
        "08001",
    ),
    (
        r"certificate verify failed|self.signed certificate|unable to get local issuer",
        WrongRequestError,
        "The server's TLS certificate is not signed by a CA in sslrootcert.",
        "Put the right CA certificate at the path of {name}.sslrootcert.",
        "08001",
    ),
    (
        r"root certificate file|could not read root certificate",
        WrongRequestError,
        "TLS is to be verified and there is no usable CA certificate.",
        "Set {name}.sslrootcert in connections.yaml to the file with the CA's certificate.",
        "08001",
    ),
    (
        r"server does not support SSL",
        WrongRequestError,
        "sslmode {sslmode} is demanded and the server does not speak TLS.",
        "Turn ssl on at the server, or change {name}.sslmode in connections.yaml.",
        "08001",
    ),
    (
        r"invalid response to SSL negotiation|received invalid response",
        WrongRequestError,
        "What answers at {host}:{port} is not PostgreSQL.",
        "Correct {name}.host and {name}.port in connections.yaml.",
        "08001",
    ),
    (
        r"no pg_hba\.conf entry|pg_hba\.conf rejects",
        WrongRequestError,
        "The server's pg_hba.conf does not let '{user}' into '{dbname}' from here (with sslmode {sslmode}).",
        "Add to pg_hba.conf:  {tls} {quoted_dbname} {quoted_user} <address of this host>/32 scram-sha-256",
        "28000",
    ),
    (
        r"password authentication failed|no password supplied|authentication failed|empty password",
        *_PASSWORD,
    ),
    (
        r'role ".*" does not exist|is not permitted to log in',
        WrongRequestError,
        "There is no role '{user}' that may log in.",
        "Correct {name}.user in connections.yaml, or run on the server: ALTER ROLE {quoted_user} LOGIN;",
        "28000",
    ),
    (
        r'database ".*" does not exist',
        NoDatabaseError,
        "There is no database '{dbname}'.",
        "Correct {name}.dbname in connections.yaml.",
        "3D000",
    ),
    (
        r"permission denied for database",
        WrongRequestError,
        "'{user}' may not connect to the database '{dbname}'.",
        "Run on the server: GRANT CONNECT ON DATABASE {quoted_dbname} TO {quoted_user};",
        "42501",
    ),
    (
        r"not currently accepting connections",
        WorkFailedError,
        "The database '{dbname}' does not accept connections now.",
        "Run on the server: ALTER DATABASE {quoted_dbname} ALLOW_CONNECTIONS true;",
        None,
    ),
    (
        r"too many (clients|connections)|remaining connection slots",
        WorkFailedError,
        "The server has no connection slot free for '{user}'.",
        "Lower limits.parallel in the workflow, or raise max_connections or the role's CONNECTION LIMIT.",
        "53300",
    ),
    (
        r"starting up|shutting down|recovery mode",
        WorkFailedError,
        "The server is starting or stopping.",
        "Run it again in a moment.",
        "57P03",
    ),
    (
        r"Connection refused|No such file or directory",
        WorkFailedError,
        "Nothing listens at {host}:{port}.",
        "Start the server, or correct {name}.host and {name}.port in connections.yaml.",
        "08001",
    ),
    (
        r"timeout|timed out|No route to host|unreachable",
        WorkFailedError,
        "The host does not answer within {connect_timeout} s.",
        "Check the network and firewalls towards {host}:{port}, then {name}.host and {name}.port.",
        "08001",
    ),
)


def connect_failure(name: str, parameters: Mapping[str, str], error: psycopg.Error) -> ApplianceError:
    """The error for ``name``: WrongRequestError where a document or a grant must change, else
    WorkFailedError.
    """
    shown = {
        "host": "",
        "port": "5432",
        "user": "",
        "dbname": "",
        "sslmode": "prefer",
        "connect_timeout": "10",
    }
    shown.update({key: parameters[key] for key in shown if key in parameters})
    shown |= {"name": name, "quoted_user": quoted(shown["user"]), "quoted_dbname": quoted(shown["dbname"])}
    kind, why, next_step, state = _cause(error)
    # A line for TLS only refuses sessions without TLS.
    shown["tls"] = "host" if shown["sslmode"] in ("disable", "allow") else "hostssl"
    what = f"Connection '{name}' could not be opened ({shown['host']}:{shown['port']})."
    return kind(what, why.format_map(shown), next_step.format_map(shown), sqlstate=state)


def _cause(error: psycopg.Error) -> tuple[type[ApplianceError], str, str, str | None]:
    """What a failed login comes to. The client library gives no SQLSTATE, so it is the one of the cause."""
    text = str(error)
    for pattern, kind, why, next_step, state in _CAUSES:
        if re.search(pattern, text, re.IGNORECASE):
            return kind, why, next_step, state
    connection = error.pgconn
    if connection is not None and (connection.used_password or connection.needs_password):
        return _PASSWORD
    return (
        WorkFailedError,
        "The server, or something between, closed it.",
        "Look at the server's log, then run it again.",
        "08006",
    )
