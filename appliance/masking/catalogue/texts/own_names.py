"""The names that stand in a row, removed from a text of the same row."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.masking.expressions.sql_text import identifier, literal
from appliance.masking.scope import Scope
from appliance.masking.shape import column_value

MARK = "[name]"
LONGEST_SEARCHED = 16_000_000
"""Bytes of text; longer text has been scrubbed as a whole."""
LONGEST = 500
"""Characters that are looked at of the names of a row."""
# Every sign of ASCII that is no letter and no digit. What is beyond ASCII counts as part of a name.
_BETWEEN = r"[\x01-/:-@\[-`{-\x7f]+"
_ALONE = r"(^|\|)[^|](?=\||$)"
_LETTERS = "0-9A-Za-z"
_MORE_LETTERS = r"\u00c0-\u024f\u0370-\u052f"
"""Of Latin, Greek and Cyrillic: scripts that set words apart."""


def without_names(text: str, names: Sequence[str], scope: Scope) -> str:
    """``text`` with each word of the row's ``names`` replaced, whatever its case; words of one letter stay.

    The words become the branches of one regular expression, which has nothing in it but letters and digits:
    whatever a name holds, it cannot make the expression fail. Upper and lower case are those of the
    database's own locale, and its own forms of the words in capital and small letters are looked for too.
    """
    columns = {column.name: column for column in scope.table.columns}
    written = ", ' ', ".join(column_value(columns[name]).text for name in names)
    joined = f'(left(concat({written}), {LONGEST}) COLLATE "C")'
    branches = f"regexp_replace({joined}, {literal(_BETWEEN)}, '|', 'g')"
    branches = f"btrim(regexp_replace({branches}, {literal(_ALONE)}, '|', 'g'), '|')"
    branches = f"regexp_replace({branches}, {literal(r'[|]{2,}')}, '|', 'g')"
    letters = _LETTERS + (_MORE_LETTERS if scope.encoding == "UTF8" else "")
    before, after = literal(f"(?<![{letters}])("), literal(f")(?![{letters}])")
    name, given = (identifier(scope.alias(f"appliance_{each}")) for each in ("names", "text"))
    forms = " || '|' || ".join((name, f"lower({name})", f"upper({name})"))
    searched = f"{before} || {forms} || {after}"
    found = f"regexp_replace({given} COLLATE \"default\", {searched}, '{MARK}', 'gi') COLLATE \"C\""
    both = f'SELECT ({branches}) COLLATE "default" AS {name}, {text} AS {given} OFFSET 0'
    kept = f"{name} = '' OR octet_length({given}) > {LONGEST_SEARCHED}"
    return f"(SELECT CASE WHEN {kept} THEN {given} ELSE {found} END FROM ({both}) AS appliance_row)"
