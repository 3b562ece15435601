"""A pooler in front of a server is refused by name, and its next client finds a session as it was."""

from __future__ import annotations

import itertools
from contextlib import closing

import psycopg
import pytest

from appliance.connections.database import Connection
from appliance.postgres.sessions.connect import open_session
from appliance.postgres.sessions.parameters import libpq_parameters
from appliance.postgres.sessions.poolers import PoolerBetweenError, Probe
from tests.engine.bouncing import LEFT_BEHIND, bouncer, gateway
from tests.engine.breakable_proxy import breakable_proxy
from tests.engine.checking import Checking
from tests.engine.clusters import Cluster, start_standby
from tests.engine.scenario import Scenario

RESETS = {"with a reset": "DISCARD ALL", "without one": ""}
IGNORED = {"options refused": "extra_float_digits", "options ignored": "extra_float_digits, options"}


@pytest.mark.parametrize(
    ("mode", "reset", "ignored"),
    list(itertools.product(("session", "transaction", "statement"), RESETS, IGNORED)),
)
@pytest.mark.parametrize("read_only", [True, False], ids=["read from", "written to"])
def test_pgbouncer_is_refused_and_its_next_client_finds_nothing_changed(
    source: Cluster, mode: str, reset: str, ignored: str, read_only: bool
) -> None:
    with (
        source.connect("postgres", "reader") as direct,
        bouncer(
            source,
            pool_mode=mode,
            server_reset_query=RESETS[reset],
            ignore_startup_parameters=IGNORED[ignored],
        ) as pooler,
    ):
        untouched = direct.execute(LEFT_BEHIND).fetchone()
        connection = Connection.model_validate(pooler.connection("postgres", "reader"))
        with pytest.raises(PoolerBetweenError) as refused:
            open_session(
                "production",
                libpq_parameters(connection),
                application_name="a-test",
                read_only=read_only,
                statement_timeout_s=60,
            )
        assert "'production' leads to a pooler" in refused.value.what
        assert "PgBouncer" in refused.value.why
        assert f"listens at 127.0.0.1, port {source.port}" in refused.value.why
        assert "production.host" in refused.value.next_step
        assert pooler.next_client_finds("postgres", "reader") == untouched


def test_a_run_through_a_pooler_stops_before_anything_is_read_or_made(scenario: Scenario) -> None:
    source, target = scenario.source, scenario.target
    with bouncer(source, pool_mode="transaction", ignore_startup_parameters="options") as pooler:
        scenario.connections["production"] = pooler.connection(scenario.source_database, "reader")
        refused = scenario.run()
        assert refused.code == 2
        assert "'production' leads to a pooler" in refused.err
        assert pooler.next_client_finds(scenario.source_database, "reader")[0] == "off"
    scenario.connections["production"] = source.connection(scenario.source_database, "reader")
    with bouncer(target, pool_mode="transaction", ignore_startup_parameters="options") as pooler:
        scenario.connections["staging"] = pooler.connection(scenario.twin, "twin_owner")
        refused = scenario.run()
        assert refused.code == 2
        assert "'staging' leads to a pooler" in refused.err
    assert scenario.twin not in target.databases()


def test_connections_check_names_a_pooler_and_the_server_behind_it(scenario: Scenario) -> None:
    with bouncer(scenario.source, pool_mode="transaction") as pooler:
        scenario.connections["production"] = pooler.connection(scenario.source_database, "reader")
        checked = Checking(scenario)()
    assert checked.worst("production") == {"pooler": "fail"}
    found = checked.of("production", "pooler")
    assert "PgBouncer" in found["what"]
    assert f"port {scenario.source.port}" in found["what"]
    assert "production.port" in found["next_step"]


def test_a_proxy_that_passes_bytes_on_and_a_standby_are_no_poolers(source: Cluster) -> None:
    standby = start_standby(source)
    try:
        with breakable_proxy(source.port) as proxy:
            for port in (proxy.port, standby.port):
                entry = source.connection("postgres", "reader", port=port)
                parameters = libpq_parameters(Connection.model_validate(entry))
                with closing(
                    open_session("production", parameters, application_name="a-test", read_only=True)
                ) as session:
                    assert session.execute("SELECT 1").fetchone() == (1,)
    finally:
        standby.remove()


def test_a_gateway_that_hides_the_process_passes_only_a_session_that_the_packet_began(
    source: Cluster,
) -> None:
    with gateway(source) as port:
        entry = source.connection("postgres", "reader", port=port, sslmode="disable")
        parameters = libpq_parameters(Connection.model_validate(entry))
        with closing(
            open_session("production", parameters, application_name="a-test", read_only=True)
        ) as session:
            assert session.execute("SELECT pg_backend_pid()").fetchone() != (session.info.backend_pid,)
        probe = Probe()
        with psycopg.connect(autocommit=True, **parameters) as session:  # type: ignore[arg-type]
            assert not probe.passes(session)
            # As a pooler would bring a session that was there before into line with a client's wishes.
            session.execute(f"SET appliance.direct = '{probe.value}'".encode())
            session.execute("SET jit = off")
            assert not probe.passes(session)
