"""Unique indexes and exclusion constraints that are more than some columns being unique together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.postgres.no_encoding import rows_in
from appliance.postgres.source.catalog_queries import SPECIAL_KEYS
from appliance.workflow.catalog import SpecialKey


def read_special_keys(
    connection: Connection[TupleRow], oids: Sequence[int], names: Mapping[int, Mapping[int, str]]
) -> dict[int, tuple[SpecialKey, ...]]:
    """Those of some tables, by oid; ``names`` are their columns by number. Raises psycopg errors."""
    found: dict[int, list[SpecialKey]] = defaultdict(list)
    for oid, name, key, expressions, predicate, read, nulls, excludes, operators in rows_in(
        connection, SPECIAL_KEYS, [list(oids)]
    ):
        columns = [names[oid].get(number) for number in key]
        equal = [
            column
            for column, operator in zip(columns, operators, strict=False)
            if column is not None and operator == "="
        ]
        found[oid].append(
            SpecialKey(
                name=name,
                columns=tuple(column for column in columns if column is not None),
                expressions=tuple(expressions),
                predicate=predicate,
                reads=tuple(dict.fromkeys(names[oid][number] for number in (*key, *read) if number > 0)),
                nulls_not_distinct=nulls,
                excludes=excludes,
                equal=tuple(equal),
            )
        )
    return {oid: tuple(keys) for oid, keys in found.items()}
