"""Plans for tests: of a workflow and a real source, of everything as it is, of tables planned by hand."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from appliance.documents.problems import Places
from appliance.policy.policy import Origin, Policy
from appliance.postgres.plan import (
    CopyItem,
    DefinitionSettings,
    Plan,
    PlannedTable,
    Shard,
    SourceFacts,
    TableName,
    TargetFacts,
)
from appliance.postgres.planning.planning import PlanRequest, make_plan
from appliance.postgres.source.catalog_reader import read_catalog
from appliance.postgres.source.snapshot import export_snapshot
from appliance.postgres.twin.target.checks import TargetCheck
from appliance.steps.records.run_spec import RunSpec
from appliance.workflow.catalog import Catalog, Table
from appliance.workflow.document import Workflow
from tests.engine.clusters import SUPERUSER, Cluster
from tests.engine.source_session import kept, moment, session


def workflow_of(**changes: Any) -> Workflow:
    """A workflow that copies everything as it is, with changes."""
    document = {
        "id": "planned",
        "source": "production",
        "tables": {"include": ["*.*"]},
        "unlisted": "keep",
        "deliver": [{"twin": {"connection": "staging"}}],
        **changes,
    }
    return Workflow.model_validate(document)


def plan_of(
    source: Cluster,
    database: str,
    *,
    user: str = SUPERUSER,
    policy: Policy | None = None,
    origin: Origin = "local",
    approved: tuple[str, ...] = (),
    **changes: Any,
) -> Plan:
    """The plan of a workflow, or the error that planning ends with. Without a policy a superuser may read."""
    with session(source, database, user) as connection:
        snapshot = export_snapshot(connection)
        request = PlanRequest(
            run_id="planned-20240101T000000Z-0000",
            workflow=workflow_of(**changes),
            policy=policy or Policy(powerful_roles=("production",)),
            origin=origin,
            approved=approved,
            places=Places(),
            catalog=read_catalog(connection),
            key_name="production",
            epoch=1,
            snapshot=snapshot,
        )
        return make_plan(request, connection, lambda _: [], lambda _: [])


def is_copied_as_is(table: Table, exclude: Collection[str]) -> bool:
    """Whether a table is one of everything: readable, with rows of its own, and not excluded."""
    names = {table.qualified, f"{table.root_schema}.{table.root_name}"}
    return table.readable and table.kind in {"table", "unlogged"} and not names & set(exclude)


def plan_as_is(  # noqa: PLR0917
    spec: RunSpec,
    catalog: Catalog,
    copied: Sequence[Table],
    settings: DefinitionSettings,
    check: TargetCheck,
    exclude: Collection[str],
) -> Plan:
    """The plan that copies tables as they are, in one shard."""
    facts = {
        "database",
        "server_version",
        "encoding",
        "locale_provider",
        "collate",
        "ctype",
        "locale",
        "icu_rules",
    }
    return Plan(
        run_id=spec.run_id,
        workflow_id=spec.workflow.id,
        created_at=moment(),
        source=SourceFacts(connection="production", settings=settings, **catalog.model_dump(include=facts)),
        targets=(check.facts,),
        tables=tuple(kept(table) for table in copied),
        shards=(_shard(0, [CopyItem(table=number) for number in range(len(copied))]),),
        parallel=spec.workflow.limits.parallel,
        bindings=(),
        left_out=tuple(
            TableName(schema_name=table.schema_name, name=table.name)
            for table in catalog.tables
            if table.qualified in exclude
        ),
        not_carried=check.not_carried,
    )


def plan_of_tables(
    spec: RunSpec,
    source_database: str,
    twin: str,
    tables: Sequence[PlannedTable],
    items: Sequence[Sequence[CopyItem]] | None = None,
) -> Plan:
    """The plan of tables that were planned by hand, in these shards or in one."""
    server = {
        "server_version": 150000,
        "encoding": "UTF8",
        "locale_provider": "libc",
        "collate": "C",
        "ctype": "C",
    }
    twin_facts = TargetFacts(
        delivery=0,
        connection="staging",
        database=twin,
        next_database=f"{twin}__next",
        prev_database=f"{twin}__prev",
        **server,
    )
    bindings = {binding for table in tables for column in table.columns for binding in column.bindings}
    whole = items or [[CopyItem(table=number) for number in range(len(tables))]]
    return Plan(
        run_id=spec.run_id,
        workflow_id=spec.workflow.id,
        created_at=moment(),
        source=SourceFacts(connection="production", database=source_database, **server),
        targets=(twin_facts,),
        tables=tuple(tables),
        shards=tuple(_shard(number, each) for number, each in enumerate(whole)),
        parallel=2,
        bindings=tuple(bindings),
    )


def _shard(number: int, items: Sequence[CopyItem]) -> Shard:
    return Shard(number=number, target=0, items=tuple(items), estimated_bytes=0)


def copied_ids(source: Cluster, database: str, plan: Plan, table: str, column: str = "id") -> list[Any]:
    """What a planned table's rows would be, asked from the source with the plan's own condition."""
    planned = next(each for each in plan.tables if each.qualified == table)
    where = f" WHERE {planned.where_sql}" if planned.where_sql else ""
    query = f'SELECT t.{column} FROM ONLY "{planned.schema_name}"."{planned.name}" AS t{where} ORDER BY 1'
    return [value for (value,) in source.rows(database, query)]


def left_out(source: Cluster, database: str, plan: Plan) -> dict[str, tuple[int, int, int]]:
    """What is counted on the source for each filtered table: all rows, out by its filter, out by a key."""
    if plan.left_out_sql is None:
        return {}
    rows = source.rows(database, plan.left_out_sql)
    return {plan.tables[number].qualified: (total, own, key) for number, total, own, key in rows}


def assert_nothing_is_lost(source: Cluster, database: str, plan: Plan, column: str = "id") -> None:
    """Every row is copied or found among those left out, counted in two ways that share no code."""
    counts = left_out(source, database, plan)
    filtered = {table.qualified for table in plan.tables if table.where_sql}
    assert filtered == counts.keys()
    for name, (total, own, key) in counts.items():
        assert total == len(copied_ids(source, database, plan, name, column)) + own + key, name
