"""Why a statement of a migration failed, without a value out of a row."""

from __future__ import annotations

import psycopg

from appliance.postgres.errors import names_in
from appliance.rehearsals.results.report import Failure

_RAISED = "exec_stmt_raise"
_SPEAKS_OF_NAMES = "42"
"""The class of errors whose messages are about the statement itself: syntax, names, types, rights."""
_WHY = {
    "22": "A value does not fit.",
    "23": "Rows do not satisfy it.",
    "40P01": "It met a deadlock.",
    "55P03": "It did not get a lock in the time that it gave itself.",
    "57014": "It was cancelled: its own statement_timeout, or the end of its time.",
    "57P01": "Its session was ended.",
    "25P02": "Its transaction had failed before.",
}


def failure_of(error: psycopg.Error) -> Failure:
    """The failure in words: what the server says of names, and never of rows."""
    state = error.sqlstate
    if state is None:
        return Failure(sqlstate=None, why="The connection to the server broke.")
    message = error.diag.message_primary or ""
    if state.startswith(_SPEAKS_OF_NAMES) and error.diag.source_function != _RAISED and message:
        return Failure(sqlstate=state, why=f"{message[:300].rstrip('.')}.")
    what = _WHY.get(state) or _WHY.get(state[:2]) or "The server refused it."
    # The class is named after the SQLSTATE: DivisionByZero, UniqueViolation.
    return Failure(sqlstate=state, why=f"{what} {type(error).__name__}. {names_in(error)}".strip())
