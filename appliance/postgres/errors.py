"""A database's errors in our words: what happened, why, what to do, and whether another try can help.

A server's own message can hold a value out of a row, so only its SQLSTATE and names of objects are kept.
"""

from __future__ import annotations

import psycopg

from appliance.errors import ApplianceError, WorkFailedError, WorkFailedForGoodError, WrongRequestError


def retry_can_help(error: BaseException) -> bool:
    """Whether the same step, tried again, may succeed: broken connections, restarts, locks, lack of room."""
    if isinstance(error, WorkFailedForGoodError):
        return False
    if isinstance(error, WorkFailedError):
        return error.sqlstate is None or _passing(error.sqlstate)
    if isinstance(error, ApplianceError):
        return False
    if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
        return True
    if isinstance(error, psycopg.Error):
        return error.sqlstate is None or _passing(error.sqlstate)
    return False


def _passing(sqlstate: str) -> bool:
    # 08 connection, 40 conflicts, 53 resources, 55P03 lock, 58 the server's input and output,
    # 57 operator, but not a cancelled or overlong statement.
    if sqlstate == "57014":
        return False
    return sqlstate[:2] in {"08", "40", "53", "57", "58"} or sqlstate == "55P03"


def database_failure(what: str, error: psycopg.Error, *, table: str | None = None) -> ApplianceError:
    """Turn a psycopg error of a running session into one of ours, without the server's own text."""
    state = error.sqlstate
    why, next_step = _explain(state, error)
    if table is not None:
        what = f"{what} Table: {table}."
    kind = WrongRequestError if state is not None and state[:2] in {"28", "42", "3D"} else WorkFailedError
    suffix = f" (SQLSTATE {state})" if state else ""
    return kind(what, f"{why}{suffix}", next_step, sqlstate=state, table=table)


_EXPLANATIONS: dict[str, tuple[str, str]] = {
    "08": (
        "The connection to the server broke.",
        "Run it again; if it happens again, look at the server's log.",
    ),
    "22001": ("A value is longer than its column may hold.", "Choose a mask whose values are shorter."),
    "22021": (
        "A text holds bytes that are not valid in the encoding.",
        "Mend it in the source, give the column a mask that replaces it whole, or filter its rows.",
    ),
    "22P02": (
        "A value is none that its type takes. A label of an enum may have been renamed while the run copied.",
        "Start a new run; if it fails again, look at the masks of the table.",
    ),
    "23502": ("A NULL arrived in a column that must not be NULL.", "Choose a mask that gives no NULL."),
    "23505": (
        "A value arrived twice in a column or key that must be unique.",
        "Choose a mask that gives unique values.",
    ),
    "23514": (
        "A row does not satisfy a CHECK constraint or fits no partition.",
        "Choose a mask that fits it.",
    ),
    "23": ("A row does not satisfy a constraint of the table.", "Choose a mask that fits the constraint."),
    "25006": ("The server is read-only.", "Point the connection at a primary."),
    "28": ("The server did not accept the role.", "Check user and password in connections.yaml."),
    "3D000": ("The database does not exist.", "Check dbname in connections.yaml."),
    "40": ("The server undid the transaction because of a conflict.", "Run it again."),
    "42501": ("The role may not do that.", "Grant it the privilege, then run again."),
    "53100": ("The server's disk is full.", "Free space on the server, then run again."),
    "53200": ("The server is out of memory.", "Run it again with a smaller limits.parallel."),
    "53300": ("The server has no connection slot free.", "Lower limits.parallel or raise max_connections."),
    "53": ("The server is short of a resource.", "Run it again when the server has room."),
    "54": ("A limit of PostgreSQL was exceeded.", "Leave the table or column out of the workflow."),
    "55P03": ("A lock was not granted in time.", "Run it again when the table is less busy."),
    "57014": (
        "It was cancelled, or took longer than limits.run_timeout_min.",
        "Raise limits.run_timeout_min if need be.",
    ),
    "57": ("The server ended the session: it is shutting down, or an administrator did.", "Run it again."),
    "58": ("The server could not read or write its files.", "Look at the server's log and its disk."),
    "XX": ("The server reports an internal error or damaged data.", "Look at the server's log."),
}


