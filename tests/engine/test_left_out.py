"""What filters leave out is counted on the source apart from what copies, and a row that is neither fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import WorkFailedError
from appliance.postgres.plan import Plan
from tests.engine.clusters import Cluster
from tests.engine.engine_run import EngineRun

LOGINS = """
CREATE EXTENSION citext;
CREATE TABLE login (email citext PRIMARY KEY, active boolean NOT NULL);
CREATE TABLE visit (id int PRIMARY KEY, email citext NOT NULL REFERENCES login);
INSERT INTO login SELECT 'Person' || i || '@example.net', i % 2 = 0 FROM generate_series(1, 100) AS i;
INSERT INTO visit SELECT i, lower('Person' || i || '@example.net') FROM generate_series(1, 100) AS i;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
"""
DOCUMENT: dict[str, Any] = {"rows": {"public.login": {"where": "active"}}, "keep": ["*.*.*"]}


@pytest.fixture
def logins(
    source: Cluster, source_database: str, target: Cluster, twin_database: str, run_folder: Path
) -> EngineRun:
    source.sql(source_database, LOGINS)
    return EngineRun(source, source_database, target, twin_database, run_folder, DOCUMENT)


def test_rows_copied_and_left_out_are_all_that_the_source_has(logins: EngineRun) -> None:
    result = logins.copied().verify()
    assert (result.rows, result.left_out) == (100, 100)
    assert "public.login: left out 50 of 100 rows, 50 by its filter" in result.notes
    assert "public.visit: left out 50 of 100 rows, 50 by keys to rows left out" in result.notes
    (twin,) = json.loads((logins.context.run_dir / "verify.json").read_text())["twins"]
    counted = {
        each["table"]: (each["left_out"]["by_filter"], each["left_out"]["by_key"]) for each in twin["tables"]
    }
    assert counted == {"public.login": (50, 0), "public.visit": (0, 50)}
    assert logins.target.rows(logins.next, "SELECT count(*) FROM visit JOIN login USING (email)") == [(50,)]


def comparing_as_text(plan: Plan) -> Plan:
    """As a query does whose search_path is empty: with the operator that is found by its name."""
    tables = [
        table.model_copy(
            update={"where_sql": table.where_sql and table.where_sql.replace("OPERATOR(public.=)", "=")}
        )
        for table in plan.tables
    ]
    assert tables != list(plan.tables)
    return plan.model_copy(update={"tables": tuple(tables)})


def test_rows_that_are_neither_copied_nor_left_out_fail_the_run(logins: EngineRun) -> None:
    run = logins.copied(comparing_as_text)
    with pytest.raises(WorkFailedError) as failed:
        run.verify()
    said = "public.visit: 100 rows in the source, 0 copied, 50 left out by filters: 50 lost"
    assert said in failed.value.text()


def test_filters_whose_rows_were_not_counted_fail_the_run(logins: EngineRun) -> None:
    run = logins.copied()
    run.spoil("DELETE FROM appliance_ledger.left_out")
    with pytest.raises(WorkFailedError) as failed:
        run.verify()
    assert "was not counted on the source" in failed.value.text()
