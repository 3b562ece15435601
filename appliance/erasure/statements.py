"""The SQL of an erasure in one database, in the order in which foreign keys allow it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from appliance.erasure.finding import table_sql
from appliance.errors import WrongRequestError
from appliance.masking.expressions.neutral import neutral_value
from appliance.masking.expressions.sql_text import identifier
from appliance.subjects.walk import LinkedTable, Unlinked, Walk

ConditionOf = Callable[[LinkedTable], str | None]
"""What is true for its rows about the subject (alias ``t``); None where the database does not have it."""
ReferringTo = Callable[[Unlinked], str | None]


@dataclass(frozen=True)
class Change:
    """What happens to the rows of one table."""

    table: str
    count: str
    """A query of one number: how many rows there are to change."""
    change: str | None
    """None where they are kept."""


def changes(
    walked: Walk, condition_of: ConditionOf, referring_to: ReferringTo, *, in_source: bool
) -> list[Change]:
    """All of them, in order. In copies every row goes; in the source what the document says becomes of it.

    Raises WrongRequestError for a column that cannot be emptied.
    """
    found = [_unlink(each, condition) for each in walked.unlinked if (condition := referring_to(each))]
    for table in walked.deletion_order:
        condition = condition_of(table)
        if condition is None:
            continue
        rows = walked.subject.rows[table.name]
        place = f"{table_sql(table.table)} AS t"
        if in_source and rows.do == "mask":
            found.append(_mask(table, rows.columns, condition))
            continue
        delete = f"DELETE FROM {place} WHERE {condition}"  # noqa: S608
        kept = in_source and rows.do == "keep"
        count = f"SELECT count(*) FROM {place} WHERE {condition}"  # noqa: S608
        found.append(Change(table.name, count, None if kept else delete))
    return found


def _unlink(unlinked: Unlinked, condition: str) -> Change:
    table, (column,) = unlinked.table, unlinked.link.columns
    place = f"{table_sql(table)} AS t"
    return Change(
        f"{table.qualified}.{column}",
        f"SELECT count(*) FROM {place} WHERE {condition}",  # noqa: S608
        f"UPDATE {place} SET {identifier(column)} = NULL WHERE {condition}",  # noqa: S608
    )


def _mask(table: LinkedTable, names: tuple[str, ...], condition: str) -> Change:
    place = f"{table_sql(table.table)} AS t"
    emptied = {name: _emptied(table, name) for name in names}
    full = " OR ".join(full for _, full in emptied.values())
    rows = f"{place} WHERE {condition} AND ({full})"
    sets = ", ".join(f"{identifier(name)} = {value}" for name, (value, _) in emptied.items())
    return Change(
        table.name,
        f"SELECT count(*) FROM {rows}",  # noqa: S608
        f"UPDATE {place} SET {sets} WHERE {condition} AND ({full})",  # noqa: S608
    )


def _emptied(table: LinkedTable, name: str) -> tuple[str, str]:
    """What a column is set to, and what is true for as long as it has not been."""
    column = table.column(name)
    here = f"t.{identifier(name)}"
    if not column.not_null and not column.generated:
        return "NULL", f"{here} IS NOT NULL"
    unique = column.unique_alone or any(name in key for key in table.table.unique_keys)
    length = column.type_modifier_length
    if unique and column.base_type in ("text", "character varying") and (length is None or length >= 43):
        # Another subject's row may have been emptied before.
        return "'erased-' || gen_random_uuid()", f"{here} NOT LIKE 'erased-%'"
    value = None if unique or column.generated else neutral_value(column)
    if value is None:
        raise WrongRequestError(
            f"{table.name}.{name} cannot be emptied: it is NOT NULL, of the type {column.type}"
            + (", and unique." if unique else "."),
            "subjects.yaml says that it is masked in the source.",
            f"Say delete or keep for {table.name}, or leave the column out.",
        )
    return value, f"{here} IS DISTINCT FROM {value}"
