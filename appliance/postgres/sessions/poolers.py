"""Whether a session is the server's own, or one that a pooler lends to many clients.

A session of a run has settings, a snapshot and locks. A pooler would hand them to its next client, and give
this run's next statement to another session. So a pooler is refused before anything is set.

A connection begins with a parameter of its own value in the start-up packet. PgBouncer and RDS Proxy refuse
that packet. Others leave the parameter out, or set it afterwards in a session that was there before, and all
of them hide the process that answers. Something that passes the packet on and hides only the process, as the
gateways of some clouds do, begins a session for this client alone.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.errors import WrongRequestError

_MARK = "appliance.direct"
# The server lists where a built-in parameter's value comes from, and never that of one it does not know.
_BUILT_IN = "jit"
_PROBE = f"""
SELECT pg_backend_pid(), current_setting('{_MARK}', true),
       (SELECT source FROM pg_settings WHERE name = '{_BUILT_IN}')
"""  # noqa: S608
_WHERE = "SELECT host(inet_server_addr()), inet_server_port()"
_REFUSALS = (
    (re.compile(r"unsupported startup parameter", re.IGNORECASE), "PgBouncer"),
    (re.compile(r"RDS Proxy|command-line options", re.IGNORECASE), "RDS Proxy"),
)
_ANY = "a pooler (PgBouncer, PgCat, Odyssey, Supavisor, RDS Proxy or its like)"


class PoolerBetweenError(WrongRequestError):
    """A pooler stands between the appliance and the server (exit code 2)."""


@dataclass(frozen=True)
class Probe:
    """What one connection asks for in its start-up packet; no other connection asks for the same."""

    value: str = field(default_factory=lambda: secrets.token_hex(8))

    def added_to(self, options: str) -> str:
        """The packet's ``options`` with the probe."""
        return f"{options} -c {_MARK}={self.value} -c {_BUILT_IN}=off".strip()

    def passes(self, session: Connection[TupleRow]) -> bool:
        """Whether the session that answers was begun by that packet. psycopg errors pass."""
        row = session.execute(_PROBE).fetchone()
        assert row is not None  # noqa: S101 - a query without a table has one row
        pid, value, source = row
        # The client may be shown a process that is none: then only what the packet has set is a proof.
        own_process: bool = pid == session.info.backend_pid
        return value == self.value and (own_process or source == "client")


def refusing_pooler(error: psycopg.Error) -> str | None:
    """The pooler that refused a start-up packet because of the probe; None for every other failure."""
    return next((pooler for pattern, pooler in _REFUSALS if pattern.search(str(error))), None)


def pooler_between(name: str, parameters: Mapping[str, str], pooler: str | None = None) -> PoolerBetweenError:
    """The error for connection ``name`` whose libpq ``parameters``, without the probe, lead to a pooler."""
    place = f"{parameters.get('host', '')}:{parameters.get('port', '5432')}"
    server = _server_behind(parameters)
    behind = f" The server behind it says that it listens at {server[0]}, port {server[1]}." if server else ""
    return PoolerBetweenError(
        f"Connection '{name}' leads to a pooler ({place}).",
        f"What answers at {place} is {pooler or _ANY}: it lends a server's sessions to many clients. A run's"
        f" settings would stay in them for the next client, and its snapshot would be lost.{behind}",
        f"Set {name}.host and {name}.port in connections.yaml to the PostgreSQL server itself, then type:"
        f" appliance connections check {name}",
    )


def _server_behind(parameters: Mapping[str, str]) -> tuple[str, int] | None:
    """The address that the server itself knows; it changes nothing in the pool to ask for it."""
    try:
        with psycopg.connect(autocommit=True, **parameters) as session:  # type: ignore[arg-type]
            row = session.execute(_WHERE).fetchone()
    except psycopg.Error:
        return None
    return (row[0], row[1]) if row is not None and row[0] is not None else None
