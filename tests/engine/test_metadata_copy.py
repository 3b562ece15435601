"""Airflow's metadata goes back to what it was, whatever a newer release has made of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from appliance.errors import WorkFailedError
from appliance.releases import metadata
from tests.engine.clusters import Cluster


@pytest.fixture
def target_database(target: Cluster) -> Iterator[str]:
    """A database for metadata, owned as on a host: by the role that also restores it."""
    target.create_database("metadata", "OWNER twin_owner")
    yield "metadata"
    target.drop_database("metadata")


@pytest.fixture
def conninfo(target: Cluster, target_database: str) -> str:
    return make_conninfo(
        "", host=target.host, port=target.port, dbname=target_database, user="twin_owner",
        password=target.passwords["twin_owner"],
    )  # fmt: skip


def test_what_a_newer_release_made_of_the_metadata_is_undone(
    target: Cluster, target_database: str, conninfo: str, tmp_path: Path
) -> None:
    with target.connect(target_database, "twin_owner") as connection:
        connection.execute("CREATE TABLE alembic_version (version_num text); CREATE TABLE job (id int)")
        connection.execute("INSERT INTO alembic_version VALUES ('old'); INSERT INTO job VALUES (7)")
        metadata.save(conninfo, tmp_path / "metadata.sql")
        assert (tmp_path / "metadata.sql").stat().st_mode & 0o777 == 0o600
        connection.execute("UPDATE alembic_version SET version_num = 'new'; CREATE TABLE added (id int)")
        connection.execute("ALTER TABLE job RENAME TO task")
        assert metadata.version(conninfo) == "new"
        for _ in range(2):
            metadata.restore(conninfo, tmp_path / "metadata.sql")
            assert metadata.version(conninfo) == "old"
            assert connection.execute("SELECT id FROM job").fetchall() == [(7,)]
            tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
            assert connection.execute(tables).fetchone() == (2,)


def test_a_copy_that_is_cut_off_changes_nothing(
    target: Cluster, target_database: str, conninfo: str, tmp_path: Path
) -> None:
    with target.connect(target_database, "twin_owner") as connection:
        connection.execute("CREATE TABLE alembic_version (version_num text)")
        connection.execute("INSERT INTO alembic_version VALUES ('old')")
        copy = tmp_path / "metadata.sql"
        metadata.save(conninfo, copy)
        copy.write_text(copy.read_text() + "SELECT 1 / 0;\n")
        connection.execute("UPDATE alembic_version SET version_num = 'new'")
        with pytest.raises(WorkFailedError):
            metadata.restore(conninfo, copy)
        assert metadata.version(conninfo) == "new"


def test_a_database_that_is_away_is_said_so(tmp_path: Path) -> None:
    no_server = "host=/nowhere dbname=airflow"
    with pytest.raises(WorkFailedError, match="cannot be reached"):
        metadata.version(no_server)
    with pytest.raises(WorkFailedError, match="copied aside"):
        metadata.save(no_server, tmp_path / "metadata.sql")
    assert list(tmp_path.iterdir()) == []
