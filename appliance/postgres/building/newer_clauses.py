"""Clauses that an older server does not know, and that a table or a type is as well without."""

from __future__ import annotations

import re
from typing import NamedTuple

from appliance.postgres.source.archive_contents import Entry


class _Clause(NamedTuple):
    word: str
    """Is in what the server says, in each of its languages."""
    text: re.Pattern[str]
    what: str | None
    """What the object then lacks; None where that changes nothing."""


_CLAUSES = (
    # A mark that minor releases from November 2026 on give columns.
    _Clause(
        "pg_attver",
        re.compile(
            r";?\nALTER [^\n]* ALTER COLUMN [^\n]* SET \(pg_attver='?\d+'?\)"
            r"|, pg_attver='?\d+'?|pg_attver='?\d+'?, "
        ),
        None,
    ),
    # Both are of 14. A column whose type is the multirange is refused all the same.
    _Clause(
        "COMPRESSION",
        re.compile(r"\nALTER TABLE ONLY [^\n]* ALTER COLUMN [^\n]* SET COMPRESSION \w+;"),
        "compression of a column by a method of its own",
    ),
    _Clause(
        "multirange_type_name",
        re.compile(r",\n    multirange_type_name = [^\n]*?(?=,?\n)"),
        "a multirange",
    ),
)


def without_unknown(entry: Entry, said: str) -> tuple[Entry, str | None] | None:
    """The entry without the clause that the server complains of, and what it lacks then.

    None where the server complains of something else.
    """
    for clause in _CLAUSES:
        if clause.word in said and clause.text.search(entry.sql):
            return entry.model_copy(update={"sql": clause.text.sub("", entry.sql)}), clause.what
    return None
