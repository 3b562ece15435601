"""Read a source's catalog into plain models, with a handful of queries whatever the number of tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from typing import Any, Literal

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.postgres.source import catalog_queries
from appliance.postgres.source.composite_reader import read_fields
from appliance.postgres.source.hypertables import read_hypertables
from appliance.postgres.source.special_keys import read_special_keys
from appliance.postgres.source.type_reader import read_types
from appliance.postgres.source.uncopied_kinds import read_not_carried, read_sharded
from appliance.postgres.source.view_reader import read_view_columns
from appliance.workflow.catalog import Ancestor, Catalog, Column, ForeignKey, KeyComparison, Table

# What a row of a table that was never analysed is taken to need, in bytes.
_GUESSED_ROW_BYTES = 100

_LOCK_TIMEOUT_MS = 1000
"""For measuring, which is worth no longer wait."""

Key = dict[int, list[Any]]


def read_catalog(
    connection: Connection[TupleRow], measured: Callable[[Catalog], Collection[int]] | None = None
) -> Catalog:
    """Everything planning needs, as the session's role and snapshot see it.

    ``measured`` says by oid which tables are measured, all of them where it is None. The others, and those
    that another session has locked, have the size that the last VACUUM or ANALYZE noted, and are not touched.
    The session must have an empty ``search_path`` (``open_session`` sees to it). Raises psycopg errors.
    """
    catalog, block = _read(connection)
    wanted = measured(catalog) if measured is not None else [table.oid for table in catalog.tables]
    with_rows = {table.oid for table in catalog.tables if table.kind in {"table", "unlogged"} and table.paged}
    sizes = _sizes(connection, sorted(with_rows.intersection(wanted)))
    tables = tuple(
        table.model_copy(update=_measured(table, *sizes[table.oid], block)) if table.oid in sizes else table
        for table in catalog.tables
    )
    return catalog.model_copy(update={"tables": tables})


def _sizes(connection: Connection[TupleRow], oids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Bytes without and with TOAST; without those that are locked or gone, and without waiting for them."""
    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT_MS}ms'")
            rows = connection.execute(catalog_queries.SIZES, [list(oids)]).fetchall()
            raise psycopg.Rollback
    except psycopg.errors.LockNotAvailable:
        return {}
    return {oid: (size, whole) for oid, size, whole in rows if size is not None and whole is not None}


def _measured(table: Table, size: int, whole: int, block: int) -> dict[str, int]:
    noted = table.pages
    return {
        "pages": size // block,
        "bytes": whole,
        "estimated_rows": _estimate(table.estimated_rows if noted else 0, noted, size, block),
    }


