"""Airflow is asked to migrate its metadata only where its version has not made them what they are."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from appliance.orchestration.airflow.migrated import is_up_to_date, remember
from appliance.settings.settings import Settings, load_settings
from tests.engine.clusters import Cluster


@pytest.fixture
def settings(target: Cluster, tmp_path: Path) -> Iterator[Settings]:
    """Those of an appliance whose Airflow has a database."""
    target.create_database("airflow_kept", "OWNER twin_owner")
    target.sql("airflow_kept", "CREATE TABLE alembic_version (version_num text)")
    target.sql("airflow_kept", "GRANT SELECT ON alembic_version TO twin_owner")
    of_airflow = make_conninfo(
        "", host=target.host, port=target.port, dbname="airflow_kept", user="twin_owner",
        password=target.passwords["twin_owner"],
    )  # fmt: skip
    config = tmp_path / "appliance.yaml"
    config.write_text("{}\n")
    (tmp_path / "airflow").mkdir()
    given = {"APPLIANCE_STATE_DIR": str(tmp_path), "APPLIANCE_AIRFLOW_DATABASE_URL": of_airflow}
    yield load_settings(config, given)
    target.drop_database("airflow_kept")


def test_what_a_version_has_made_is_known_again_after_another_one_was_there(
    settings: Settings, target: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def there(airflow: str, schema: str) -> None:
        monkeypatch.setattr(importlib.metadata, "version", lambda _: airflow)
        target.sql(
            "airflow_kept", f"TRUNCATE alembic_version; INSERT INTO alembic_version VALUES ('{schema}')"
        )

    there("3.2.2", "older")
    assert not is_up_to_date(settings), "it was never migrated"
    remember(settings)
    assert is_up_to_date(settings)
    there("3.3.2", "older")
    assert not is_up_to_date(settings), "the newer Airflow has to bring its own schema"
    there("3.3.2", "newer")
    remember(settings)
    assert is_up_to_date(settings)
    there("3.2.2", "older")
    assert is_up_to_date(settings), "the way down has made it what the older Airflow wants"
    there("3.2.2", "newer")
    assert not is_up_to_date(settings)


def test_a_note_of_another_form_or_a_database_without_a_schema_means_to_ask(
    settings: Settings, target: Cluster
) -> None:
    note = settings.state_dir / "airflow" / "migrated.json"
    remember(settings)
    assert not note.exists() and not is_up_to_date(settings)
    target.sql("airflow_kept", "INSERT INTO alembic_version VALUES ('newer')")
    for text in ("", "[]", '{"airflow": "3.3.2", "schema": "newer"}'):
        note.write_text(text)
        assert not is_up_to_date(settings)
    remember(settings)
    assert is_up_to_date(settings)
