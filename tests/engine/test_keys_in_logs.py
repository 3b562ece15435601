"""No key stands in a server's log, whatever its owner makes it write, nor anywhere else that others look."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from appliance.errors import WrongRequestError
from appliance.keys.keys import read_key, source_key
from appliance.masking.bindings import KeyName, key_binding
from appliance.orchestration.containers.inputs import StepInputs
from appliance.postgres.plan import Plan
from appliance.postgres.sessions.bindings import check_room, start_options
from appliance.settings.settings import load_settings
from appliance.steps.calling.call import StepCall
from appliance.steps.calling.step_keys import step_settings
from appliance.steps.records.run_spec import RunSpec
from tests.engine.clusters import Cluster
from tests.engine.scenario import Scenario

EVERYTHING = {
    "log_statement": "'all'",
    "log_min_duration_statement": "0",
    "log_duration": "on",
    "log_parameter_max_length": "-1",
    "log_parameter_max_length_on_error": "-1",
    "log_connections": "on",
    "log_disconnections": "on",
    "log_line_prefix": "'%m %p %a %u %d %r %h %i %e %c %l %s %v %x '",
    "log_min_messages": "debug5",
    "log_error_verbosity": "verbose",
    "debug_print_parse": "on",
    "debug_print_rewritten": "on",
    "debug_print_plan": "on",
    "session_preload_libraries": "'auto_explain'",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_verbose": "on",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_settings": "on",
    "auto_explain.log_nested_statements": "on",
}


@pytest.fixture
def talkative(source: Cluster, target: Cluster) -> Iterator[None]:
    clusters = (source, target)
    for cluster in clusters:
        with closing(cluster.connect()) as session:
            session.execute("LOAD 'auto_explain'")
            for name, value in EVERYTHING.items():
                session.execute(f"ALTER SYSTEM SET {name} = {value}".encode())
            session.execute("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        for cluster in clusters:
            with closing(cluster.connect()) as session:
                for name in EVERYTHING:
                    session.execute(f"ALTER SYSTEM RESET {name}".encode())
                session.execute("ALTER SYSTEM SET log_statement = 'none'")
                session.execute("SELECT pg_reload_conf()")


def keys_of(scenario: Scenario) -> dict[str, str]:
    """All that the run's steps were given, made again from the appliance's key."""
    (folder,) = (scenario.state / "runs").iterdir()
    plan = Plan.model_validate_json((folder / "plan.json").read_bytes())
    spec = RunSpec.model_validate_json((folder / "spec.json").read_bytes())
    return step_settings("copy", spec, plan, read_key(scenario.state / "keys" / "mask.key"))


@pytest.mark.usefixtures("talkative")
def test_no_key_stands_in_the_log_of_a_server_that_logs_everything(scenario: Scenario) -> None:
    scenario.workflow["masks"]["crm.customer.phone"] = {"mask": "hash", "length": 64}
    began = {cluster.port: cluster.log_file.stat().st_size for cluster in (scenario.source, scenario.target)}
    ended = scenario.run()
    assert ended.code == 0, ended.text
    keys = keys_of(scenario)
    assert {"appliance.k_email__email", "appliance.i_hash__hash", "appliance.o_hash__hash"} <= set(keys)
    for cluster in (scenario.source, scenario.target):
        with cluster.log_file.open(errors="replace") as log:
            log.seek(began[cluster.port])
            logged = log.read()
        # What is bound as a parameter, as the keys once were, is there.
        assert "Query Text" in logged and "search_path" in logged
        if cluster is scenario.source:
            assert "Wanjiru" in logged
        for value in keys.values():
            assert value not in logged and value.upper() not in logged
            assert value.encode().hex() not in logged


def test_a_key_is_seen_by_its_own_session_only(scenario: Scenario) -> None:
    options = start_options({"appliance.k_hash__hash": "ab" * 32})
    with (
        closing(scenario.source.connect(scenario.source_database, "reader", options=options)) as keyed,
        closing(scenario.source.connect(scenario.source_database)) as other,
    ):
        keyed.execute("RESET ALL")
        asked = "SELECT current_setting('appliance.k_hash__hash', true)"
        assert keyed.execute(asked).fetchone() == ("ab" * 32,)
        assert other.execute(asked).fetchone() == (None,)
        for view in ("pg_stat_activity", "pg_settings", "pg_db_role_setting", "pg_stat_ssl"):
            for session in (keyed, other):
                rows = session.execute(f"SELECT v::text FROM {view} AS v".encode()).fetchall()
                assert "abab" not in str(rows)


def test_no_step_is_given_more_than_the_keys_of_its_plan(scenario: Scenario) -> None:
    ended = scenario.run()
    assert ended.code == 0, ended.text
    (folder,) = (scenario.state / "runs").iterdir()
    plan = Plan.model_validate_json((folder / "plan.json").read_bytes())
    spec = RunSpec.model_validate_json((folder / "spec.json").read_bytes())
    root = read_key(scenario.state / "keys" / "mask.key")
    given = {
        step: step_settings(step, spec, plan, root)
        for step in ("open_snapshot", "plan", "schema", "copy", "finish", "verify", "attest", "publish")
    }
    assert {step for step, settings in given.items() if settings} == {"copy", "verify"}
    masks = {name for name in given["copy"] if name.startswith(("appliance.k_", "appliance.i_"))}
    assert masks == {f"appliance.k_{name}__{name}" for name in ("email", "full_name", "phone")}
    assert not masks & set(given["verify"])
    assert set(given["verify"].items()) <= set(given["copy"].items())
    everything = json.dumps(given)
    assert root.hex() not in everything
    assert source_key(root, "production", 1).hex() not in everything
    scenario.assert_nothing_left()


def test_a_setting_that_is_no_key_never_gets_into_a_start_up_packet() -> None:
    for name, value in (
        ("appliance.k_a", "ab -c log_statement=all"),
        ("appliance.k_a", "ab\\ cd"),
        ("session_preload_libraries", "ab"),
        ("appliance.x=1 -c y", "ab"),
        ("appliance.k_a", ""),
        ("appliance.k_a\n", "ab"),
    ):
        with pytest.raises(ValueError, match="no setting for a key"):
            start_options({name: value})


def test_as_many_keys_as_a_plan_allows_reach_the_server_and_one_more_is_refused_at_plan(
    source: Cluster,
) -> None:
    bindings = []
    with pytest.raises(WrongRequestError, match="do not fit into the opening of a session"):
        for number in range(1_000):
            bindings.append(key_binding(KeyName("hash", f"d{number}"), "key"))
            check_room(bindings)
    settings = {binding.setting: "5e" * 32 for binding in bindings[:-1]}
    longest = "x" * 63
    source.create_database(longest)
    try:
        with closing(
            source.connect(longest, options=start_options(settings), application_name=longest)
        ) as session:
            for setting in settings:
                assert session.execute("SELECT current_setting(%s)", [setting]).fetchone() == ("5e" * 32,)
    finally:
        source.drop_database(longest)


def test_the_orchestrator_gives_each_step_what_its_plan_asks_for(scenario: Scenario, tmp_path: Path) -> None:
    ended = scenario.run()
    assert ended.code == 0, ended.text
    (folder,) = (scenario.state / "runs").iterdir()
    spec = RunSpec.model_validate_json((folder / "spec.json").read_bytes())
    root = read_key(scenario.state / "keys" / "mask.key")
    settings = load_settings(
        environment={
            "APPLIANCE_STATE_DIR": str(scenario.state),
            "APPLIANCE_CONFIG_DIR": str(scenario.folder),
            "APPLIANCE_RUNTIME_DIR": str(scenario.runtime),
        }
    )
    inputs, keyed = StepInputs(settings, spec), set()
    for step in ("open_snapshot", "plan", "schema", "copy", "finish", "verify", "attest", "discard"):
        given = tmp_path / step
        inputs.write_secrets(given, StepCall(spec.run_id, spec.workflow.id, step))
        for path in given.iterdir():
            content = path.read_bytes()
            assert root not in content and root.hex().encode() not in content
            assert source_key(root, "production", 1).hex().encode() not in content
            if path.name == "settings.json":
                keyed.add(step)
                assert path.stat().st_mode & 0o777 == 0o400
    assert keyed == {"copy", "verify"}
