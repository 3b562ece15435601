"""``appliance connections check``: what can be wrong, on real servers, and the SQL that mends it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.engine.breakable_proxy import wait_until
from tests.engine.checking import Checking
from tests.engine.clusters import Cluster, free_port, make_certificates, start_standby
from tests.engine.scenario import Scenario


@pytest.fixture
def check(scenario: Scenario) -> Checking:
    return Checking(scenario)


@pytest.fixture(scope="module")
def secured(new_cluster: Callable[..., Cluster]) -> Cluster:
    """A server with TLS and a certificate for ``localhost``."""
    cluster = new_cluster(name="secured-check", tls=True)
    cluster.role("reader")
    return cluster


@pytest.fixture
def behind_tls(check: Checking, secured: Cluster) -> Checking:
    """The production connection leads to the server with TLS, which it verifies."""
    check.scenario.workflow["tables"] = {"include": ["public.*"]}
    check.scenario.connections["production"] = secured.connection(
        "postgres", "reader", host="localhost", sslmode="verify-full", sslrootcert=str(secured.tls_ca)
    )
    return check


def execute(cluster: Cluster, dbname: str, finding: dict[str, Any]) -> None:
    """Paste what was printed, as a superuser."""
    assert finding["sql"], finding
    for statement in finding["sql"]:
        cluster.sql(dbname, statement)


def test_connections_that_work_are_well(check: Checking) -> None:
    checked = check()
    assert checked.code == 0
    assert checked.worst("production") == {}
    assert checked.worst("staging") == {"end sessions": "warn"}
    assert "All 2 tables" in checked.of("production", "read")["what"]
    assert "PostgreSQL" in checked.of("staging", "version")["what"]
    assert "the server does not tell how much is free" in checked.of("staging", "space")["what"]
    check.scenario.assert_nothing_left()


def test_it_is_printed_for_people_with_statements_on_lines_of_their_own(check: Checking) -> None:
    role = check.target_role("NOCREATEDB")
    code, text = check.text()
    assert code == 1
    assert "production: read by staging-twin\n" in text
    assert "staging: replaced by staging-twin\n" in text
    assert f'ALTER ROLE "{role}" CREATEDB;' in [line.strip() for line in text.splitlines()]
    assert "\x1b" not in text


def test_a_wrong_password_is_said_and_not_shown(check: Checking) -> None:
    check.scenario.connections["production"]["password"] = "must-stay-hidden"
    checked = check("production")
    assert checked.code == 1
    assert "did not accept the password of 'reader'" in checked.of("production", "login")["what"]
    assert "production.password" in checked.of("production", "login")["next_step"]
    assert "staging" not in checked.found


def test_a_placeholder_is_named_by_its_key(check: Checking) -> None:
    check.scenario.connections["production"]["password"] = "changeme"
    check.scenario.connections["unused"] = dict.fromkeys(("host", "dbname", "user", "password"), "changeme")
    checked = check()
    assert checked.found["production"] == [
        {
            "check": "file",
            "state": "fail",
            "what": "Still changeme: production.password.",
            "next_step": "Fill it in in connections.yaml.",
            "sql": [],
        }
    ]
    assert checked.worst("unused") == {"file": "warn"}


def test_a_connection_that_a_workflow_needs_and_nobody_wrote_down_is_named(check: Checking) -> None:
    del check.scenario.connections["staging"]
    checked = check()
    assert checked.worst("staging") == {"file": "fail"}
    assert checked.code == 1


def test_an_unknown_host_is_said(check: Checking) -> None:
    check.scenario.connections["production"]["host"] = "no-such-host.invalid"
    checked = check()
    assert checked.worst("production") == {"resolve": "fail"}
    assert "production.host" in checked.of("production", "resolve")["next_step"]


def test_a_closed_port_is_said(check: Checking) -> None:
    check.scenario.connections["production"]["port"] = free_port()
    checked = check()
    assert checked.worst("production") == {"port": "fail"}
    assert "Nothing listens" in checked.of("production", "port")["what"]


def test_a_host_that_never_answers_is_given_up(check: Checking) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        check.scenario.connections["production"].update(port=port, connect_timeout=1)
        checked = check("production")
    assert checked.worst("production") == {"tls": "fail"}
    assert "says nothing for 1 s" in checked.of("production", "tls")["what"]


def test_something_else_than_postgresql_is_told_apart(check: Checking) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    client.recv(100)
                    client.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        check.scenario.connections["production"]["port"] = listener.getsockname()[1]
        checked = check("production")
    assert "is not PostgreSQL" in checked.of("production", "tls")["what"]


def test_tls_that_is_verified_is_well_and_its_end_is_announced(behind_tls: Checking) -> None:
    checked = behind_tls("production")
    assert checked.state("production", "tls") == "ok"
    assert checked.state("production", "certificate") == "ok"
    assert checked.state("production", "login") == "ok"
    assert checked.state("production", "expiry") == "warn"
    assert "in 1 days" in checked.of("production", "expiry")["what"]


def test_a_certificate_of_another_ca_is_refused(
    behind_tls: Checking, new_cluster: Callable[..., Cluster]
) -> None:
    other = behind_tls.scenario.folder / "other"
    other.mkdir()
    behind_tls.scenario.connections["production"]["sslrootcert"] = str(make_certificates(other, other))
    checked = behind_tls("production")
    assert checked.worst("production") == {"certificate": "fail"}
    assert "not signed by the CA in sslrootcert" in checked.of("production", "certificate")["what"]


def test_a_name_that_the_certificate_does_not_have_is_refused(behind_tls: Checking) -> None:
    behind_tls.scenario.connections["production"]["host"] = "127.0.0.1"
    checked = behind_tls("production")
    assert checked.state("production", "login") == "fail"
    assert "certificate is not for '127.0.0.1'" in checked.of("production", "login")["what"]


def test_a_ca_file_that_is_not_there_is_named(behind_tls: Checking) -> None:
    missing = str(behind_tls.scenario.folder / "missing.pem")
    behind_tls.scenario.connections["production"]["sslrootcert"] = missing
    checked = behind_tls("production")
    assert checked.worst("production") == {"certificate": "fail"}
    assert missing in checked.of("production", "certificate")["what"]


def test_tls_that_is_demanded_and_not_spoken_is_said(check: Checking) -> None:
    check.scenario.connections["production"]["sslmode"] = "require"
    checked = check("production")
    assert checked.worst("production") == {"tls": "fail"}
    assert "does not speak TLS" in checked.of("production", "tls")["what"]


def test_an_expired_certificate_is_said_to_be_that(
    check: Checking, new_cluster: Callable[..., Cluster]
) -> None:
    cluster = new_cluster(name="expired", tls=True)
    cluster.role("reader")
    authority = make_certificates(cluster.folder, cluster.folder / "data", days=0)
    cluster.sql("postgres", "SELECT pg_reload_conf()")
    check.scenario.connections["production"] = cluster.connection(
        "postgres", "reader", host="localhost", sslmode="verify-full", sslrootcert=str(authority)
    )

    def expired() -> bool:
        checked = check("production")
        found = checked.worst("production") == {"certificate": "fail"}
        return found and "has expired" in checked.of("production", "certificate")["what"]

    wait_until(expired)
    check.scenario.connections["production"].update(sslmode="require")
    del check.scenario.connections["production"]["sslrootcert"]
    assert check("production").state("production", "expiry") == "warn"


def test_tables_that_may_not_be_read_are_mended_by_what_is_printed(check: Checking) -> None:
    check.source_role()
    checked = check()
    assert checked.code == 1
    finding = checked.of("production", "read")
    assert "crm.customer" in finding["what"]
    execute(check.scenario.source, check.scenario.source_database, finding)
    checked = check()
    assert checked.code == 0
    assert checked.state("production", "read") == "ok"


def test_rows_that_row_level_security_would_hide_are_mended_by_what_is_printed(check: Checking) -> None:
    role = check.source_role()
    database = check.scenario.source_database
    check.scenario.source.sql(
        database,
        f"GRANT USAGE ON SCHEMA crm TO {role}; GRANT SELECT ON crm.customer, public.invoice TO {role};"
        " ALTER TABLE public.invoice ENABLE ROW LEVEL SECURITY",
    )
    finding = check().of("production", "read")
    assert finding["state"] == "fail"
    assert "Row-level security" in finding["what"]
    execute(check.scenario.source, database, finding)
    assert check().state("production", "read") == "ok"


def test_a_role_that_may_not_create_databases_is_mended_by_what_is_printed(check: Checking) -> None:
    check.target_role("NOCREATEDB")
    finding = check().of("staging", "write")
    assert finding["state"] == "fail"
    execute(check.scenario.target, "postgres", finding)
    assert check().state("staging", "write") == "ok"


def test_a_twin_of_another_owner_and_content_is_mended_by_what_is_printed(check: Checking) -> None:
    check.target_role()
    target, twin = check.scenario.target, check.scenario.twin
    target.create_database(twin)
    target.sql(twin, "CREATE TABLE public.precious (id int)")
    finding = check().of("staging", "write")
    assert "belongs to 'postgres'" in finding["what"]
    execute(target, "postgres", finding)
    finding = check().of("staging", "write")
    assert "did not make what it holds" in finding["what"]
    execute(target, "postgres", finding)
    assert check().state("staging", "write") == "ok"


def test_ending_other_roles_sessions_is_granted_by_what_is_printed(check: Checking) -> None:
    check.target_role()
    finding = check().of("staging", "end sessions")
    assert finding["state"] == "warn"
    execute(check.scenario.target, "postgres", finding)
    assert check().state("staging", "end sessions") == "ok"


def test_a_role_with_too_few_sessions_is_mended_by_what_is_printed(check: Checking) -> None:
    check.target_role("CREATEDB CONNECTION LIMIT 2")
    finding = check().of("staging", "sessions")
    assert finding["state"] == "warn"
    execute(check.scenario.target, "postgres", finding)
    assert check().state("staging", "sessions") == "ok"


def test_room_on_a_disk_that_can_be_looked_at_is_told(check: Checking) -> None:
    role = check.target_role()
    check.scenario.target.sql("postgres", f"GRANT pg_read_all_settings TO {role}")
    assert " are free." in check().of("staging", "space")["what"]


def test_an_extension_that_the_target_cannot_have_is_named(check: Checking) -> None:
    check.scenario.source.sql(check.scenario.source_database, "CREATE EXTENSION pageinspect")
    finding = check().of("staging", "extensions")
    assert finding["state"] == "warn"
    assert "pageinspect" in finding["what"]


def test_what_no_table_matches_is_said(check: Checking) -> None:
    check.scenario.workflow["tables"] = {"include": ["nowhere.*"]}
    check.scenario.workflow["masks"] = {}
    finding = check().of("production", "read")
    assert finding["state"] == "warn"
    assert "No table matches" in finding["what"]


@pytest.fixture
def standby(check: Checking) -> Iterator[Cluster]:
    """A standby of the source, which the production connection leads to."""
    cluster = start_standby(check.scenario.source)
    check.scenario.connections["production"]["port"] = cluster.port
    yield cluster
    cluster.remove()


def test_a_standby_that_lags_is_said_and_mended_by_what_is_printed(check: Checking, standby: Cluster) -> None:
    checked = check("production")
    assert checked.state("production", "read") == "ok"
    finding = checked.of("production", "standby")
    assert "hot_standby_feedback is off" in finding["what"]
    for statement in finding["sql"]:
        standby.sql("postgres", statement)
    wait_until(lambda: check("production").state("production", "standby") == "ok")
    standby.sql("postgres", "SELECT pg_wal_replay_pause()")
    check.scenario.source.sql(check.scenario.source_database, "CREATE TABLE public.later ()")
    finding = check("production").of("production", "standby")
    assert finding["state"] == "warn"
    assert "replay is paused" in finding["what"]
    execute(standby, "postgres", finding)
    wait_until(lambda: check("production").state("production", "standby") == "ok")


def test_a_standby_cannot_be_written_to(check: Checking) -> None:
    with closing_cluster(start_standby(check.scenario.target)) as standby:
        check.scenario.connections["staging"]["port"] = standby.port
        checked = check("staging")
    assert checked.worst("staging")["write"] == "fail"
    assert "is a standby" in checked.of("staging", "write")["what"]


class closing_cluster(closing):  # type: ignore[type-arg]  # noqa: N801 - used as a statement
    """Removes a cluster at the end of a block."""

    def __exit__(self, *_: object) -> None:
        self.thing.remove()