def _read(connection: Connection[TupleRow]) -> tuple[Catalog, int]:
    database = connection.execute(catalog_queries.DATABASE).fetchone()
    assert database is not None  # noqa: S101
    name, encoding, collate, ctype, version, in_recovery, block, provider, locale, rules = database
    hypertables, sharded = read_hypertables(connection), read_sharded(connection)
    rows = [row for row in connection.execute(catalog_queries.TABLES) if row[0] not in hypertables.kept]
    oids = [row[0] for row in rows]
    indexes = connection.execute(catalog_queries.UNIQUE_INDEXES, [oids]).fetchall()
    columns, names = _columns(connection, {row[0]: (row[1], row[2]) for row in rows}, indexes)
    unique: Key = defaultdict(list)
    nulls_alike: Key = defaultdict(list)
    primary: dict[int, tuple[str, ...]] = {}
    for oid, key, is_primary, whole, _, alike, _ in indexes:
        if whole:
            unique[oid].append(tuple(names[oid][number] for number in key))
        if whole and alike:
            nulls_alike[oid].append(unique[oid][-1])
        if is_primary:
            primary[oid] = tuple(names[oid][number] for number in key)
    special = read_special_keys(connection, oids, names)
    foreign = _foreign_keys(connection, oids, names)
    parents: dict[int, int] = dict(connection.execute(catalog_queries.PARTITIONED_BY).fetchall())
    partition_keys = _partition_keys(connection, parents)
    unsettled = {oid for (oid,) in connection.execute(catalog_queries.UNSETTLED_PARTITIONS)}
    known = {row[0]: (row[1], row[2]) for row in rows}
    partly = [row[0] for row in rows if not row[10]]
    unreadable = (
        {oid for (oid,) in connection.execute(catalog_queries.UNREADABLE_COLUMNS, [partly])}
        if partly
        else set()
    )
    tables = tuple(
        Table(
            schema_name=schema,
            name=table,
            oid=oid,
            kind=_table_kind(kind, persistence),
            columns=columns.get(oid, ()),
            primary_key=primary.get(oid, ()),
            unique_keys=tuple(dict.fromkeys(unique[oid])),
            nulls_alike=tuple(dict.fromkeys(nulls_alike[oid])),
            special_keys=special.get(oid, ()),
            foreign_keys=tuple(foreign[oid]),
            root_schema=root_schema,
            root_name=root_name,
            ancestors=tuple(known[each] for each in _between(oid, parents) if each in known),
            partition_key=partition_keys.get(oid, ()),
            unsettled=not unsettled.isdisjoint(_above(oid, parents)),
            paged=(paged := not other_method and oid not in hypertables.extents),
            pages=pages if paged else 0,
            bytes=pages * block,
            estimated_rows=_estimate(tuples, pages, pages * block, block),
            readable=usage and (whole or oid not in unreadable),
            ctid_readable=usage and whole and paged,
            hypertable=oid in hypertables.extents,
            sharded=oid in sharded,
            row_security=secured,
        )
        for oid, schema, table, kind, persistence, root_schema, root_name, *measured in rows
        for tuples, pages, usage, whole, secured, other_method in (measured,)
    )
    tables = hypertables.with_extents(tables, block)
    catalog = Catalog(
        server_version=version,
        database=name,
        encoding=encoding,
        locale_provider=_PROVIDERS.get(provider or "c", "libc"),
        collate=collate or "",
        ctype=ctype or "",
        locale=locale,
        icu_rules=rules,
        in_recovery=in_recovery,
        tables=tables,
        extensions=tuple((name, version) for name, version in connection.execute(catalog_queries.EXTENSIONS)),
        not_carried=(*read_not_carried(connection), *hypertables.not_carried(tables)),
        view_columns=read_view_columns(connection),
    )
    return catalog, block


_PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}


def _columns(
    connection: Connection[TupleRow], tables: dict[int, tuple[str, str]], indexes: list[TupleRow]
) -> tuple[dict[int, tuple[Column, ...]], dict[int, dict[int, str]]]:
    """Columns of each table, and column names by number."""
    oids = list(tables)
    rows = connection.execute(catalog_queries.COLUMNS, [oids]).fetchall()
    types = read_types(connection, ((row[3], row[4]) for row in rows))
    fields = read_fields(connection, (row[3] for row in rows))
    shared = {pair: {**asdict(facts), "fields": fields.get(pair[0], ())} for pair, facts in types.items()}
    alone: set[tuple[int, int]] = set()
    partial: set[tuple[int, int]] = set()
    keyed: set[tuple[int, int]] = set()
    null_repeats: set[tuple[int, int]] = set()
    for oid, key, is_primary, whole, mentioned, nulls_alike, asked in indexes:
        null_repeats.update((oid, number) for number in {*asked, *(key if nulls_alike and not whole else ())})
        if whole and len(key) == 1:
            alone.add((oid, key[0]))
        if not whole:
            partial.update((oid, number) for number in {*mentioned, *key} if number > 0)
        if is_primary:
            keyed.update((oid, number) for number in key)
    checks: dict[tuple[int, int], list[str]] = defaultdict(list)
    null_checks: dict[tuple[int, int], list[str]] = defaultdict(list)
    for oid, name, numbers, asks_for_null in connection.execute(catalog_queries.CHECKS, [oids]):
        for number in numbers:
            checks[oid, number].append(name)
            if asks_for_null:
                null_checks[oid, number].append(name)
    sources: dict[tuple[int, int], list[str]] = defaultdict(list)
    for oid, number, read in connection.execute(catalog_queries.GENERATED_FROM, [oids]):
        sources[oid, number].append(read)
    inherited = _inherited(connection, oids)
    columns: dict[int, list[Column]] = defaultdict(list)
    names: dict[int, dict[int, str]] = defaultdict(dict)
    for oid, name, number, type_oid, modifier, not_null, generated, identity, *more in rows:
        deterministic, collation, counted = more
        facts = shared[type_oid, modifier]
        schema, table = tables[oid]
        place = (oid, number)
        names[oid][number] = name
        columns[oid].append(
            Column(
                **{
                    **facts,
                    "schema_name": schema,
                    "table_name": table,
                    "name": name,
                    "position": number,
                    "not_null": not_null or facts["not_null"] or place in keyed,
                    "generated": generated,
                    "generated_from": tuple(sources.get(place, ())) if generated else None,
                    "identity": identity,
                    "from_sequence": counted,
                    "unique_alone": place in alone,
                    "unique_partial": place in partial,
                    "null_repeats": place in null_repeats,
                    "check_constraints": tuple(checks.get(place, ())),
                    "null_checks": tuple(null_checks.get(place, ())),
                    "inherited_from": tuple(inherited.get(place, ())),
                    "deterministic": deterministic,
                    "collation": collation,
                }
            )
        )
    return {oid: tuple(found) for oid, found in columns.items()}, names


