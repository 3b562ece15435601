"""Foreign keys of a twin that hold for new rows only, because what they refer to is not copied whole."""

from __future__ import annotations

from collections.abc import Collection

from appliance.postgres.source.unsupported_objects import LeftBehind
from appliance.workflow.catalog import Catalog, NotCarried

TableKey = tuple[str, str]
"""(schema, name)."""


def incomplete_tables(
    catalog: Catalog, selected: Collection[TableKey], filtered: Collection[TableKey]
) -> set[TableKey]:
    """Tables, with partitioned roots, of which the twin lacks rows."""
    copied = set(selected) - set(filtered)
    found: set[TableKey] = set()
    for table in catalog.tables:
        key = (table.schema_name, table.name)
        if table.kind == "partitioned" or key in copied:
            continue
        found.add(key)
        if table.root_schema is not None and table.root_name is not None:
            found.add((table.root_schema, table.root_name))
    return found


def unchecked_keys(
    catalog: Catalog,
    selected: Collection[TableKey],
    filtered: Collection[TableKey],
    left_behind: LeftBehind,
) -> list[NotCarried]:
    """Foreign keys of copied tables that refer to rows which are not."""
    # A key into a table that is not there at all is listed with that table.
    incomplete = incomplete_tables(catalog, selected, filtered) - left_behind.tables.keys()
    copied = set(selected)
    return [
        NotCarried(
            kind="foreign key",
            name=f"{key.name} on {table.qualified}",
            why=f"Not all rows of {key.to_schema}.{key.to_table} are copied. Where a row refers to one that"
            " is not, the key is kept for new rows only (on a partitioned table it is left out).",
        )
        for table in catalog.tables
        if (table.schema_name, table.name) in copied
        for key in table.foreign_keys
        if (key.to_schema, key.to_table) in incomplete
    ]
