"""A rule for any partitioned table reaches the rows below it, as a real catalog shows them."""

from __future__ import annotations

from appliance.policy.policy import Policy, check_workflow
from appliance.postgres.source.catalog_reader import read_catalog
from appliance.workflow.matching.rules import Rule, match_rules
from tests.engine.clusters import Cluster
from tests.unit.example_documents import workflow

EVENTS = """
    CREATE TABLE event (day date, kind text, ssn text, last4 text GENERATED ALWAYS AS (right(ssn, 4)) STORED)
        PARTITION BY RANGE (day);
    CREATE TABLE event_2024 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')
        PARTITION BY LIST (kind);
    CREATE TABLE event_2024_web PARTITION OF event_2024 FOR VALUES IN ('web');
    CREATE TABLE event_2025 PARTITION OF event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
"""


def test_a_mask_for_a_partition_in_the_middle_reaches_its_leaves(
    source: Cluster, source_database: str
) -> None:
    source.sql(source_database, EVENTS)
    with source.connect(source_database) as connection:
        connection.execute("SET search_path = ''")
        catalog = read_catalog(connection)
    asked = workflow(
        masks={"public.event_2024.ssn": "hash", "public.event_2025.ssn": "null"}, keep=["public.event.*"]
    )
    matching = match_rules(asked, catalog)
    assert [problem.text() for problem in matching.problems] == []
    masked = {
        selected.table.name: {column.name: decision for column, decision in selected.columns}["ssn"]
        for selected in matching.tables
        if selected.table.kind == "table"
    }
    assert {name: rule.mask.mask for name, rule in masked.items() if isinstance(rule, Rule)} == {
        "event_2024_web": "hash",
        "event_2025": "null",
    }
    for pattern, refused in (("public.event_2024.last4", False), ("public.event_2024.kind", True)):
        refusals = check_workflow(Policy(always_mask=(pattern,)), asked, matching, catalog=catalog)
        # What is personal in one partition is in its sister too: it is the same column of the same table.
        leaves = ["event_2024_web", "event_2025"] if refused else []
        assert [each.what.split()[2].split(".")[1] for each in refusals] == leaves