def _inherited(connection: Connection[TupleRow], oids: list[int]) -> dict[tuple[int, int], list[Ancestor]]:
    """By (table, column number): the tables above by INHERITS that have the column, the nearest first."""
    found: dict[tuple[int, int], list[Ancestor]] = defaultdict(list)
    for oid, number, schema, name, distance in connection.execute(catalog_queries.INHERITED, [oids]):
        found[oid, number].append(Ancestor(schema_name=schema, name=name, distance=distance))
    return found


def _foreign_keys(
    connection: Connection[TupleRow], oids: list[int], names: dict[int, dict[int, str]]
) -> dict[int, list[ForeignKey]]:
    compared: dict[tuple[int, str], list[KeyComparison]] = defaultdict(list)
    nullable: dict[tuple[int, str], list[str]] = defaultdict(list)
    for oid, name, here, operator, to_type, own_type, collation, trusted, may_be_null in connection.execute(
        catalog_queries.KEY_COMPARISONS, [oids]
    ):
        compared[oid, name].append(
            KeyComparison(
                operator=operator, to_type=to_type, own_type=own_type, collation=collation, trusted=trusted
            )
        )
        if may_be_null:
            nullable[oid, name].append(names[oid][here])
    found: dict[int, list[ForeignKey]] = defaultdict(list)
    for oid, name, key, schema, table, to_columns, deferrable, validated, period in connection.execute(
        catalog_queries.FOREIGN_KEYS, [oids]
    ):
        found[oid].append(
            ForeignKey(
                name=name,
                columns=tuple(names[oid][number] for number in key),
                to_schema=schema,
                to_table=table,
                to_columns=tuple(to_columns),
                comparisons=tuple(compared[oid, name]),
                nullable=tuple(nullable[oid, name]),
                period=period,
                deferrable=deferrable,
                validated=validated,
            )
        )
    return found


def _above(oid: int, parents: dict[int, int]) -> list[int]:
    """The partitioned tables above a partition, up to its root."""
    above = []
    while (oid := parents.get(oid, 0)) != 0:
        above.append(oid)
    return above


def _between(oid: int, parents: dict[int, int]) -> list[int]:
    """The partitioned tables between a partition and its root, the nearest first."""
    above = []
    ancestor = parents.get(oid)
    while ancestor is not None and ancestor in parents:
        above.append(ancestor)
        ancestor = parents[ancestor]
    return above


def _partition_keys(connection: Connection[TupleRow], parents: dict[int, int]) -> dict[int, tuple[str, ...]]:
    """For every partition, the key columns of all partitioned tables above it."""
    own: dict[int, list[str]] = defaultdict(list)
    for oid, name in connection.execute(catalog_queries.PARTITION_KEYS):
        own[oid].append(name)
    keys: dict[int, tuple[str, ...]] = {}
    for oid in parents:
        above: list[str] = []
        ancestor = parents.get(oid)
        while ancestor is not None:
            above += own[ancestor]
            ancestor = parents.get(ancestor)
        keys[oid] = tuple(sorted(set(above)))
    return keys


def _table_kind(kind: str, persistence: str) -> Literal["table", "partitioned", "foreign", "unlogged"]:
    if kind == "p":
        return "partitioned"
    if kind == "f":
        return "foreign"
    return "unlogged" if persistence == "u" else "table"


def _estimate(tuples: float, analysed_pages: int, size: int, block: int) -> int:
    """Rows now: the density of the last ANALYZE over today's pages, as the planner does it."""
    pages = size // block
    if pages == 0:
        return 0
    if tuples > 0 and analysed_pages > 0:
        return round(tuples / analysed_pages * pages)
    return size // _GUESSED_ROW_BYTES
