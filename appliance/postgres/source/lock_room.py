"""How many locks a statement on the source may hold: the server has one table of them for all its sessions.

When it is full, sessions of others fail too. So no statement of a run asks for more than a part of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from psycopg import Connection
from psycopg.rows import TupleRow

# As the server sizes it; what it keeps in reserve is left to others.
_ROOM = """
SELECT current_setting('max_locks_per_transaction')::bigint * (current_setting('max_connections')::bigint
    + current_setting('max_worker_processes')::bigint + current_setting('max_wal_senders')::bigint
    + current_setting('max_prepared_transactions')::bigint)
"""
_INDEXES = "SELECT i.indrelid, count(*) FROM pg_catalog.pg_index AS i GROUP BY 1"
_BLOCKS = """
SELECT has_language_privilege(l.oid, 'USAGE') FROM pg_catalog.pg_language AS l WHERE l.lanname = 'plpgsql'
"""
_PART = 2
"""One of so many of all locks is ours at most."""
_AT_DEFAULTS = 3_776


@dataclass(frozen=True)
class LockRoom:
    """What one statement may lock, and what reading a table locks: itself, and each of its indexes."""

    most: int = _AT_DEFAULTS
    indexes: Mapping[int, int] = field(default_factory=dict)
    """Of each table that has any, by OID."""
    blocks: bool = False
    """Whether the role may run blocks of PL/pgSQL, which can give locks back."""

    def of(self, oid: int) -> int:
        """The locks that reading a table takes."""
        return 1 + self.indexes.get(oid, 0)


def read_lock_room(source: Connection[TupleRow]) -> LockRoom:
    """What the source has room for. Raises psycopg errors."""
    row = source.execute(_ROOM).fetchone()
    may = source.execute(_BLOCKS).fetchone()
    most = int(row[0]) // _PART if row else _AT_DEFAULTS
    return LockRoom(most, dict(source.execute(_INDEXES).fetchall()), blocks=bool(may and may[0]))
