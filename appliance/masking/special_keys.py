"""Whether a mask keeps unique what an index with a condition, or on an expression, says to be unique.

Such an index is safe where masked rows cannot come to be equal that were not, and no row comes in that stood
outside. What cannot be shown so is a problem: the twin would fail to build, hours later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from appliance.workflow.catalog import Column, SpecialKey, Table

IN_ONE_CASE = frozenset({"email", "hash", "uuid", "username", "domain", "random_string"})
"""Masks that keep text apart whatever its case: what they give has no capitals."""
_TAKES_NULL = re.compile(
    r"\bIS (NOT )?(NULL|TRUE|FALSE|UNKNOWN|DISTINCT)|\bcoalesce\b|\bconcat", re.IGNORECASE
)


def special_key_problems(
    table: Table,
    column: Column,
    masks: frozenset[str],
    *,
    distinct: bool,
    keeping: Callable[[], list[str]],
) -> Iterator[str]:
    """Why such indexes may not hold. ``masks`` are the column's; ``distinct``: they keep values apart.

    ``keeping`` names masks of the column's type that keep it unique.
    """
    nothing = masks == {"null"}
    keeps_null = not masks & {"null", "constant"}
    for key in table.special_keys:
        if column.name not in key.reads:
            continue
        why = (
            _nothing_left(table, column, key)
            if nothing
            else _broken(table, column, key, masks, distinct, keeps_null)
        )
        if why:
            thing = "exclusion constraint" if key.excludes else "unique index"
            other = _instead(table, column, key, keeping())
            yield f"{why}, and the {thing} {key.name} may not hold; use {other}{_without(table, key)}"
    yield from _computed(table, column, nothing=nothing)


def _nothing_left(table: Table, column: Column, key: SpecialKey) -> str:
    """Why the index may not hold where the column is NULL everywhere; empty if it does."""
    if key.predicate is not None and _names(key.predicate, column) and _TAKES_NULL.search(key.predicate):
        return f"NULL changes which rows the condition ({key.predicate}) is true of"
    if any(_names(each, column) and _TAKES_NULL.search(each) for each in key.expressions):
        return "the index is on an expression that is something for NULL"
    if key.nulls_not_distinct and not _apart_anyway(table, column, key):
        return "NULL counts as a value there (NULLS NOT DISTINCT)"
    return ""


def _broken(  # noqa: PLR0911, PLR0917 - one for each way
    table: Table, column: Column, key: SpecialKey, masks: frozenset[str], distinct: bool, keeps_null: bool
) -> str:
    if _apart_anyway(table, column, key):
        return ""
    if key.predicate is not None and _names(key.predicate, column):
        tests = re.compile(rf"\(?{re.escape(_quoted(column.name))}\)? IS (NOT )?NULL")
        if not keeps_null or _names(tests.sub("", key.predicate), column):
            return f"masked values change which rows the condition ({key.predicate}) is true of"
    for each in key.expressions:
        if _names(each, column) and not (distinct and masks <= IN_ONE_CASE and _is_folded(each, column)):
            return f"what the index compares ({each}) may become equal"
    if column.name not in key.columns:
        return ""
    if key.excludes:
        return "" if distinct and column.name in key.equal else "masked values may meet where no others do"
    if key.nulls_not_distinct and "null" in masks:
        return "NULL counts as a value there (NULLS NOT DISTINCT)"
    return "" if distinct else "masked values may become equal"


def _apart_anyway(table: Table, column: Column, key: SpecialKey) -> bool:
    """Whether a whole key stands beside the column: no two rows are alike there, whatever a mask gives."""
    compared = set(key.equal if key.excludes else key.columns) - {column.name}
    return table.told_apart_by(compared, nulls_alike=key.nulls_not_distinct)


def _computed(table: Table, column: Column, *, nothing: bool) -> Iterator[str]:
    """Generated columns: the twin computes them from what is masked."""
    special = {name for key in table.special_keys for name in key.reads}
    keys = {name for key in (table.primary_key, *table.unique_keys) for name in key} | special
    for each in table.columns:
        if not each.generated or column.name not in (each.generated_from or ()):
            continue
        if (each.unique_alone or each.name in keys) and not nothing:
            yield (
                f"the column {each.name} is computed from it and has to be unique, which cannot be shown of"
                " masked values; use keep"
            )
        elif nothing and each.not_null:
            yield f"the column {each.name} is computed from it and may not be NULL; use another mask or keep"


def _without(table: Table, key: SpecialKey) -> str:
    """The way out that does without it. A partition's goes by the name of the one above."""
    if table.root_name is not None:
        return ""
    kind = (
        f"constraint {key.name} on {table.qualified}"
        if key.excludes
        else f"index {table.schema_name}.{key.name}"
    )
    return f', or do without it: leave_out: ["{kind}"]'


def _instead(table: Table, column: Column, key: SpecialKey, keeping: list[str]) -> str:
    found = [name for name in keeping if name != "null"]
    if key.predicate is not None and _names(key.predicate, column):
        found = []
    elif any(_names(each, column) for each in key.expressions):
        folded = all(_is_folded(each, column) for each in key.expressions if _names(each, column))
        found = [name for name in found if name in IN_ONE_CASE] if folded else []
    elif key.excludes and column.name not in key.equal:
        found = []
    if "null" in keeping and not _nothing_left(table, column, key):
        found = ["null", *found]
    return f"{', '.join(found)} or keep" if found else "keep"


def _is_folded(expression: str, column: Column) -> bool:
    """The text in one case, and nothing else."""
    name = re.escape(_quoted(column.name))
    return (
        re.fullmatch(rf"(lower|upper)\(\(?{name}\)?(::(text|character varying))?\)", expression) is not None
    )


def _names(sql: str, column: Column) -> bool:
    """Whether SQL that PostgreSQL has written names a column; rather too often than too seldom."""
    return re.search(rf"(?<!\w){re.escape(column.name.replace(chr(34), chr(34) * 2))}(?!\w)", sql) is not None


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'
