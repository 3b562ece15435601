"""Subjects' keys are looked up once a row, beside it, and not once for each mask that draws from them."""

from __future__ import annotations

from collections.abc import Iterable

from appliance.masking.compiled import CompiledColumn, SubjectLookup


def lookups_of(columns: Iterable[CompiledColumn]) -> tuple[SubjectLookup, ...]:
    """What the columns look up, each once."""
    return tuple({each.name: each for column in columns for each in column.lookups}.values())


def beside(lookups: Iterable[SubjectLookup]) -> str:
    """What stands in FROM after the table. No row comes twice: what is compared is unique there."""
    return "".join(each.join for each in lookups)


def as_columns(sql: str, lookups: Iterable[SubjectLookup]) -> str:
    """An expression, or several, with the columns of ``beside`` in place of the queries."""
    for each in lookups:
        sql = sql.replace(each.scalar, each.name)
    return sql


def selected(expressions: str, rows: str, columns: Iterable[CompiledColumn]) -> str:
    """``SELECT … FROM … WHERE …`` of expressions that hold the columns' masks; ``rows`` has the alias t."""
    lookups = lookups_of(columns)
    if not lookups:
        return f"SELECT {expressions} {rows}"
    chosen = f"(SELECT t.* {rows} OFFSET 0) AS t"
    return f"SELECT {as_columns(expressions, lookups)} FROM {chosen}{beside(lookups)}"  # noqa: S608