_LOCK_TABLE = "max_locks_per_transaction"


def _explain(state: str | None, error: psycopg.Error) -> tuple[str, str]:
    if state is None:
        if isinstance(error, psycopg.OperationalError):
            return _EXPLANATIONS["08"]
        return f"{type(error).__name__}.", "Look at the server's log."
    if state == "53200" and _LOCK_TABLE in (error.diag.message_hint or ""):
        return (
            "The server's lock table is full: a transaction had more tables locked than it has room for.",
            f"Raise {_LOCK_TABLE} on that server (ALTER SYSTEM SET {_LOCK_TABLE} = 256; then a restart).",
        )
    for prefix in (state, state[:2]):
        if prefix in _EXPLANATIONS:
            return _EXPLANATIONS[prefix]
    return "The server refused it.", "Look up the SQLSTATE, and the server's log."


_NEXT_STEPS = {
    "23505": "Give the column a mask that keeps values apart (email, hash …), or list it under keep.",
    "23503": "Give both columns of the key the same mask, or list both under keep.",
    "23514": "Choose a mask whose values satisfy it, or list the column under keep.",
    "23P01": "Choose a mask that keeps apart what the constraint compares, or list its columns under keep.",
}
_UNMASKED = (
    "No mask does this: the source's own rows are so, or what they are held against looks at other tables,"
    " which may be empty then. Mend that there, filter them under rows, or leave the table out under"
    " tables.exclude."
)
_UNMASKED_REASON = {"23502": "A NULL stands where none may be. (SQLSTATE 23502)"}
_REASONS = {
    "23505": "A value that must be unique is there twice.",
    "23503": "A row refers to one that is not there.",
    "23514": "A row does not satisfy the condition.",
    "23P01": "Two rows exclude each other.",
}


def named_failure(
    what: str, error: psycopg.Error, *, table: str | None = None, masked: bool = True
) -> ApplianceError:
    """Like ``database_failure``, with the constraint and the table that the server names.

    ``masked``: a mask replaces what the error is about, or may. If none does, the source's own rows do not
    satisfy what they should.
    """
    state = error.sqlstate
    names = names_in(error)
    failure = database_failure(what, error, table=table)
    if state == "23514" and not error.diag.constraint_name:
        step = "Keep the partition key, or choose a mask that stays in its bounds."
        return failure.explain(
            _with_names("A row fits no partition.", names, state), step if masked else _UNMASKED
        )
    if state in _REASONS:
        step = _NEXT_STEPS[state] if masked else _UNMASKED
        return failure.explain(_with_names(_REASONS[state], names, state), step)
    if state is not None and state.startswith(("22", "23")) and state != "22P02" and not masked:
        return failure.explain(f"{_UNMASKED_REASON.get(state, failure.why)} {names}".rstrip(), _UNMASKED)
    return failure.explain(f"{failure.why} {names}") if names else failure


def _with_names(reason: str, names: str, state: str) -> str:
    return " ".join(part for part in (reason, names, f"(SQLSTATE {state})") if part)


def names_in(error: psycopg.Error) -> str:
    """The names of objects that it is about: a primary message, DETAIL or CONTEXT may quote rows."""
    diagnosis = error.diag
    parts = []
    if diagnosis.constraint_name:
        parts.append(f"Constraint: {diagnosis.constraint_name}.")
    if diagnosis.table_name:
        schema = f"{diagnosis.schema_name}." if diagnosis.schema_name else ""
        parts.append(f"Table: {schema}{diagnosis.table_name}.")
    if diagnosis.column_name:
        parts.append(f"Column: {diagnosis.column_name}.")
    if diagnosis.datatype_name:
        schema = f"{diagnosis.schema_name}." if diagnosis.schema_name else ""
        parts.append(f"Type: {schema}{diagnosis.datatype_name}.")
    return " ".join(parts)
