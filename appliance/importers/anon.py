"""PostgreSQL Anonymizer's rules: security labels of a source, or of a SQL file that sets them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from appliance.importers.anon_functions import equal_of_call
from appliance.importers.rules import Equal, Imported, Place, Rule, one_a_column, rule, unreadable

LABELS = """
SELECT n.nspname, c.relname, a.attname, l.label
FROM pg_catalog.pg_seclabel AS l
JOIN pg_catalog.pg_class AS c ON c.oid = l.objoid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = l.objoid AND a.attnum = l.objsubid
WHERE l.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND l.objsubid > 0 AND l.provider = 'anon'
  AND NOT a.attisdropped
ORDER BY 1, 2, a.attnum
"""
"""(schema, table, column, label) of every column that has a rule. No row of a table is read."""

_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
_STATEMENT = re.compile(
    rf"SECURITY\s+LABEL\s+FOR\s+\"?anon\"?\s+ON\s+COLUMN\s+({_NAME}(?:\.{_NAME})+)\s+IS\s+"
    r"(?:E?'((?:[^']|'')*)'|\$(\w*)\$(.*?)\$\3\$|NULL)\s*;",
    re.IGNORECASE | re.DOTALL,
)
_FUNCTION = re.compile(r"\s*MASKED\s+WITH\s+FUNCTION\s+(.+?)\s*", re.IGNORECASE | re.DOTALL)
_VALUE = re.compile(r"\s*MASKED\s+WITH\s+VALUE\s+(.+?)\s*", re.IGNORECASE | re.DOTALL)


def read_anon_file(text: str) -> Imported:
    """The labels of a SQL file. Raises WrongRequestError where it sets none."""
    found = list(_statements(text))
    if not found:
        raise unreadable("the file has no SECURITY LABEL FOR anon ON COLUMN")
    return Imported("anon", one_a_column(found))


def read_anon_labels(labels: Iterable[tuple[str, str, str, str]]) -> Imported:
    """Labels as the catalog has them: (schema, table, column, label)."""
    return Imported("anon", tuple(_rule(Place(*place), label) for *place, label in labels))


def _statements(text: str) -> Iterator[Rule]:
    last: dict[Place, str] = {}
    for match in _STATEMENT.finditer(text):
        names = [_unquoted(each) for each in re.findall(_NAME, match[1])]
        place = Place(*(names if len(names) == 3 else ["public", *names][-3:]))
        label = match[2].replace("''", "'") if match[2] is not None else match[4]
        last.pop(place, None)
        if label is not None:
            last[place] = label
    return (_rule(place, label) for place, label in last.items())


def _rule(place: Place, label: str) -> Rule:
    if function := _FUNCTION.fullmatch(label):
        called = re.match(r"[\w.\"]+", function[1])
        return rule(place, called[0] if called else "a function", equal_of_call(function[1]))
    if value := _VALUE.fullmatch(label):
        return rule(place, "a value", _constant(value[1]))
    if label.strip().upper() == "NOT MASKED":
        return rule(place, "not masked", Equal(keep=True))
    return rule(place, "a label", Equal(why="The label is neither a function nor a value."))


def _constant(text: str) -> Equal:
    if text.upper() == "NULL":
        return Equal("null")
    quoted = re.fullmatch(r"E?'((?:[^']|'')*)'|\$(\w*)\$(.*)\$\2\$", text, re.DOTALL)
    if quoted:
        return Equal(
            "constant", {"value": quoted[1].replace("''", "'") if quoted[1] is not None else quoted[3]}
        )
    if re.fullmatch(r"-?\d+(\.\d+)?|true|false", text, re.IGNORECASE):
        return Equal("constant", {"value": text.lower()})
    return Equal(why="The value is an expression.")


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()
