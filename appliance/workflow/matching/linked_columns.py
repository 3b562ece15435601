"""Which columns can say whose row it is: what is unique, what is compared, what is drawn from alike."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.workflow.catalog import Column, Table

_WHOLE_NUMBERS = frozenset({"smallint", "integer", "bigint"})
_TEXTS = frozenset({"text", "character varying", "character", "bpchar"})
_FOLDED_KEY = ("lower({})", "lower(({})::text)")


def is_read_through(table: Table, name: tuple[str, str], columns: Sequence[str]) -> bool:
    """Whether a table is the one of that name, its partition, or one that INHERITS the columns from it."""
    if name in table.all_names:
        return True
    above = [table.family(each) for each in table.columns if each.name in columns]
    return bool(above) and all(name in each for each in above)


def is_unique(table: Table, columns: Sequence[str]) -> bool:
    """Whether no two rows have the same in some columns, none being NULL."""
    wanted = set(columns)
    if any(each.unique_alone for each in table.columns if each.name in wanted):
        return True
    return any(key and wanted.issuperset(key) for key in (table.primary_key, *table.unique_keys))


def is_folded(column: Column) -> bool:
    return column.base_kind == "base" and column.base_type.rpartition(".")[2] == "citext"


def of_kind(column: Column) -> str | None:
    if column.base_kind != "base":
        return None
    if column.base_type in _TEXTS or is_folded(column):
        return "text"
    if column.base_type in _WHOLE_NUMBERS:
        return "number"
    return "uuid" if column.base_type == "uuid" else None


def alike(column: Column, key: Column) -> bool:
    """Whether a key's value is drawn from alike in both."""
    if column.base_kind == "array" or key.base_kind == "array":
        return False
    if of_kind(key) in ("text", "number"):
        return of_kind(column) == of_kind(key) and is_folded(column) == is_folded(key)
    return column.base_type == key.base_type


def is_lower_of(expression: str, name: str) -> bool:
    quoted = '"' + name.replace('"', '""') + '"'
    return expression in {form.format(each) for form in _FOLDED_KEY for each in (name, quoted)}
