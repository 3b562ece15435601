"""Sessions, snapshots and plans for tests of single parts of the engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg

from appliance.masking.compiler import keep_column
from appliance.postgres.plan import PlannedTable, TableName
from appliance.postgres.sessions.connect import open_session
from appliance.postgres.source.catalog_reader import read_catalog
from appliance.workflow.catalog import Catalog, Column, Table
from tests.engine.clusters import SUPERUSER, Cluster

Session = psycopg.Connection[Any]


@contextmanager
def session(
    cluster: Cluster, dbname: str, user: str = SUPERUSER, *, read_only: bool = True, **changes: Any
) -> Iterator[Session]:
    """A session as the engine opens it."""
    parameters = {
        "host": cluster.host,
        "port": str(cluster.port),
        "dbname": dbname,
        "user": user,
        "password": cluster.passwords[user],
        **changes,
    }
    opened = open_session(
        "test", parameters, application_name="engine-test", read_only=read_only, lock_timeout_s=2
    )
    with closing(opened):
        yield opened


def catalog_of(cluster: Cluster, dbname: str, user: str = SUPERUSER) -> Catalog:
    """The catalog as the user sees it."""
    with session(cluster, dbname, user) as source:
        return read_catalog(source)


def table_of(catalog: Catalog, name: str) -> Table:
    """A table by its qualified name."""
    return next(table for table in catalog.tables if table.qualified == name)


def column_of(table: Table, name: str) -> Column:
    """A column by its name."""
    return next(column for column in table.columns if column.name == name)


def kept(table: Table, **changes: Any) -> PlannedTable:
    """The table planned as it is."""
    columns = tuple(keep_column(column) for column in table.columns if not column.generated)
    safe = all(column.binary_safe for column in table.columns if not column.generated)
    planned = PlannedTable(
        schema_name=table.schema_name,
        name=table.name,
        load_into=TableName(schema_name=table.schema_name, name=table.name),
        columns=columns,
        format="binary" if safe else "text",
        estimated_rows=table.estimated_rows,
        bytes=table.bytes,
        pages=table.pages,
    )
    return planned.model_copy(update=changes)


def moment() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)
