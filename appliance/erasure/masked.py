"""What a subject's values are called in a copy, computed by the source itself.

The keys of the masks, and the subject's values, go into the start-up packet of a session on the source and to
no other server. What comes back is what stands in the copy anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import psycopg

from appliance.erasure.finding import FoundSubject, OpenKeyed, in_hex, setting_name, table_sql
from appliance.erasure.reach import ColumnKey, Ways
from appliance.keys.keys import source_key
from appliance.masking.bindings import secret_settings
from appliance.masking.compiled import Binding, CompiledColumn
from appliance.masking.expressions.sql_text import identifier
from appliance.postgres.errors import database_failure
from appliance.postgres.plan import Plan
from appliance.postgres.sessions.bindings import bind_words
from appliance.subjects.conditions import Anchor, Known, bound_text, equals, is_folded, rows_about, text_of
from appliance.subjects.walk import Walk
from appliance.workflow.catalog import Column

RowKey = tuple[str, ...]


@dataclass(frozen=True)
class Masked:
    """A subject as a copy knows it. Never to be printed or written."""

    anchors: dict[ColumnKey, str]
    keys: dict[str, list[RowKey]]
    """Of tables whose rows are found by their keys."""


def masked_subject(  # noqa: PLR0917
    open_source: OpenKeyed, key: bytes, plan: Plan, walked: Walk, found: FoundSubject, ways: Ways
) -> Masked:
    """Compute it. ``key`` is the appliance's. Raises our errors where the source does not answer."""
    anchors: dict[ColumnKey, str] = {}
    keys: dict[str, list[RowKey]] = {}
    try:
        for place, (root_column, compiled) in ways.anchors.items():
            value = found.values.get(root_column)
            if value is not None and compiled.mask is None:
                anchors[place] = value
            elif value is not None:
                query = _of_value(walked, place, compiled)
                ((text,),) = _ask(open_source, key, plan, [compiled], {"": value}, query)
                if text is not None:
                    anchors[place] = text
        for table, columns in ways.keys.items():
            keys[table] = _keys_of(open_source, key, plan, walked, found, table, columns)
    except psycopg.Error as error:
        raise database_failure("The source could not say what a copy calls the subject.", error) from None
    return Masked(anchors, keys)


def _of_value(walked: Walk, place: ColumnKey, compiled: CompiledColumn) -> str:
    """The mask of one value: an expression over a column of that name."""
    table, name = place
    column = walked.tables[table].column(name)
    shown = text_of(f"({compiled.sql})", column)
    # "character" alone would mean character(1).
    kind = "bpchar" if column.base_type == "character" else column.base_type
    value = f"({bound_text(setting_name(0))})::{kind}"
    return f"SELECT {shown} FROM (SELECT {value} AS {identifier(name)} OFFSET 0) AS t"  # noqa: S608


def _keys_of(  # noqa: PLR0917
    open_source: OpenKeyed,
    key: bytes,
    plan: Plan,
    walked: Walk,
    found: FoundSubject,
    table: str,
    columns: Sequence[CompiledColumn],
) -> list[RowKey]:
    listed = walked.tables[table]
    shown = ", ".join(text_of(f"({each.sql})", listed.column(each.name)) for each in columns)
    condition = rows_about(walked, table, raw_anchor(found), known=raw_own(walked, found))
    query = f"SELECT {shown} FROM {table_sql(listed.table)} AS t WHERE {condition}"  # noqa: S608
    return [tuple(map(str, row)) for row in _ask(open_source, key, plan, columns, found.values, query)]


def _ask(  # noqa: PLR0917
    open_source: OpenKeyed,
    key: bytes,
    plan: Plan,
    columns: Sequence[CompiledColumn],
    values: dict[str, str],
    query: str,
) -> list[tuple[str | None, ...]]:
    bindings: list[Binding] = list(
        {each.setting: each for column in columns for each in column.bindings}.values()
    )
    settings = raw_settings(values)
    settings |= secret_settings(source_key(key, plan.key_name, plan.epoch), bindings)
    with closing(open_source(settings)) as session, session.transaction():
        bind_words(session, bindings)
        return session.execute(query.encode()).fetchall()


def raw_settings(values: dict[str, str]) -> dict[str, str]:
    """Setting and value for each of them, in their order."""
    return {setting_name(number): in_hex(value) for number, value in enumerate(values.values())}


def raw_anchor(found: FoundSubject) -> Anchor:
    """By the subject's own values, bound in their order."""
    numbers = {name: number for number, name in enumerate(found.values)}

    def anchor(value: str, column: Column, root_column: str) -> str:
        if root_column not in numbers:
            return "false"
        return equals(value, column, found.values[root_column], setting_name(numbers[root_column]))

    return anchor


def raw_own(walked: Walk, found: FoundSubject) -> dict[str, Known]:
    """How its own row is found where its key is not known."""
    if walked.subject.key in found.values:
        return {}
    return {walked.root.name: own_row(walked, tuple(found.values), raw_anchor(found))}


def own_row(walked: Walk, columns: Sequence[str], anchor: Anchor) -> Known:
    """The subject's own row, by some of its columns."""
    root = walked.root

    def condition(alias: str) -> str:
        parts = [anchor(f"{alias}.{identifier(name)}", root.column(name), name) for name in columns]
        return f"({' OR '.join(parts)})" if parts else "false"

    return condition


def key_text(alias: str, table_columns: Sequence[Column]) -> list[str]:
    """A row's key as ``Masked.keys`` has it."""
    return [text_of(f"{alias}.{identifier(column.name)}", column) for column in table_columns]


def folded(text: str, column: Column) -> str:
    """A value from a file in the form that is compared: that of ``text_of``."""
    if column.base_kind == "base" and column.base_type == "character":
        return text.rstrip(" ")
    if column.base_kind == "base" and column.base_type.startswith("timestamp"):
        # As JSON has them: 2026-01-02T03:04:05+00:00.
        return text.replace("T", " ", 1).replace("+00:00", "+00")
    return text.lower() if is_folded(column) else text
