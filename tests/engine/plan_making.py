"""Plans for tests: a workflow held against a real source, without a target."""

from __future__ import annotations

from typing import Any

from appliance.documents.problems import Places
from appliance.policy.policy import Origin, Policy
from appliance.postgres.plan import Plan
from appliance.postgres.planning.planning import PlanRequest, make_plan
from appliance.postgres.source.catalog_reader import read_catalog
from appliance.postgres.source.snapshot import export_snapshot
from appliance.workflow.document import Workflow
from tests.engine.clusters import SUPERUSER, Cluster
from tests.engine.source_session import session


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
