"""A tag and its attributes in SQL, written anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from appliance.masking.expressions.sql_text import literal
from appliance.masking.xml.characters import decoded, trimmed, written
from appliance.masking.xml.paths import ANY

_ATTRIBUTES = literal(r"""[ \t\n\r]([^ \t\n\r=/<>"']+)[ \t\n\r]*=[ \t\n\r]*("[^"]*"|'[^']*')""")


@dataclass(frozen=True)
class AttributeRule:
    """What becomes of an attribute."""

    condition: str
    """That the tag is one of whose attributes this is said."""
    name: str
    masked: Callable[[str], str] | None
    """From the SQL of a value to that of its replacement; None keeps it as it is written."""
    deleted: bool = False


def attribute_rows(tag: str, encoding: str, prefix: str) -> str:
    """A query of a tag's attributes: name, local name, value as it is written, what it means, its place."""
    name, raw, place, found = (f"{prefix}_{each}" for each in ("aname", "araw", "aat", "afound"))
    local = f"regexp_replace({name}, '^.*:', '')"
    value = trimmed(decoded(f"{prefix}_ainner", encoding, f"{prefix}_a", attribute=True))
    return (
        f"SELECT {name}, {raw}, {place}, {local} AS {prefix}_alocal, {value} AS {prefix}_avalue"
        f" FROM (SELECT {found}[1] AS {name}, {found}[2] AS {raw}, {place},"
        f" substr({found}[2], 2, length({found}[2]) - 2) AS {prefix}_ainner"
        f" FROM regexp_matches({tag}, {_ATTRIBUTES}, 'g') WITH ORDINALITY"
        f" AS appliance_attributes ({found}, {place}) OFFSET 0) AS appliance_raw OFFSET 0"
    )


def is_declaration(prefix: str) -> str:
    """That an attribute of ``attribute_rows`` declares a namespace, and is none."""
    return f"({prefix}_aname = 'xmlns' OR {prefix}_aname LIKE 'xmlns:%')"


def is_called(name: str, prefix: str) -> str:
    """That an attribute of ``attribute_rows`` has this local name."""
    called = "" if name == ANY else f" AND {prefix}_alocal = {literal(name)}"
    return f"(NOT {is_declaration(prefix)}{called})"


def attributes(
    tag: str, rules: Sequence[AttributeRule], *, encoding: str, prefix: str, kept: str, spelled: str
) -> str:
    """All attributes of a tag as text.

    ``kept``: a condition that those of no rule stay. ``spelled``: a condition that names keep their prefix,
    and declarations of namespaces stay.
    """
    name, raw, local, place = (f"{prefix}_{each}" for each in ("aname", "araw", "alocal", "aat"))
    shown = f"' ' || CASE WHEN {spelled} THEN {name} ELSE {local} END || '=' ||"
    branches = [f"WHEN {is_declaration(prefix)} THEN CASE WHEN {spelled} THEN {shown} {raw} END"]
    for rule in rules:
        if rule.deleted:
            made = "NULL"
        elif rule.masked is None:
            made = f"{shown} {raw}"
        else:
            new = written(f"({rule.masked(f'{prefix}_avalue')})", encoding, "attribute")
            made = f"{shown} '\"' || coalesce({new}, '') || '\"'"
        branches.append(f"WHEN {rule.condition} AND {is_called(rule.name, prefix)} THEN {made}")
    piece = f"CASE {' '.join(branches)} WHEN {kept} THEN {shown} {raw} END"
    # Two attributes may differ in their prefix alone.
    first = f"row_number() OVER (PARTITION BY {local} ORDER BY {place})"
    rows = attribute_rows(tag, encoding, prefix)
    return (
        f"coalesce((SELECT string_agg({piece}, '' ORDER BY {place})"
        f" FROM (SELECT *, {first} AS {prefix}_afirst FROM ({rows}) AS appliance_read) AS appliance_attribute"
        f" WHERE {prefix}_afirst = 1 OR {spelled}), '')"
    )
