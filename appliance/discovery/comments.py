"""What people have written about columns, in the source's own COMMENTs. It is read, and shown nowhere."""

from __future__ import annotations

import re
from contextlib import suppress

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.masking.shape import shape_of
from appliance.masking.suggesting.column_names import guess_by_name, in_words
from appliance.masking.suggesting.guess import can_hold
from appliance.masking.suggesting.kinds import PersonalKind
from appliance.workflow.catalog import Column, Table

Comments = dict[tuple[str, str, str], str]
"""By schema, table and column."""

_COMMENTS = """
SELECT n.nspname, c.relname, a.attname, left(d.description, 300)
FROM pg_catalog.pg_description AS d
JOIN pg_catalog.pg_class AS c ON c.oid = d.objoid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = d.objsubid
WHERE d.classoid = 'pg_catalog.pg_class'::regclass AND d.objsubid > 0 AND c.relkind IN ('r', 'p', 'f')
"""
_FIRST_PART = re.compile(r"[.;:,(\n]|\s[-\u2013\u2014]\s")
_MOST_WORDS = 8
"""What a column is about is said at the beginning; further on come exceptions, examples, other columns."""


def read_comments(session: Connection[TupleRow]) -> Comments:
    """All of them; none where they cannot be read, for a scan does without."""
    found: Comments = {}
    with suppress(psycopg.Error, UnicodeError), session.transaction(force_rollback=True):
        for schema, table, column, text in session.execute(_COMMENTS).fetchall():
            found[schema, table, column] = text
    return found


def kind_by_comment(table: Table, column: Column, comment: str) -> PersonalKind | None:
    """What a comment says of a column that can hold it; None if nothing personal."""
    words = in_words(_FIRST_PART.split(comment.strip(), maxsplit=1)[0])[:_MOST_WORDS]
    guess = guess_by_name(table.name, " ".join(words)) if words else None
    if guess is None or guess.kind == "free_text":
        return None
    return guess.kind if can_hold(shape_of(column), guess.kind) else None
