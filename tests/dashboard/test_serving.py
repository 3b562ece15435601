"""The dashboard as a program: its settings, its commands, its first start, its store across restarts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.cloud.workflows import LOCAL_ID
from appliance.dashboard.cli import cli
from appliance.dashboard.settings import Settings, from_environment, load_secret_key
from appliance.dashboard.store.database import Database, StoreAwayError
from appliance.dashboard.store.migrations import split_migrations, statements
from appliance.errors import WrongRequestError
from appliance.policy.policy import Policy
from tests.dashboard.running import PASSWORD, running_dashboard
from tests.dashboard.simulated_appliance import SimulatedAppliance


def test_a_first_start_an_enrolment_and_a_restart(tmp_path: Path) -> None:
    with running_dashboard(tmp_path) as dashboard:
        log = (tmp_path / "dashboard.log").read_text()
        assert re.search(r"as admin with the one-time password [A-Za-z0-9_-]{16}", log)
        dashboard.command("create-user", "ada", "--role", "editor", "--password-stdin", given=f"{PASSWORD}\n")
        token = dashboard.command("create-token", "pipeline", "--role", "viewer")
        appliance = SimulatedAppliance(dashboard.client())
        appliance.enrol(dashboard.command("add-appliance", "Hospital West", "--token-only"))
        appliance.heartbeat()
        printed = dashboard.command("add-appliance", "Hospital West")
        assert dashboard.url in printed and "ape_" in printed
    with running_dashboard(tmp_path) as dashboard:
        assert "one-time" not in (tmp_path / "dashboard.log").read_text()
        appliance.client = dashboard.client()
        appliance.heartbeat()
        (shown,) = dashboard.client(token).get("/v1/appliances").json()
        assert (shown["name"], shown["condition"]) == ("Hospital West", "healthy")
        assert {person["name"] for person in dashboard.client(token).get("/v1/people").json()} == {
            "admin",
            "ada",
        }
    assert (tmp_path / "secret.key").stat().st_mode & 0o077 == 0


def test_wrong_settings_are_told_all_at_once(tmp_path: Path) -> None:
    wrong = {
        "DASHBOARD_BIND": "8650",
        "DASHBOARD_PUBLIC_ADDRESS": "x",
        "DASHBOARD_HEARTBEAT_SECONDS": "often",
    }
    done = subprocess.run(
        [sys.executable, "-m", "appliance.dashboard", "serve"],
        env={"PATH": os.environ["PATH"], **wrong},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    for part in (
        "DASHBOARD_BIND must be ADDRESS:PORT",
        "DASHBOARD_PUBLIC_ADDRESS is not",
        "whole number",
        "Next:",
    ):
        assert part in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE", "mysql://x"),
        ("PUBLIC_URL", "dashboard.test"),
        ("PUBLIC_URL", "https://dashboard.test/path"),
        ("TLS_CERTIFICATE", "/etc/cert.pem"),
        ("RETENTION_DAYS", "0"),
        ("RETENTION_DAYS", "-1"),
    ],
)
def test_a_wrong_setting_is_named(variable: str, value: str) -> None:
    with pytest.raises(WrongRequestError, match=f"DASHBOARD_{variable}"):
        from_environment({f"DASHBOARD_{variable}": value})


def test_every_setting_can_be_set() -> None:
    given = {
        "DASHBOARD_BIND": "[::1]:99",
        "DASHBOARD_PUBLIC_URL": "https://d.test",
        "DASHBOARD_RETENTION_DAYS": "7",
    }
    made = from_environment(given)
    assert (made.host, made.port, made.secure, made.retention_days) == ("::1", 99, True, 7)
    assert from_environment({}) == Settings()


def test_every_setting_command_and_rule_is_on_the_page_about_the_dashboard() -> None:
    page = (Path(__file__).parents[2] / "docs" / "dashboard.md").read_text()
    for name in Settings.__dataclass_fields__:
        assert f"`DASHBOARD_{name.upper()}`" in page
    for command in cli.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "")
        assert name == "serve" or f"appliance-dashboard {name}" in page
    for rule in ({*Policy.model_fields} - {"updates"}) | {
        "updates.pin",
        "updates.channel",
        LOCAL_ID,
    }:
        assert f"`{rule}`" in page, rule


def test_a_truncated_secret_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(WrongRequestError, match="too short"):
        load_secret_key(tmp_path / "key")
    assert len(load_secret_key(tmp_path / "new" / "key")) == 32


def test_migrating_again_changes_nothing(store_url: str) -> None:
    database = Database(store_url)
    assert database.migrate() == database.migrate() >= 1
    database.close()


def test_both_stores_get_the_same_tables() -> None:
    schema = (Path(__file__).parents[2] / "appliance" / "dashboard" / "store" / "schema.sql").read_text()
    for _, block in split_migrations(schema):
        both = [statements(block, is_postgres) for is_postgres in (True, False)]
        differing = [pair for pair in zip(*both, strict=True) if pair[0] != pair[1]]
        assert all("id BIGINT GENERATED" in pair[0] and "AUTOINCREMENT" in pair[1] for pair in differing)


def test_a_transaction_that_fails_leaves_nothing(store_url: str) -> None:
    database = Database(store_url)
    database.migrate()
    with pytest.raises(ZeroDivisionError), database.write() as session:
        session.run("INSERT INTO workflow VALUES ('w', 't', 1, 1, 1, NULL)")
        raise ZeroDivisionError
    with database.read() as session:
        assert session.count("SELECT count(*) FROM workflow") == 0
    with pytest.raises(WrongRequestError), database.write() as session:
        session.run("INSERT INTO workflow VALUES (?, 't', 1, 1, 1, NULL)", "half \ud800 a pair")
    with database.write() as session:
        session.run("INSERT INTO workflow VALUES ('w', '100 % sure', 1, 1, 1, NULL)")
        assert (
            session.value(str, "SELECT title FROM workflow WHERE title LIKE '%sure%' AND id = ?", "w")
            is not None
        )
    database.close()


def test_a_postgresql_that_restarts_is_found_again(cluster: object) -> None:
    from tests.engine.clusters import Cluster

    assert isinstance(cluster, Cluster)
    cluster.create_database("restarted")
    url = f"postgresql://postgres:{cluster.passwords['postgres']}@127.0.0.1:{cluster.port}/restarted"
    database = Database(url)
    database.migrate()
    cluster.stop("immediate")
    with pytest.raises(StoreAwayError), database.read() as session:
        session.count("SELECT 1")
    cluster.start()
    with database.read() as session:
        assert session.count("SELECT 1") == 1
    database.close()
    cluster.drop_database("restarted")
