"""Opening a session: what it is set to, and what is said when it cannot be opened."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from appliance.connections.database import Connection
from appliance.errors import ApplianceError, WorkFailedError, WrongRequestError
from appliance.postgres.errors import retry_can_help
from appliance.postgres.sessions.connect import open_session
from appliance.steps.calling.secrets import (
    maintenance_service,
    read_service,
    remove_secrets,
    service_environment,
    write_secrets,
)
from tests.engine.clusters import Cluster

AWKWARD = r"""a b:c\d'e"f%g$h@i/j#k=l?m&n[o]{p}<é☃> ;!*"""


@pytest.fixture(scope="module")
def secured(new_cluster: Callable[..., Cluster]) -> Cluster:
    """A cluster with TLS, few connections, and roles that may do little."""
    cluster = new_cluster(
        name="secured",
        tls=True,
        settings={"max_connections": "6", "superuser_reserved_connections": "3"},
    )
    cluster.role("reader")
    cluster.role("awkward", password=AWKWARD)
    cluster.role("lonely", "CONNECTION LIMIT 0")
    cluster.create_database("closed")
    cluster.sql("postgres", "REVOKE CONNECT ON DATABASE closed FROM PUBLIC")
    cluster.create_database("quiet", "ALLOW_CONNECTIONS false")
    return cluster


@pytest.fixture
def open_with(secured: Cluster, tmp_path: Path) -> Iterator[Callable[..., psycopg.Connection[Any]]]:
    """Open a session through a secrets folder, as a step does."""
    opened: list[psycopg.Connection[Any]] = []

    def open_it(dbname: str = "postgres", user: str = "reader", **changes: Any) -> psycopg.Connection[Any]:
        entry = {"connect_timeout": 2, **secured.connection(dbname, user), **changes}
        write_secrets(tmp_path / "secrets", {"production": Connection.model_validate(entry)})
        session = open_session(
            "production",
            read_service(tmp_path / "secrets", "production"),
            application_name="a-test",
            read_only=True,
            statement_timeout_s=60,
            lock_timeout_s=5,
        )
        opened.append(session)
        return session

    yield open_it
    for session in opened:
        session.close()


def failure(open_it: Callable[..., Any], **changes: Any) -> ApplianceError:
    with pytest.raises(ApplianceError) as caught:
        open_it(**changes)
    text = caught.value.text()
    assert "production" in text
    assert "password=" not in text
    return caught.value


def test_a_reading_session_cannot_write_and_does_not_filter(open_with: Callable[..., Any]) -> None:
    with open_with() as session:
        settings = dict(
            session.execute(
                "SELECT name, setting FROM pg_settings WHERE name = ANY (%s)",
                [
                    [
                        *("default_transaction_read_only", "row_security", "search_path", "client_encoding"),
                        "max_parallel_workers_per_gather",
                        *("application_name", "statement_timeout", "lock_timeout", "DateStyle"),
                    ]
                ],
            ).fetchall()
        )
        assert settings == {
            "default_transaction_read_only": "on",
            "row_security": "off",
            "max_parallel_workers_per_gather": "0",
            "search_path": "",
            "client_encoding": "UTF8",
            "application_name": "a-test",
            "statement_timeout": "60000",
            "lock_timeout": "5000",
            "DateStyle": "ISO, YMD",
        }
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            session.execute("CREATE TABLE public.footprint ()")


def test_what_a_role_has_set_changes_no_answer(
    secured: Cluster, open_with: Callable[..., psycopg.Connection[Any]]
) -> None:
    answers = (
        "SELECT format_type('text'::regtype, NULL), (1 = NULL)::text, '{NULL}'::text[],"
        " current_setting('transaction_isolation'), '2020-03-04'::date::text, '\\xff'::bytea::text"
    )
    plain = open_with().execute(answers).fetchone()
    for setting in (
        "quote_all_identifiers = on",
        "transform_null_equals = on",
        "array_nulls = off",
        "default_transaction_isolation = 'serializable'",
        "datestyle = 'German'",
        "bytea_output = 'escape'",
    ):
        secured.sql("postgres", f"ALTER ROLE reader SET {setting}")
    try:
        assert open_with().execute(answers).fetchone() == plain
    finally:
        secured.sql("postgres", "ALTER ROLE reader RESET ALL")


def test_a_wrong_password_is_named_and_not_shown(open_with: Callable[..., Any]) -> None:
    error = failure(open_with, password="must-stay-hidden")
    assert isinstance(error, WrongRequestError)
    assert "password of 'reader'" in error.why
    assert "must-stay-hidden" not in error.text()
    assert not retry_can_help(error)


def test_no_password_is_a_wrong_one(open_with: Callable[..., Any]) -> None:
    assert "password of 'reader'" in failure(open_with, password="").why


