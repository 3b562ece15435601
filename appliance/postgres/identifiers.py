"""Names of objects as SQL has them."""

from __future__ import annotations

from psycopg import sql


def quoted(*parts: str) -> str:
    """An identifier, qualified by those before it."""
    return sql.Identifier(*parts).as_string(None)
