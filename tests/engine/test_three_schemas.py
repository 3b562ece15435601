"""Scan, write, plan, run, verify over databases that the author has never seen."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.engine.clusters import Cluster
from tests.engine.scenario import Scenario
from tests.engine.test_scan import scanned
from tests.engine.three_schemas import ROWS, personal_columns, sql_of, tables

DISTINCT = re.compile(r"@real-mail\.example|\+43 664 ")
BY_CHANCE = 0.25
"""Of the short values of few letters, such as a city, so many may come out as they were."""


@pytest.mark.parametrize("schema", ["clinic", "school", "saas"])
def test_what_a_scan_writes_runs_as_it_is_and_lets_no_personal_value_through(  # noqa: PLR0917
    schema: str, source: Cluster, target: Cluster, source_database: str, twin_database: str, tmp_path: Path
) -> None:
    assert len(tables("saas")) == 60
    source.sql(source_database, sql_of(schema))
    scenario = Scenario(tmp_path, source, source_database, target, twin_database)
    scenario.policy = {"kept_looks_personal": "halt"}
    written = tmp_path / "written.yaml"
    ended = scanned(scenario, "--write", str(written))
    assert ended.code == 0, ended.text
    # What a person has to decide is decided in one line: what no rule covers is left empty.
    scenario.workflow = yaml.safe_load(written.read_text()) | {"unlisted": "null"}
    ended = scenario.run()
    assert ended.code == 0, ended.text
    for table in tables(schema):
        rows = target.rows(twin_database, f"SELECT t::text FROM {table} AS t")
        assert not any(DISTINCT.search(row) for (row,) in rows), table
    for table, column in personal_columns(schema):
        query = f"SELECT {column}::text FROM {table} ORDER BY id"
        before = [row for (row,) in source.rows(source_database, query)]
        after = [row for (row,) in target.rows(twin_database, query)]
        assert len(after) == ROWS
        same = sum(a is not None and a == b for a, b in zip(before, after, strict=True))
        assert same <= BY_CHANCE * ROWS, f"{table}.{column}: {same} of {ROWS} are as they were"
