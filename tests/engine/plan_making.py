"""Plans for tests: a workflow held against a real source, without a target."""

from __future__ import annotations

from typing import Any

from appliance.policy import Policy
from appliance.postgres.catalog_reader import read_catalog
from appliance.postgres.plan import Plan
from appliance.postgres.planning import PlanRequest, make_plan
from appliance.postgres.snapshot import export_snapshot
from appliance.problems import Places
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
    source: Cluster, database: str, *, user: str = SUPERUSER, policy: Policy | None = None, **changes: Any
) -> Plan:
    """The plan of a workflow, or the error that planning ends with."""
    with session(source, database, user) as connection:
        snapshot = export_snapshot(connection)
        request = PlanRequest(
            run_id="planned-20240101T000000Z-0000",
            workflow=workflow_of(**changes),
            policy=policy or Policy(),
            origin="local",
            places=Places(),
            catalog=read_catalog(connection),
            snapshot=snapshot,
        )
        return make_plan(request, connection, lambda _: [])


def copied_ids(source: Cluster, database: str, plan: Plan, table: str, column: str = "id") -> list[Any]:
    """What a planned table's rows would be, asked from the source with the plan's own condition."""
    planned = next(each for each in plan.tables if each.qualified == table)
    where = f" WHERE {planned.where_sql}" if planned.where_sql else ""
    query = f'SELECT t.{column} FROM ONLY "{planned.schema_name}"."{planned.name}" AS t{where} ORDER BY 1'
    return [value for (value,) in source.rows(database, query)]
