"""What the owner of a table in the source may do as the role that copies it, and roles that may do little."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from appliance.postgres.sessions.role_checks import READER, WRITER
from tests.engine.checking import Checking
from tests.engine.clusters import Cluster
from tests.engine.scenario import Scenario

RUNS_A_PROGRAM = """
CREATE FUNCTION public.look(int) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'COPY (SELECT 1) TO PROGRAM ' || quote_literal('touch {mark}');
    RETURN true;
END $$;
ALTER TABLE public.invoice ADD CHECK (public.look(id)) NOT VALID;
"""
POWERS = {
    "SUPERUSER": "is a superuser",
    "CREATEDB CREATEROLE": "has CREATEROLE",
    "CREATEDB REPLICATION": "has REPLICATION",
    "CREATEDB IN ROLE pg_execute_server_program": "is a member of pg_execute_server_program",
    "CREATEDB IN ROLE pg_write_server_files": "is a member of pg_write_server_files",
    "CREATEDB NOINHERIT IN ROLE pg_read_server_files": "is a member of pg_read_server_files",
    "CREATEDB IN ROLE through": "is a member of pg_execute_server_program",
    "CREATEDB NOINHERIT IN ROLE postgres": "may become 'postgres' (SUPERUSER",
}
_numbers = itertools.count(1)


@pytest.fixture
def check(scenario: Scenario) -> Iterator[Checking]:
    servers = (scenario.source, scenario.target)
    for cluster in servers:
        cluster.sql("postgres", "CREATE ROLE through IN ROLE pg_execute_server_program")
    yield Checking(scenario)
    scenario.target.drop_database(scenario.twin)
    scenario.target.drop_database(f"{scenario.twin}__prev")
    scenario.source.sql(
        scenario.source_database,
        f"DO $$ BEGIN IF to_regrole('{READER}') IS NOT NULL THEN DROP OWNED BY {READER}; END IF; END $$",
    )
    for cluster in servers:
        cluster.sql("postgres", f"DROP ROLE IF EXISTS through, {READER}, {WRITER}")


def paste(cluster: Cluster, dbname: str, finding: dict[str, Any], user: str = "postgres") -> None:
    """What was printed, as a person types it."""
    assert finding["sql"], finding
    for statement in finding["sql"]:
        cluster.sql(dbname, statement, user)
    for role in (READER, WRITER):
        if any(f'CREATE ROLE "{role}"' in statement for statement in finding["sql"]):
            cluster.passwords[role] = "changeme-by-now"
            cluster.sql("postgres", f"ALTER ROLE {role} PASSWORD 'changeme-by-now'", user)


def become(check: Checking, connection: str, cluster: Cluster, role: str) -> None:
    check.scenario.connections[connection].update(user=role, password=cluster.passwords[role])


def test_a_function_in_the_source_runs_no_program_as_the_targets_superuser(check: Checking) -> None:
    scenario = check.scenario
    mark = scenario.folder / "ran"
    scenario.folder.chmod(0o777)
    check.target_role("SUPERUSER")
    scenario.source.sql(scenario.source_database, RUNS_A_PROGRAM.format(mark=mark))
    ended = scenario.run()
    assert ended.code == 2
    assert "is a superuser" in ended.err
    assert f'CREATE ROLE "{WRITER}" LOGIN CREATEDB' in ended.err
    assert not mark.exists()
    assert scenario.twin not in scenario.target.databases()


@pytest.mark.parametrize("options", POWERS)
def test_a_role_that_may_do_more_than_make_twins_is_refused_with_the_sql_for_another(
    check: Checking, options: str
) -> None:
    target = check.scenario.target
    check.target_role(options)
    checked = check()
    assert checked.code == 1
    finding = checked.of("staging", "role")
    assert finding["state"] == "fail"
    assert POWERS[options] in finding["what"]
    paste(target, "postgres", finding)
    become(check, "staging", target, WRITER)
    assert "fail" not in check().worst("staging").values()


def test_a_managed_servers_role_makes_one_that_may_do_little_and_hands_its_twin_over(check: Checking) -> None:
    scenario, target = check.scenario, check.scenario.target
    master = check.target_role("CREATEDB CREATEROLE")
    scenario.policy = {"powerful_roles": ["staging"]}
    assert scenario.run().code == 0
    scenario.policy = {}
    finding = check().of("staging", "role")
    assert finding["state"] == "fail"
    paste(target, "postgres", finding, user=master)
    become(check, "staging", target, WRITER)
    ended = scenario.run()
    assert ended.code == 0, ended.text
    assert (
        target.value("postgres", "SELECT rolcreaterole FROM pg_roles WHERE rolname = %s", [WRITER]) is False
    )


def test_a_role_that_every_session_of_a_superuser_takes_is_no_way_round(check: Checking) -> None:
    target = check.scenario.target
    superuser = check.target_role("SUPERUSER")
    target.sql("postgres", f"ALTER ROLE {superuser} SET role = 'twin_owner'")
    assert check().state("staging", "role") == "fail"


def test_policy_names_the_connections_whose_role_may_be_powerful(check: Checking) -> None:
    scenario = check.scenario
    check.target_role("SUPERUSER")
    check.source_role("SUPERUSER")
    scenario.policy = {"powerful_roles": ["staging", "production"]}
    checked = check()
    assert checked.code == 0
    assert checked.state("production", "role") == checked.state("staging", "role") == "warn"
    ended = scenario.run("run", "--json")
    assert ended.code == 0, ended.text
    assert ended.text.count("is a superuser") >= 2


@pytest.mark.parametrize("options", ["SUPERUSER", "IN ROLE pg_execute_server_program", "REPLICATION"])
def test_a_powerful_reader_is_refused_with_the_sql_for_one_that_is_enough(
    check: Checking, options: str
) -> None:
    scenario, source = check.scenario, check.scenario.source
    source.sql(scenario.source_database, "ALTER TABLE crm.customer ENABLE ROW LEVEL SECURITY")
    role = check.source_role(options)
    source.sql("postgres", f"GRANT pg_read_all_data TO {role}; ALTER ROLE {role} BYPASSRLS")
    refused = scenario.run()
    assert refused.code == 2
    assert f'CREATE ROLE "{READER}" LOGIN' in refused.err
    finding = check().of("production", "role")
    assert finding["state"] == "fail"
    paste(source, scenario.source_database, finding)
    become(check, "production", source, READER)
    assert check().worst("production") == {}
    ended = scenario.run()
    assert ended.code == 0, ended.text
    with pytest.raises(Exception, match="permission denied"):
        source.rows(scenario.source_database, "SELECT * FROM public.audit_log", user=READER)