@pytest.mark.parametrize("tool", ["psycopg", "psql"])
def test_passwords_with_every_awkward_character_work(
    open_with: Callable[..., Any], tmp_path: Path, tool: str
) -> None:
    with open_with(user="awkward") as session:
        assert session.info.user == "awkward"
    if tool == "psql":
        environment = service_environment(tmp_path / "secrets", "production", "a-test")
        asked = subprocess.run(
            ["psql", "-Atc", "SELECT current_user"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert asked.stdout == "awkward\n", asked.stderr
        assert AWKWARD not in str(environment)


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"dbname": "nowhere"}, WrongRequestError, ("no database 'nowhere'", "production.dbname")),
        ({"host": "no-such-host.invalid"}, WrongRequestError, ("No address is known", "production.host")),
        ({"dbname": "closed"}, WrongRequestError, ("may not connect", "GRANT CONNECT ON DATABASE")),
        ({"dbname": "quiet"}, WorkFailedError, ("does not accept connections", "ALLOW_CONNECTIONS true")),
        ({"user": "lonely"}, WorkFailedError, ("no connection slot", "limits.parallel")),
        (
            {"sslmode": "verify-full", "host": "127.0.0.1"},
            WrongRequestError,
            ("not for '127.0.0.1'", "production.host"),
        ),
    ],
)
def test_what_is_wrong_is_said_with_the_key_to_change(
    open_with: Callable[..., Any],
    secured: Cluster,
    changes: dict[str, Any],
    kind: type[ApplianceError],
    said: tuple[str, str],
) -> None:
    if "sslmode" in changes:
        changes = {**changes, "sslrootcert": str(secured.tls_ca)}
    error = failure(open_with, **changes)
    assert isinstance(error, kind)
    assert said[0] in error.why
    assert said[1] in error.next_step
    assert retry_can_help(error) == (kind is WorkFailedError)


def test_tls_is_verified_against_the_given_authority(
    open_with: Callable[..., Any], secured: Cluster, new_cluster: Callable[..., Cluster], tmp_path: Path
) -> None:
    verified = {"sslmode": "verify-full", "host": "localhost"}
    with open_with(**verified, sslrootcert=str(secured.tls_ca)) as session:
        assert session.pgconn.ssl_in_use
    other = tmp_path / "other.crt"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other", "-days", "2"),
            *("-keyout", str(tmp_path / "other.key"), "-out", str(other)),
        ],
        check=True,
        capture_output=True,
    )
    error = failure(open_with, **verified, sslrootcert=str(other))
    assert isinstance(error, WrongRequestError)
    assert "not signed by a CA in sslrootcert" in error.why


def test_a_certificate_that_is_not_there_is_named(open_with: Callable[..., Any], tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    with pytest.raises(WrongRequestError) as caught:
        open_with(sslmode="verify-ca", sslrootcert=str(missing))
    assert str(missing) in caught.value.what
    assert "production.sslrootcert" in caught.value.next_step


def test_a_server_with_no_slot_left_is_worth_another_try(
    secured: Cluster, open_with: Callable[..., Any]
) -> None:
    taken = [secured.connect(user="reader") for _ in range(3)]
    try:
        error = failure(open_with)
        assert "no connection slot" in error.why
        assert retry_can_help(error)
    finally:
        for each in taken:
            each.close()


def test_nothing_listens(open_with: Callable[..., Any]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        error = failure(open_with, port=probe.getsockname()[1])
    assert isinstance(error, WorkFailedError)
    assert "Nothing listens" in error.why
    assert retry_can_help(error)


def test_a_host_that_does_not_answer_is_given_up_after_the_timeout(open_with: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = failure(open_with, port=silent.getsockname()[1], connect_timeout=2)
    assert isinstance(error, WorkFailedError)
    assert "does not answer within 2 s" in error.why
    assert retry_can_help(error)


def test_something_else_than_postgresql_is_told_apart(open_with: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(100)
                client.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        error = failure(open_with, port=listener.getsockname()[1])
    assert "is not PostgreSQL" in error.why


def test_a_role_that_pg_hba_keeps_out_is_told_the_line_to_add(
    new_cluster: Callable[..., Cluster], tmp_path: Path
) -> None:
    cluster = new_cluster(name="strict")
    cluster.role("reader")
    rules = cluster.folder / "data" / "pg_hba.conf"
    rules.write_text("host all postgres 127.0.0.1/32 scram-sha-256\n")
    with cluster.connect() as admin:
        admin.execute("SELECT pg_reload_conf()")
    # A line for TLS would not let in who asks for none.
    for sslmode, line in (("prefer", "hostssl"), ("disable", "host")):
        entry = Connection.model_validate(cluster.connection("postgres", "reader") | {"sslmode": sslmode})
        write_secrets(tmp_path / sslmode, {"production": entry})
        with pytest.raises(WrongRequestError) as caught:
            open_session(
                "production",
                read_service(tmp_path / sslmode, "production"),
                application_name="a-test",
                read_only=True,
            )
        assert f'pg_hba.conf:  {line} "postgres" "reader"' in caught.value.next_step


def test_secrets_are_for_their_owner_only_and_leave_no_trace(secured: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    entries = {
        "production": Connection.model_validate(secured.connection("postgres", "awkward")),
        "staging": Connection.model_validate(
            secured.connection("postgres", "reader", maintenance_db="closed")
        ),
    }
    write_secrets(folder, entries, {"appliance.k_hash__hash": "00" * 32})
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o400}
    assert read_service(folder, maintenance_service("staging"))["dbname"] == "closed"
    assert AWKWARD not in (folder / "pg_service.conf").read_text()
    with pytest.raises(WrongRequestError, match="was not given the connection 'other'"):
        read_service(folder, "other")
    remove_secrets(folder)
    assert not folder.exists()
    remove_secrets(folder)
