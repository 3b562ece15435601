"""The query of a preview: what a run would copy of some rows, beside the shape of what they hold.

The shape of a value says where it has letters, digits and signs: ``aaaa.aa@aaaa.aaa``. The source computes
it, so no original leaves it.
"""

from __future__ import annotations

from collections.abc import Sequence

from appliance.masking.compiled import CompiledColumn
from appliance.masking.shape import Value, column_value, shape_of
from appliance.postgres.copying.copy_sql import masked_select
from appliance.postgres.plan import CopyItem, PlannedTable
from appliance.workflow.catalog import Column

LONGEST = 60
"""Characters of an original of which the shape is shown."""
LONGEST_SHOWN = 400
"""Characters of a value that is shown."""


def preview_query(
    table: PlannedTable,
    columns: Sequence[Column],
    item: CopyItem | None,
    rows: int,
    *,
    originals: bool,
) -> str:
    """Of each masked column its value in the twin, of each column its shape, and where asked its original.

    All as text, in this order. ``columns`` are the catalog's for the table's.
    """
    known = {column.name: column for column in columns}
    shown = [_twin(column, known[column.name]) for column in table.masked_columns]
    shown += [_beside(column, shape_sql(column_value(known[column.name]))) for column in table.columns]
    if originals:
        shown += [_beside(column, _original(column_value(known[column.name]))) for column in table.columns]
    return f"{masked_select(table.model_copy(update={'columns': tuple(shown)}), item)} LIMIT {rows}"


def shape_sql(value: Value) -> str:
    """The shape of a value, in ASCII: never an error, and nothing of what the value says."""
    if value.shape.kind == "bytea" and not value.shape.is_array:
        return f"octet_length({value.sql})::text || ' bytes'"
    shape = f"left({value.text}, {LONGEST})"
    for pattern, sign in (("[0-9]", "9"), ("[A-Z]", "A"), ("[a-z]", "a"), ("[^ -~]", "a")):
        shape = f"regexp_replace({shape}, '{pattern}', '{sign}', 'g')"
    return f"{shape} || CASE WHEN length({value.text}) > {LONGEST} THEN '…' ELSE '' END"


def _original(value: Value) -> str:
    if value.shape.kind == "bytea" and not value.shape.is_array:
        return f"left(encode(substr({value.sql}, 1, {LONGEST_SHOWN // 2}), 'hex'), {LONGEST_SHOWN})"
    return f"left({value.text}, {LONGEST_SHOWN})"


def _twin(compiled: CompiledColumn, column: Column) -> CompiledColumn:
    text = Value(f"({compiled.sql})", shape_of(column)).text
    # The whole expression in one place: the shown column is not the only one of its name.
    return compiled.model_copy(update={"sql": f"left({text}, {LONGEST_SHOWN})", "lifted": None})


def _beside(compiled: CompiledColumn, sql: str) -> CompiledColumn:
    return CompiledColumn(name=compiled.name, type="text", sql=sql)
