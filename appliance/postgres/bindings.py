"""Bind the masks' keyed values to a session, so that no key ever stands in SQL text."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.keys import binding_value
from appliance.masking.compiled import Binding
from appliance.postgres.connect import database_failure

# A function takes 100 arguments at most, a statement 65535 parameters: far below both.
_BOUND_AT_ONCE = 40


def bind(connection: Connection[TupleRow], key: bytes, bindings: Sequence[Binding]) -> None:
    """``set_config`` every binding for the rest of the session's transaction. Raises our errors."""
    for start in range(0, len(bindings), _BOUND_AT_ONCE):
        some = bindings[start : start + _BOUND_AT_ONCE]
        calls = ", ".join("set_config(%s, %s, true)" for _ in some)
        values = [text for each in some for text in (each.setting, _value(key, each))]
        try:
            connection.execute(f"SELECT {calls}".encode(), values)
        except psycopg.Error as error:
            raise database_failure("The masks' keys could not be bound to the session.", error) from None


def _value(key: bytes, binding: Binding) -> str:
    return binding_value(key, binding)
