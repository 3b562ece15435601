"""Schemas of hard kinds through Airflow and Docker: the twin is the source, but for what is masked."""

from __future__ import annotations

import pytest

from tests.containers.appliance_host import GATEWAY, ApplianceHost
from tests.containers.wild_schemas import MASKS, READER, kept_rows, make_schema, workflow
from tests.engine.clusters import Cluster
from tests.engine.schema_text import schema_text


@pytest.mark.parametrize("name", sorted(MASKS))
def test_a_twin_has_each_object_each_row_and_each_kept_value(
    appliance: ApplianceHost, databases: Cluster, name: str
) -> None:
    source, twin = f"wild_{name}", f"twin_wild_{name}"
    make_schema(databases, name)
    appliance.change_connection(source, databases.connection(name, READER, host=GATEWAY))
    appliance.change_connection(twin, databases.connection(twin, "twin_owner", host=GATEWAY))
    appliance.write_workflow(f"wild-{name}.yaml", workflow(name, source, twin))

    run = appliance.wait_for_end(appliance.start_run(f"wild-{name}"), seconds=900)

    assert run["state"] == "succeeded", run
    assert schema_text(databases, twin) == schema_text(databases, name)
    assert kept_rows(databases, twin, name) == kept_rows(databases, name, name)
    for column in MASKS[name]:
        table, _, plain = column.rpartition(".")
        raw = f"SELECT count(*) FROM {table} WHERE {plain}::text ~ '@real.example|^Family|^Änne'"
        assert databases.value(twin, raw) == 0, column
        assert databases.value(name, raw) > 0 or plain == "given", column
