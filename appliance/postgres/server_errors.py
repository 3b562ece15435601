"""A server's error with the names of the objects it is about, and never the value that caused it."""

from __future__ import annotations

import psycopg

from appliance.errors import ApplianceError
from appliance.postgres.sessions.connect import database_failure

_NEXT_STEPS = {
    "23505": "Give the column a mask that keeps values apart (email, hash …), or list it under keep.",
    "23503": "Give both columns of the key the same mask, or list both under keep.",
    "23514": "Choose a mask whose values satisfy it, or list the column under keep.",
    "23P01": "Choose a mask that keeps apart what the constraint compares, or list its columns under keep.",
}
_UNMASKED = (
    "No mask is used here: the source's own rows are so. Mend them there, filter them under rows, or leave"
    " the table out under tables.exclude."
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
    names = _names(error)
    failure = database_failure(what, error, table=table)
    if state == "23514" and not error.diag.constraint_name:
        failure.why = _told("A row fits no partition.", names, state)
        failure.next_step = (
            "Keep the partition key, or choose a mask that stays in its bounds." if masked else _UNMASKED
        )
    elif state in _REASONS:
        failure.why = _told(_REASONS[state], names, state)
        failure.next_step = _NEXT_STEPS[state] if masked else _UNMASKED
    elif state is not None and state.startswith(("22", "23")) and not masked:
        failure.why = f"{_UNMASKED_REASON.get(state, failure.why)} {names}".rstrip()
        failure.next_step = _UNMASKED
    elif names:
        failure.why = f"{failure.why} {names}"
    named = type(failure)(failure.what, failure.why, failure.next_step, sqlstate=state)
    named.table = table
    return named


def _told(reason: str, names: str, state: str) -> str:
    return " ".join(part for part in (reason, names, f"(SQLSTATE {state})") if part)


def _names(error: psycopg.Error) -> str:
    """Names of objects only: a primary message, DETAIL or CONTEXT may quote rows."""
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
