"""Reading a table of a twin whose indexes call functions by a bare name: planning any query looks at them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.postgres.copying.ledger import SCHEMA
from appliance.postgres.planning.reading_path import UNFOUND

# The same in every session that looks at this database, whatever its roles have set.
EVERY_SCHEMA = f"""
SELECT pg_catalog.set_config('search_path',
 pg_catalog.string_agg(pg_catalog.quote_ident(nspname), ', ' ORDER BY nspname COLLATE "C"), false)
FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', '{SCHEMA}')
"""  # noqa: S608

Found = TypeVar("Found")


def with_names(session: Connection[TupleRow], read: Callable[[], Found], path: str = EVERY_SCHEMA) -> Found:
    """What ``read`` gives; where a name is not found, what it gives after the statement ``path`` sets a path.

    The session must be in autocommit and have an empty path, which it has again. Raises psycopg errors.
    """
    try:
        return read()
    except psycopg.Error as error:
        if error.sqlstate not in UNFOUND:
            raise
    session.execute(path.encode())
    try:
        return read()
    finally:
        if not session.broken:
            session.execute("SET search_path = ''")
