"""Masked values of some rows of a table, under a key that is thrown away, for what is tried on them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.masking.bindings import secret_settings
from appliance.masking.compiled import CompiledColumn
from appliance.masking.compiler import check_column, compile_column, fitting
from appliance.masking.expressions.permutation import drawn_once
from appliance.masking.registry import MASKS
from appliance.masking.shape import shape_of
from appliance.postgres.copying.copy_sql import rows_of
from appliance.postgres.copying.subject_lookups import selected as selected_with
from appliance.postgres.plan import PlannedTable
from appliance.postgres.sessions.bindings import bind_words
from appliance.workflow.catalog import Column, Table
from appliance.workflow.document import MaskSpec

ROWS = 1_000
TIMEOUT = "SET LOCAL statement_timeout = '10s'"
_OTHERS_TRIED = 12

Row = tuple[str | None, ...]
"""Values in their text form, as COPY writes them: no cast that a type's owner has made is called."""


def may_be_sampled(table: PlannedTable) -> bool:
    """Whether rows can be read as they are copied, with no other key and in no other session.

    Rows about erased subjects are sampled by nothing, and no key that says them is bound.
    """
    return not (table.apart or table.read_path or table.unplanned or table.erased_sql is not None)


def bind_for_trial(source: Connection[TupleRow], columns: Sequence[CompiledColumn], key: bytes) -> None:
    """Set what the masks ask for, for the rest of the transaction; ``key`` is not the appliance's."""
    bindings = list({each.setting: each for column in columns for each in column.bindings}.values())
    for setting, value in secret_settings(key, bindings).items():
        source.execute("SELECT set_config(%s, %s, true) IS NULL", [setting, value])
    bind_words(source, bindings)


def masked_rows(
    source: Connection[TupleRow], table: PlannedTable, columns: Sequence[CompiledColumn]
) -> list[Row]:
    """These columns of up to ``ROWS`` rows, as they would stand in a twin. psycopg errors pass."""
    # A name and a place: two masks of a table may give the same expression.
    shown = ", ".join(f"{each.sql} AS c{place}" for place, each in enumerate(columns))
    query = f"{selected_with(shown, rows_of(table), columns)} LIMIT {ROWS}"
    with source.transaction(force_rollback=True):
        source.execute(TIMEOUT)
        bind_for_trial(source, columns, secrets.token_bytes(32))
        with source.cursor().copy(f"COPY ({drawn_once(query)}) TO STDOUT".encode()) as copy:
            return [tuple(row) for row in copy.rows()]


def other_masks(
    table: Table, column: Column, but: str | None, encoding: str
) -> Iterator[tuple[str, CompiledColumn]]:
    """Some masks that the column takes as they are, without parameters, each compiled for it."""
    names = [name for name in fitting(shape_of(column)) if name != but and _is_plain(name)]
    for name in names[:_OTHERS_TRIED]:
        spec = MaskSpec(mask=name)
        if not check_column(table, column, spec, encoding=encoding):
            yield name, compile_column(table, column, spec, encoding=encoding)


def _is_plain(mask: str) -> bool:
    return all(not field.is_required() for field in MASKS[mask].params.model_fields.values())
