"""Bind the masks' keyed values to a session, so that no key ever stands in SQL text."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.masking.bindings import bound_settings
from appliance.masking.compiled import Binding
from appliance.postgres.connect import database_failure

# A function takes 100 arguments at most, a statement 65535 parameters: far below both.
_BOUND_AT_ONCE = 40


def bind(connection: Connection[TupleRow], key: bytes, bindings: Sequence[Binding]) -> None:
    """``set_config`` every binding for the rest of the session's transaction. Raises our errors."""
    settings = list(bound_settings(key, bindings).items())
    for start in range(0, len(settings), _BOUND_AT_ONCE):
        some = settings[start : start + _BOUND_AT_ONCE]
        # The answer would be the value again: it is not sent back.
        calls = ", ".join("set_config(%s, %s, true) IS NULL" for _ in some)
        try:
            connection.execute(f"SELECT {calls}".encode(), [text for pair in some for text in pair])
        except psycopg.Error as error:
            raise database_failure("The masks' keys could not be bound to the session.", error) from None
