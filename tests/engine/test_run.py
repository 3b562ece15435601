"""``appliance run``: a whole workflow on this machine, as an author tries it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.engine.breakable_proxy import breakable_proxy, wait_until
from tests.engine.clusters import Cluster, Newer
from tests.engine.scenario import CANARY, Ended, Scenario

STEPS = ("open_snapshot", "plan", "schema", "copy", "finish", "verify", "attest", "publish")

BIG = """
CREATE TABLE public.event (id int PRIMARY KEY, filler text);
INSERT INTO public.event SELECT i, repeat('x', 200) FROM generate_series(1, 400000) AS i;
GRANT SELECT ON public.event TO reader; ANALYZE public.event
"""


SLOW_INDEX = """
CREATE FUNCTION public.slowly(id int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
    IF current_database() LIKE '%next' THEN PERFORM pg_sleep(0.1); END IF; RETURN id;
END $$;
CREATE INDEX slow ON public.invoice (public.slowly(id))
"""


def with_a_big_table(scenario: Scenario) -> None:
    scenario.source.sql(scenario.source_database, BIG)
    scenario.objects_at_first = scenario.source_objects()
    scenario.workflow["keep"].append("public.event.*")


def assert_plain_and_complete(ended: Ended, twin: str) -> None:
    """What is printed into a pipe."""
    assert "\x1b" not in ended.text
    for step in STEPS:
        assert f"\n{step}: done in " in ended.out
    assert "3,300 rows" in ended.out
    assert f"The twin '{twin}' on staging is new" in ended.out


def test_a_masked_twin_replaces_the_former_one(scenario: Scenario) -> None:
    rights = "SELECT rolsuper, rolcreaterole, rolreplication FROM pg_roles WHERE rolname = 'twin_owner'"
    assert scenario.target.rows("postgres", rights) == [(False, False, False)]
    ended = scenario.run()
    assert ended.code == 0, ended.text
    assert_plain_and_complete(ended, scenario.twin)
    assert scenario.twin_rows("SELECT count(*), count(DISTINCT email) FROM crm.customer") == [(300, 300)]
    assert scenario.twin_rows("SELECT count(*) FROM crm.customer WHERE notes IS NOT NULL") == [(0,)]
    assert scenario.twin_rows("SELECT to_regclass('public.audit_log')") in ([(None,)], [("audit_log",)])
    (copied,) = scenario.twin_rows("SELECT count(*), sum(total) FROM public.invoice")
    assert [copied] == scenario.source_rows("SELECT count(*), sum(total) FROM public.invoice")
    dumped = scenario.twin_rows("SELECT string_agg(c::text, ' ') FROM crm.customer AS c")
    assert CANARY not in str(dumped)
    scenario.assert_nothing_left()
    again = scenario.run()
    assert again.code == 0, again.text
    assert f"{scenario.twin}__prev" in scenario.target.databases()
    assert scenario.twin_rows("SELECT string_agg(c::text, ' ') FROM crm.customer AS c") == dumped
    scenario.assert_nothing_left()


def test_a_plan_changes_nothing_and_says_what_would_happen(scenario: Scenario) -> None:
    before = scenario.target.databases()
    ended = scenario.run("plan", "--columns")
    assert ended.code == 0, ended.text
    for said in ("crm.customer", "full_name", "notes", "null", "keep", f"makes the twin '{scenario.twin}'"):
        assert said in ended.out
    assert "A branch of it is a cop" in ended.out or scenario.target.major >= 18
    planned = json.loads(scenario.run("plan", "--json").out)
    assert [each["copied_by"] for each in planned["targets"]] == ["copy"] or scenario.target.major >= 18
    (customer,) = [table for table in planned["tables"] if table["table"] == "crm.customer"]
    assert customer["columns"]["email"] == "email"
    assert "public.audit_log" in planned["left_out"]
    assert scenario.target.databases() == before
    scenario.assert_nothing_left()


def test_no_name_plays_with_the_terminal(scenario: Scenario) -> None:
    name = "[/b]\x1b[2J\n"
    scenario.source.sql(scenario.source_database, f'CREATE TABLE public."{name}" ("{name}" text)')
    scenario.source.sql(scenario.source_database, f'GRANT SELECT ON public."{name}" TO reader')
    refused = scenario.run("plan")
    assert refused.code == 3 and "\x1b" not in refused.text, refused.text
    scenario.workflow["unlisted"] = "null"
    for command in (("plan", "--columns"), ("plan",), ("run",)):
        ended = scenario.run(*command)
        assert ended.code == 0, ended.text
        assert "\x1b" not in ended.text
        assert r"public.[/b]\x1b[2J\n" in ended.text


def test_a_large_table_is_copied_in_shards_and_json_tells_all_of_it(scenario: Scenario) -> None:
    with_a_big_table(scenario)
    ended = scenario.run("run", "--json")
    assert ended.code == 0, ended.text
    assert ended.lines[0]["type"] == "run"
    last = ended.lines[-1]
    assert last["type"] == "done"
    assert tuple(last["seconds"]) == STEPS
    shards = last["results"]["copy"]
    assert len(shards) >= 2
    assert sum(shard["rows"] for shard in shards) == 403_300
    reported = {
        line["table"] for line in ended.lines if line["type"] == "progress" and line["step"] == "copy"
    }
    assert reported == {"public.event", "public.invoice", "crm.customer"}
    assert scenario.twin_rows("SELECT count(*), sum(id) FROM public.event") == [(400_000, 80_000_200_000)]


def test_pseudonyms_are_the_same_in_every_run_with_the_same_key_and_differ_with_another(
    scenario: Scenario,
) -> None:
    emails = "SELECT array_agg(email ORDER BY id) FROM crm.customer"
    assert scenario.run().code == 0
    first = scenario.twin_rows(emails)
    assert scenario.run().code == 0
    assert scenario.twin_rows(emails) == first
    (scenario.state / "keys" / "mask.key").unlink()
    assert scenario.run().code == 0
    assert scenario.twin_rows(emails) != first


def test_a_connection_that_dies_is_tried_again(scenario: Scenario) -> None:
    with_a_big_table(scenario)
    scenario.workflow["limits"]["retries"] = 2
    with breakable_proxy(scenario.target.port) as proxy:
        scenario.connections["staging"]["port"] = proxy.port
        proxy.cut_after(20_000_000)
        ended = scenario.run()
        assert proxy.cuts == 1
    assert ended.code == 0, ended.text
    assert "Trying again" in ended.text
    assert scenario.twin_rows("SELECT count(*), sum(id) FROM public.event") == [(400_000, 80_000_200_000)]
    scenario.assert_nothing_left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_cancelling_leaves_the_former_twin_and_nothing_else(scenario: Scenario, number: int) -> None:
    scenario.publish_first_twin()
    with_a_big_table(scenario)
    process = scenario.start()
    wait_until(lambda: any("COPY" in query for _, _, query in scenario.source.sessions("staging-twin")))
    process.send_signal(number)
    ended = scenario.finish(process, timeout=300)
    assert ended.code == 1
    assert "was cancelled" in ended.err
    assert "Traceback" not in ended.text
    assert scenario.twin_is_the_former()
    scenario.assert_nothing_left()


@pytest.mark.parametrize("whom", ["the run", "the step"])
def test_cancelling_while_an_index_is_built_leaves_the_former_twin_and_nothing_else(
    scenario: Scenario, whom: str
) -> None:
    scenario.publish_first_twin()
    scenario.source.sql(scenario.source_database, SLOW_INDEX)
    scenario.objects_at_first = scenario.source_objects()
    process = scenario.start()
    # The index is tried on the empty tables too, while the snapshot is still held.
    wait_until(
        lambda: (
            not scenario.source.sessions("staging-twin")
            and any("INDEX slow" in query for _, _, query in scenario.target.sessions("staging-twin"))
        )
    )
    child = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
    os.kill(process.pid if whom == "the run" else child, signal.SIGTERM)
    ended = scenario.finish(process, timeout=300)
    assert ended.code == 1
    assert "The run was cancelled" in ended.err or "The step 'finish' was cancelled" in ended.err
    assert "Traceback" not in ended.text
    assert scenario.twin_is_the_former()
    scenario.assert_nothing_left()


def test_a_run_that_is_killed_leaves_the_former_twin_and_the_next_one_cleans_up(scenario: Scenario) -> None:
    scenario.publish_first_twin()
    with_a_big_table(scenario)
    process = scenario.start()
    wait_until(lambda: any("COPY" in query for _, _, query in scenario.source.sessions("staging-twin")))
    process.kill()
    process.communicate()
    assert scenario.twin_is_the_former()
    wait_until(lambda: not scenario.source.sessions("staging-twin"))
    wait_until(lambda: not scenario.target.sessions("staging-twin"))
    assert f"{scenario.twin}__next" in scenario.target.databases()
    planned = scenario.run("plan")
    assert planned.code == 0, planned.text
    assert "Dropped what the killed run staging-twin-" in planned.err
    assert f"{scenario.twin}__next" not in scenario.target.databases()
    assert scenario.twin_is_the_former()
    ended = scenario.run()
    assert ended.code == 0, ended.text
    assert "Dropped" not in ended.err
    assert not scenario.twin_is_the_former()
    scenario.assert_nothing_left()


def test_both_directions_between_two_majors(
    scenario: Scenario,
    newer: Newer,
) -> None:
    cluster = newer.cluster
    scenario.connections["staging"] = cluster.connection(scenario.twin, "twin_owner")
    ended = scenario.run()
    assert ended.code == 0, ended.text
    assert cluster.value(scenario.twin, "SELECT count(*) FROM crm.customer") == 300
    # The twin is a source as good as any other, and the way back leads to the older major.
    cluster.sql(scenario.twin, "GRANT USAGE ON SCHEMA crm, public TO reader")
    cluster.sql(scenario.twin, "GRANT SELECT ON ALL TABLES IN SCHEMA crm, public TO reader")
    scenario.connections["production"] = cluster.connection(scenario.twin, "reader")
    scenario.connections["staging"] = scenario.target.connection(scenario.twin, "twin_owner")
    scenario.environment_changes = newer.environment
    back = scenario.run()
    assert back.code == 0, back.text
    assert scenario.twin_rows("SELECT count(*) FROM crm.customer") == [(300,)]
    for suffix in ("", "__next", "__prev"):
        cluster.drop_database(scenario.twin + suffix)


def test_tls_is_verified_on_both_sides(scenario: Scenario, secured_target: Cluster) -> None:
    verified = {"host": "localhost", "sslmode": "verify-full", "sslrootcert": str(secured_target.tls_ca)}
    scenario.connections["staging"] = {**secured_target.connection(scenario.twin, "twin_owner"), **verified}
    ended = scenario.run()
    assert ended.code == 0, ended.text
    assert secured_target.value(scenario.twin, "SELECT count(*) FROM crm.customer") == 300
    scenario.connections["staging"]["host"] = "127.0.0.1"
    refused = scenario.run()
    assert refused.code == 2
    assert "certificate is not for '127.0.0.1'" in refused.err
