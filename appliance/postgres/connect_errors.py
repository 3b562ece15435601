"""Why a session could not be opened, in words that name what to change.

The server sends these errors before any query, so their text holds names only; even so it is matched, never
shown. Servers may speak another language: then what the client library itself knows has to do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import psycopg

from appliance.errors import ApplianceError, RequestWrong, WorkFailed


class NoDatabase(RequestWrong):
    """The server answers, and has no database of that name (exit code 2)."""


_PASSWORD = (
    RequestWrong,
    "The server did not accept the password of '{user}'.",
    "Correct {name}.password (and {name}.user) in connections.yaml, then run it again.",
)
_CAUSES: tuple[tuple[str, type[ApplianceError], str, str], ...] = (
    (
        r"could not translate host name|Name or service not known|No address associated|name resolution",
        RequestWrong,
        "No address is known for the host '{host}'.",
        "Correct {name}.host in connections.yaml, or the DNS.",
    ),
    (
        r"does not match host name",
        RequestWrong,
        "The server's TLS certificate is not for '{host}'.",
        "Use a name that the certificate has as {name}.host, or give the server a certificate for '{host}'.",
    ),
    (
        r"certificate verify failed|self.signed certificate|unable to get local issuer",
        RequestWrong,
        "The server's TLS certificate is not signed by a CA in sslrootcert.",
        "Put the right CA certificate at the path of {name}.sslrootcert.",
    ),
    (
        r"root certificate file|could not read root certificate",
        RequestWrong,
        "TLS is to be verified and there is no usable CA certificate.",
        "Set {name}.sslrootcert in connections.yaml to the file with the CA's certificate.",
    ),
    (
        r"server does not support SSL",
        RequestWrong,
        "sslmode {sslmode} is demanded and the server does not speak TLS.",
        "Turn ssl on at the server, or change {name}.sslmode in connections.yaml.",
    ),
    (
        r"invalid response to SSL negotiation|received invalid response",
        RequestWrong,
        "What answers at {host}:{port} is not PostgreSQL.",
        "Correct {name}.host and {name}.port in connections.yaml.",
    ),
    (
        r"no pg_hba\.conf entry|pg_hba\.conf rejects",
        RequestWrong,
        "The server's pg_hba.conf does not let '{user}' into '{dbname}' from here (with sslmode {sslmode}).",
        "Add to pg_hba.conf:  {tls} {quoted_dbname} {quoted_user} <address of this host>/32 scram-sha-256",
    ),
    (
        r"password authentication failed|no password supplied|authentication failed|empty password",
        *_PASSWORD,
    ),
    (
        r'role ".*" does not exist|is not permitted to log in',
        RequestWrong,
        "There is no role '{user}' that may log in.",
        "Correct {name}.user in connections.yaml, or run on the server: ALTER ROLE {quoted_user} LOGIN;",
    ),
    (
        r'database ".*" does not exist',
        NoDatabase,
        "There is no database '{dbname}'.",
        "Correct {name}.dbname in connections.yaml.",
    ),
    (
        r"permission denied for database",
        RequestWrong,
        "'{user}' may not connect to the database '{dbname}'.",
        "Run on the server: GRANT CONNECT ON DATABASE {quoted_dbname} TO {quoted_user};",
    ),
    (
        r"not currently accepting connections",
        WorkFailed,
        "The database '{dbname}' does not accept connections now.",
        "Run on the server: ALTER DATABASE {quoted_dbname} ALLOW_CONNECTIONS true;",
    ),
    (
        r"too many (clients|connections)|remaining connection slots",
        WorkFailed,
        "The server has no connection slot free for '{user}'.",
        "Lower limits.parallel in the workflow, or raise max_connections or the role's CONNECTION LIMIT.",
    ),
    (
        r"starting up|shutting down|recovery mode",
        WorkFailed,
        "The server is starting or stopping.",
        "Run it again in a moment.",
    ),
    (
        r"Connection refused|No such file or directory",
        WorkFailed,
        "Nothing listens at {host}:{port}.",
        "Start the server, or correct {name}.host and {name}.port in connections.yaml.",
    ),
    (
        r"timeout|timed out|No route to host|unreachable",
        WorkFailed,
        "The host does not answer within {connect_timeout} s.",
        "Check the network and firewalls towards {host}:{port}, then {name}.host and {name}.port.",
    ),
)


def connect_failure(name: str, parameters: Mapping[str, str], error: psycopg.Error) -> ApplianceError:
    """The error for ``name``: RequestWrong where a document or a grant must change, else WorkFailed."""
    shown = {
        "host": "",
        "port": "5432",
        "user": "",
        "dbname": "",
        "sslmode": "prefer",
        "connect_timeout": "10",
    }
    shown.update({key: parameters[key] for key in shown if key in parameters})
    shown |= {"name": name, "quoted_user": _quoted(shown["user"]), "quoted_dbname": _quoted(shown["dbname"])}
    kind, why, next_step = _cause(error)
    # A line for TLS only lets nobody in who asks for none.
    shown["tls"] = "host" if shown["sslmode"] in ("disable", "allow") else "hostssl"
    what = f"Connection '{name}' could not be opened ({shown['host']}:{shown['port']})."
    return kind(what, why.format_map(shown), next_step.format_map(shown))


def _cause(error: psycopg.Error) -> tuple[type[ApplianceError], str, str]:
    text = str(error)
    for pattern, kind, why, next_step in _CAUSES:
        if re.search(pattern, text, re.IGNORECASE):
            return kind, why, next_step
    connection = error.pgconn
    if connection is not None and (connection.used_password or connection.needs_password):
        return _PASSWORD
    return (
        WorkFailed,
        "The server, or something between, closed it.",
        "Look at the server's log, then run it again.",
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
