"""What policy says of a real source's columns, when a run is planned: refused before any row is read."""

from __future__ import annotations

import pytest

from appliance.errors import RefusedError
from appliance.policy.policy import Policy
from appliance.postgres.plan import Plan
from tests.engine.clusters import Cluster
from tests.engine.plan_making import plan_of
from tests.engine.source_session import catalog_of

PEOPLE = """
    CREATE TABLE person (id int PRIMARY KEY, "SSN" text, name text, number text UNIQUE);
    CREATE TABLE employee (boss int) INHERITS (person);
    CREATE TABLE badge (holder text REFERENCES person (number));
    CREATE TABLE event (day date, ssn text) PARTITION BY RANGE (day);
    CREATE TABLE event_2024 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
    CREATE SCHEMA report;
    CREATE VIEW report.people AS SELECT "SSN" AS ssn, upper(name) AS full_name FROM person;
    CREATE MATERIALIZED VIEW report.staff AS SELECT ssn, full_name FROM report.people;
"""
SUPERUSER_MAY_READ = {"powerful_roles": ["production"]}
FROM_CLOUD = {"workflows_from_cloud": True, "read": ["production"], "write": ["staging"]}


@pytest.fixture
def people(source: Cluster, source_database: str) -> str:
    source.sql(source_database, PEOPLE)
    return source_database


def refusal(source: Cluster, database: str, **policy: object) -> str:
    with pytest.raises(RefusedError) as caught:
        plan_of(source, database, policy=Policy.model_validate({**SUPERUSER_MAY_READ, **policy}))
    return caught.value.what


def test_a_pattern_holds_for_all_that_holds_the_same_data(source: Cluster, people: str) -> None:
    said = refusal(source, people, always_mask=["public.person.ssn"])
    assert "public.person.SSN" in said and "public.employee.SSN" in said and "event" not in said
    assert "public.person.SSN" in refusal(source, people, always_mask=["public.employee.ssn"])
    assert "public.event_2024.ssn" in refusal(source, people, always_mask=["public.event.SSN"])
    assert "public.badge.holder" in refusal(source, people, always_mask=["public.person.number"])


def test_a_view_is_followed_to_the_tables_column_of_that_name(source: Cluster, people: str) -> None:
    for pattern in ("report.people.ssn", "report.staff.*ssn"):
        assert "public.person.SSN" in refusal(source, people, always_mask=[pattern])
    shown = {each.names: each.reads for each in catalog_of(source, people).view_columns}
    assert ("public", "person", "SSN") in shown["report", "people", "ssn"]
    assert ("report", "people", "ssn") in shown["report", "staff", "ssn"]


def planned(source: Cluster, database: str, **policy: object) -> Plan:
    return plan_of(source, database, policy=Policy.model_validate({**SUPERUSER_MAY_READ, **policy}))


def test_a_prohibition_that_does_nothing_is_said_and_stops_nothing(source: Cluster, people: str) -> None:
    plan = planned(
        source, people, always_mask=["*.*.snn", "report.*.full_name"], never_copy=["public.adit_*"]
    )
    about = [text for text in plan.warnings if "policy" in text]
    assert len(about) == 3
    assert "*.*.snn" in about[0] and "report.people" in about[1] and "public.person.name" in about[1]
    assert "public.adit_*" in about[2]


def test_what_the_cloud_keeps_is_looked_at_again_when_the_columns_are_known(
    source: Cluster, people: str
) -> None:
    policy = Policy.model_validate({**SUPERUSER_MAY_READ, **FROM_CLOUD})
    asked = {"tables": {"include": ["public.badge", "public.person"]}, "keep": ["*.*.*"], "unlisted": "halt"}
    with pytest.raises(RefusedError) as caught:
        plan_of(source, people, policy=policy, origin="cloud", **asked)
    assert caught.value.rule == "keep_from_cloud" and caught.value.exit_code == 3
    assert "public.person.name" in caught.value.what and "5 columns" in caught.value.what
    approved = ("public.badge.holder", *(f"public.person.{each}" for each in ("id", "SSN", "name", "number")))
    plan = plan_of(source, people, policy=policy, origin="cloud", approved=approved, **asked)
    assert len(plan.tables) == 2
    source.sql(people, "ALTER TABLE badge ADD COLUMN photo_id int")
    with pytest.raises(RefusedError, match=r"1 column would be kept.* public\.badge\.photo_id"):
        plan_of(source, people, policy=policy, origin="cloud", approved=approved, **asked)


def test_the_cloud_chooses_rows_by_no_column_that_it_may_not_keep(source: Cluster, people: str) -> None:
    asked = {
        "tables": {"include": ["public.badge", "public.person"]},
        "keep": [],
        "unlisted": "halt",
        "masks": {
            "*.*.*": "null",
            "public.person.id": "hash",
            "public.person.number": "hash",
            "*.*.holder": "hash",
        },
        "rows": {"public.person": {"where": "\"SSN\" = '078-05-1120'"}},
    }
    protected = Policy.model_validate({**SUPERUSER_MAY_READ, **FROM_CLOUD, "always_mask": ["*.*.ssn"]})
    with pytest.raises(RefusedError, match="may not choose rows by it"):
        plan_of(source, people, policy=protected, origin="cloud", **asked)
    policy = Policy.model_validate({**SUPERUSER_MAY_READ, **FROM_CLOUD})
    with pytest.raises(RefusedError, match=r"public\.person\.SSN") as caught:
        plan_of(source, people, policy=policy, origin="cloud", **asked)
    assert caught.value.rule == "keep_from_cloud"
    assert plan_of(source, people, policy=policy, **asked).tables, "a file on the appliance may"
    assert plan_of(
        source, people, policy=policy, origin="cloud", approved=("public.person.SSN",), **asked
    ).tables
