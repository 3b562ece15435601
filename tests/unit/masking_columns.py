"""Columns and tables as the catalog reader would give them, for tests that need no database."""

from __future__ import annotations

from typing import Any

from appliance.workflow.catalog import Column, ForeignKey, Table
from appliance.workflow.document import MaskSpec


def column(name: str, column_type: str = "text", table: str = "t", **facts: Any) -> Column:
    """A column of public.<table>; the type's facts follow from its name for the usual types."""
    base = column_type.partition("(")[0].removesuffix("[]")
    kind = "array" if column_type.endswith("[]") else "base"
    length = None
    if "(" in column_type and base in ("character varying", "character"):
        length = int(column_type.partition("(")[2].partition(")")[0])
    defaults: dict[str, Any] = {
        "schema_name": "public",
        "table_name": table,
        "name": name,
        "position": 1,
        "type": column_type,
        "base_type": column_type if kind == "array" else base,
        "type_kind": kind,
        "base_kind": kind,
        "type_modifier_length": length,
    }
    return Column(**{**defaults, **facts})


def table(
    *columns: Column, name: str = "t", foreign_keys: tuple[ForeignKey, ...] = (), **facts: Any
) -> Table:
    """public.<name> with these columns."""
    return Table(
        schema_name="public",
        name=name,
        oid=1,
        kind="table",
        columns=columns,
        foreign_keys=foreign_keys,
        **facts,
    )


def mask(name: str, **params: Any) -> MaskSpec:
    """A mask as a workflow has it."""
    return MaskSpec(mask=name, params=params)
