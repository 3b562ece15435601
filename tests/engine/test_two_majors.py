"""A twin on an older server, and on a newer one: PostgreSQL 15 with 17 and 18, both ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import WrongRequestError
from appliance.system.postgres_programs import PG_DUMP_VARIABLE, find_pg_dump
from tests.engine.clusters import Cluster, Newer
from tests.engine.engine_run import EngineRun
from tests.engine.every_object import ROWS, every_object_of
from tests.engine.schema_text import restore_schema, schema_text


@pytest.fixture
def newer_cluster(newer: Newer, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The newer server, with a pg_dump that reads it and the older one."""
    for name, value in newer.environment.items():
        monkeypatch.setenv(name, value)
    return newer.cluster


@pytest.mark.parametrize("direction", ["to the newer", "to the older"])
def test_a_twin_on_another_major_has_the_schema_of_its_source(
    direction: str,
    *,
    source: Cluster,
    target: Cluster,
    newer_cluster: Cluster,
    twin_database: str,
    tmp_path: Path,
) -> None:
    from_cluster, to_cluster = (
        (source, newer_cluster) if direction == "to the newer" else (newer_cluster, target)
    )
    database = f"every_{twin_database}"
    from_cluster.let_read_all("reader")
    from_cluster.create_database(database)
    try:
        from_cluster.sql(database, every_object_of(newer_cluster.major))
        from_cluster.sql(database, ROWS)
        run = EngineRun(from_cluster, database, to_cluster, twin_database, tmp_path)
        run.publish_as_is()
        # Servers word the same view differently: what counts is what their own tools would have made there.
        restore_schema(from_cluster, database, to_cluster, f"{database}_restored")
        assert schema_text(to_cluster, twin_database, major=newer_cluster.major) == schema_text(
            to_cluster, f"{database}_restored", major=newer_cluster.major
        )
        assert any("knows is left out" in text for text in run.check.warnings) == (
            direction == "to the older"
        )
        for table in ("crm.customer", "public.event", '"Verkauf & Co"."Bestellung"'):
            query = f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} AS t"
            assert to_cluster.rows(twin_database, query) == from_cluster.rows(database, query)
    finally:
        run.close()
        for name in (
            f"{database}_restored",
            twin_database,
            f"{twin_database}__next",
            f"{twin_database}__prev",
        ):
            to_cluster.drop_database(name)
        from_cluster.drop_database(database)
        from_cluster.let_read_no_more("reader")


def test_what_an_older_target_does_not_understand_is_left_out_and_named(
    target: Cluster, newer_cluster: Cluster, twin_database: str, tmp_path: Path
) -> None:
    database = f"newer_{twin_database}"
    newer_cluster.let_read_all("reader")
    newer_cluster.create_database(database)
    try:
        newer_cluster.sql(
            database,
            "CREATE TABLE public.t (j jsonb); CREATE VIEW public.only_in_17 AS SELECT x FROM public.t,"
            " JSON_TABLE(j, '$' COLUMNS (x integer PATH '$.x'));"
            "CREATE VIEW public.of_it AS SELECT x FROM public.only_in_17;"
            "CREATE TABLE public.later (id integer PRIMARY KEY)",
        )
        run = EngineRun(newer_cluster, database, target, twin_database, tmp_path)
        run.plan_as_is()
        listed = {item.name: item.why for item in run.schema().not_carried}
        assert listed.keys() == {"public.only_in_17", "public.of_it"}
        assert "which the source's PostgreSQL does" in listed["public.only_in_17"]
        run.close()
    finally:
        newer_cluster.drop_database(database)
        newer_cluster.let_read_no_more("reader")


def test_a_source_that_is_newer_than_every_pg_dump_says_what_to_install() -> None:
    with pytest.raises(WrongRequestError) as caught:
        find_pg_dump(990000)
    assert "postgresql-client-99" in caught.value.text() and PG_DUMP_VARIABLE in caught.value.text()
