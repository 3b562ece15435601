"""What a plan is made of, once everything is decided: its tables, its shards, what is bound for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from appliance.masking.by_condition import with_kept
from appliance.masking.compiled import Binding, CompiledColumn
from appliance.masking.reading_order import columns_read
from appliance.postgres.building.row_order import order_columns
from appliance.postgres.plan import (
    DefinitionSettings,
    PlannedTable,
    Shard,
    SourceFacts,
    TableName,
)
from appliance.postgres.planning.columns import CompiledTables
from appliance.postgres.planning.sharding import make_shards, table_size
from appliance.subjects.erased import ErasedRows
from appliance.workflow.catalog import Catalog, Table
from appliance.workflow.document import MaskSpec, Workflow
from appliance.workflow.matching.rules import Matching, SelectedTable

TableKey = tuple[str, str]


def planned_table(
    selected: SelectedTable, compiled: CompiledTables, where: str | None, free: Collection[TableKey]
) -> PlannedTable:
    """One selected table as the plan has it."""
    table = selected.table
    columns = compiled.columns[table.all_names[0]]
    binary_safe = {column.name: column.binary_safe for column in table.columns}
    own = TableName(schema_name=table.schema_name, name=table.name)
    root = None
    if table.root_schema is not None and table.root_name is not None:
        root = TableName(schema_name=table.root_schema, name=table.root_name)
    masked = {column.name for column in columns if column.mask is not None}
    moved = bool(masked & set(table.partition_key)) or table.unsettled
    return PlannedTable(
        schema_name=table.schema_name,
        name=table.name,
        root=root,
        load_into=root if moved and root is not None else own,
        columns=columns,
        row_key=_row_key(table, columns),
        order_by=order_columns(table, columns),
        where_sql=where,
        apart=where is not None and table.all_names[0] in free,
        hypertable=table.hypertable,
        format="binary" if all(binary_safe[column.name] for column in columns) else "text",
        estimated_rows=table.estimated_rows,
        bytes=table.bytes,
        pages=table.pages,
    )


def without_erased(table: PlannedTable, erased: ErasedRows) -> PlannedTable:
    """The table without rows about erased subjects, and with nothing that refers to one."""
    name = (table.schema_name, table.name)
    emptied = erased.emptied.get(name, {})
    # A condition that reads what is emptied means something else in the twin.
    kept = frozenset(column.name for column in table.columns if column.mask is None) - emptied.keys()
    instead = {
        each.sql: f"CASE WHEN {emptied[each.name]} THEN NULL ELSE {each.sql} END"
        for each in table.columns
        if each.name in emptied
    }
    columns = tuple(
        column.model_copy(update={"sql": instead[column.sql], "repeats": False, "lifted": None})
        if column.name in emptied
        else _written_from(column, instead)
        for column in (with_kept(each, kept) for each in table.columns)
    )
    # A condition that no row meets still says that the table is read by a query which looks at others.
    where = erased.where.get(name, "false" if emptied else None)
    return table.model_copy(update={"columns": columns, "erased_sql": where})


def _written_from(column: CompiledColumn, instead: Mapping[str, str]) -> CompiledColumn:
    """A column that writes others has nothing of those that are emptied in its row."""
    specs = [MaskSpec(mask=each.mask, params=each.options) for each in column.branches if each.mask]
    if not specs and column.mask is not None and not column.branches:
        specs = [MaskSpec(mask=column.mask, params=column.options)]
    if not any(columns_read(each) for each in specs):
        return column
    sql = column.sql
    for read, emptied in instead.items():
        sql = sql.replace(f"({read})", f"({emptied})")
    return column.model_copy(update={"sql": sql})


def _row_key(table: Table, columns: tuple[CompiledColumn, ...]) -> tuple[str, ...]:
    """A key that distinguishes every row from every other (NULL would not), a kept one if possible."""
    never_null = {column.name for column in table.columns if column.not_null}
    copied = {column.name for column in columns} & never_null
    masked = {column.name for column in columns if column.mask is not None}
    keys = [key for key in (table.primary_key, *table.unique_keys) if key and copied.issuperset(key)]
    return min(keys, key=lambda key: len(masked & set(key)), default=())


def shards_of(
    workflow: Workflow, catalog: Catalog, tables: Sequence[PlannedTable], targets: int
) -> tuple[Shard, ...]:
    """The pieces of the copying, over all targets."""
    ctid_readable = {table.all_names[0]: table.ctid_readable for table in catalog.tables}
    sizes = [
        table_size(
            table,
            server_version=catalog.server_version,
            ctid_readable=ctid_readable[table.schema_name, table.name],
        )
        for table in tables
    ]
    shards: list[Shard] = []
    for target in range(targets):
        shards += make_shards(
            sizes, parallel=workflow.limits.parallel, target=target, first_number=len(shards)
        )
    return tuple(shards)


def bindings_of(tables: Sequence[PlannedTable]) -> tuple[Binding, ...]:
    """What all masks of the tables ask for, once each."""
    found: dict[str, Binding] = {}
    for table in tables:
        for column in table.columns:
            for binding in column.bindings:
                found.setdefault(binding.setting, binding)
    return tuple(found.values())


def with_rows(matching: Matching) -> list[TableKey]:
    """The selected tables that hold rows."""
    return [each.table.all_names[0] for each in matching.tables if each.table.kind != "partitioned"]


def looked_into(matching: Matching, catalog: Catalog) -> list[Table]:
    """Tables that are read for their subjects' keys and not copied."""
    wanted = {each.table for one in matching.tables for each in one.links if each.looks_up}
    chosen = {each.table.oid for each in matching.tables}
    return [
        table
        for table in catalog.tables
        if table.oid not in chosen and not wanted.isdisjoint(table.all_names)
    ]


def left_out_tables(matching: Matching, catalog: Catalog) -> tuple[TableName, ...]:
    """Tables of the source that the workflow does not select."""
    chosen = {each.table.oid for each in matching.tables}
    return tuple(
        TableName(schema_name=table.schema_name, name=table.name)
        for table in catalog.tables
        if table.oid not in chosen
    )


def source_facts(connection: str, catalog: Catalog, settings: DefinitionSettings) -> SourceFacts:
    """What the plan says of the source."""
    return SourceFacts(
        connection=connection,
        database=catalog.database,
        server_version=catalog.server_version,
        encoding=catalog.encoding,
        locale_provider=catalog.locale_provider,
        collate=catalog.collate,
        ctype=catalog.ctype,
        locale=catalog.locale,
        icu_rules=catalog.icu_rules,
        extensions=catalog.extensions,
        in_recovery=catalog.in_recovery,
        settings=settings,
    )
