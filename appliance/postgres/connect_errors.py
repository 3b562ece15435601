"""Why a session could not be opened, in words that name what to change.

The server sends these errors before any query, so their text holds names only; even so it is matched, not shown.
Servers may speak another language: what the client library itself knows is asked first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import psycopg

from appliance.errors import ApplianceError, RequestWrong, WorkFailed

_CHECK = "appliance connections check"


def connect_failure(name: str, parameters: Mapping[str, str], error: psycopg.Error) -> ApplianceError:
    """The error for connection ``name``; RequestWrong where a document or a grant must change, else WorkFailed."""
    host = parameters.get("host", "")
    place = f"{host}:{parameters.get('port', '5432')}"
    user, database = parameters.get("user", ""), parameters.get("dbname", "")
    text = str(error)
    what = f"Connection '{name}' could not be opened ({place})."

    def wrong(why: str, next_step: str) -> ApplianceError:
        return RequestWrong(what, why, next_step, sqlstate=error.sqlstate)

    def failed(why: str, next_step: str) -> ApplianceError:
        return WorkFailed(what, why, next_step, sqlstate=error.sqlstate)

    for pattern, outcome in (
        (
            r"could not translate host name|Name or service not known|No address associated|name resolution|resolve",
            lambda: wrong(
                f"No address is known for the host '{host}'.",
                f"Correct {name}.host in connections.yaml, or the DNS.",
            ),
        ),
        (
            r"does not match host name|doesn't match",
            lambda: wrong(
                f"The server's TLS certificate is not for '{host}'.",
                f"Use the name that the certificate has as {name}.host, or give the server a certificate for '{host}'.",
            ),
        ),
        (
            r"certificate verify failed|self.signed certificate|unable to get local issuer",
            lambda: wrong(
                "The server's TLS certificate is not signed by a CA in sslrootcert.",
                f"Put the right CA certificate at the path of {name}.sslrootcert.",
            ),
        ),
        (
            r"root certificate file|could not read root certificate",
            lambda: wrong(
                "TLS is to be verified and there is no usable CA certificate.",
                f"Set {name}.sslrootcert in connections.yaml to the CA's certificate.",
            ),
        ),
        (
            r"server does not support SSL",
            lambda: wrong(
                f"sslmode {parameters.get('sslmode', '')} is demanded and the server does not speak TLS.",
                f"Turn ssl on at the server, or change {name}.sslmode.",
            ),
        ),
        (
            r"no pg_hba\.conf entry|pg_hba\.conf rejects",
            lambda: wrong(
                f"The server's pg_hba.conf does not let '{user}' into '{database}' from here.",
                f"Add to pg_hba.conf:  hostssl {_hba(database)} {_hba(user)} <this host's address>/32 scram-sha-256",
            ),
        ),
        (
            r"password authentication failed|no password supplied|authentication failed|empty password",
            lambda: _refused_role(wrong, name, user),
        ),
        (
            r'role ".*" does not exist|is not permitted to log in',
            lambda: wrong(
                f"There is no role '{user}' that may log in.", f"Correct {name}.user, or create the role."
            ),
        ),
        (
            r'database ".*" does not exist',
            lambda: wrong(
                f"There is no database '{database}'.", f"Correct {name}.dbname in connections.yaml."
            ),
        ),
        (
            r"permission denied for database",
            lambda: wrong(
                f"'{user}' may not connect to the database '{database}'.",
                f"GRANT CONNECT ON DATABASE {_quoted(database)} TO {_quoted(user)};",
            ),
        ),
        (
            r"not currently accepting connections",
            lambda: failed(
                f"The database '{database}' does not accept connections now.",
                f"ALTER DATABASE {_quoted(database)} ALLOW_CONNECTIONS true;",
            ),
        ),
        (
            r"too many (clients|connections)|remaining connection slots",
            lambda: failed(
                "The server has no connection slot free.",
                "Lower limits.parallel in the workflow, or raise max_connections (or the role's CONNECTION LIMIT).",
            ),
        ),
        (
            r"starting up|shutting down|recovery mode",
            lambda: failed("The server is starting or stopping.", "Run it again in a moment."),
        ),
        (
            r"Connection refused|No such file or directory",
            lambda: failed(
                f"Nothing listens at {place}.",
                f"Start the server, or correct {name}.host and {name}.port in connections.yaml.",
            ),
        ),
        (
            r"timeout|timed out|No route to host|Network is unreachable|unreachable",
            lambda: failed(
                f"The host does not answer within {parameters.get('connect_timeout', '10')} s.",
                f"Check the network and firewall towards {place}, then {name}.host and {name}.port.",
            ),
        ),
    ):
        if re.search(pattern, text, re.IGNORECASE):
            return outcome()
    connection = error.pgconn
    if connection is not None and (connection.used_password or connection.needs_password):
        return _refused_role(wrong, name, user)
    return failed("The server or the network between closed it.", f"Run: {_CHECK}")


def _refused_role(wrong, name: str, user: str) -> ApplianceError:  # type: ignore[no-untyped-def]
    error: ApplianceError = wrong(
        f"The server did not accept the password of '{user}'.",
        f"Correct {name}.password (and {name}.user) in connections.yaml, then run: {_CHECK}",
    )
    return error


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _hba(name: str) -> str:
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else _quoted(name)
