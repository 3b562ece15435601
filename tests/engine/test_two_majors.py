"""A twin on an older server, and on a newer one: PostgreSQL 15 and 17, both ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import WrongRequestError
from appliance.system.postgres_programs import PG_DUMP_VARIABLE, find_pg_dump
from tests.engine.clusters import Cluster
from tests.engine.container_cluster import has_postgres17, pg_dump_wrapper
from tests.engine.engine_run import EngineRun
from tests.engine.schema_text import restore_schema, schema_text
from tests.engine.test_schema_and_finish import EVERY_OBJECT, ROWS

READER = "GRANT pg_read_all_data TO reader; ALTER ROLE reader BYPASSRLS"
READER_AS_BEFORE = "REVOKE pg_read_all_data FROM reader; ALTER ROLE reader NOBYPASSRLS"
"""Other tests of the same servers rely on a reader that may do less."""


@pytest.fixture
def pg_dump17(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pg_dump that reads both."""
    if not has_postgres17():
        monkeypatch.setenv(PG_DUMP_VARIABLE, str(pg_dump_wrapper(tmp_path)))


@pytest.mark.parametrize("direction", ["to the newer", "to the older"])
def test_a_twin_on_another_major_has_the_schema_of_its_source(
    direction: str,
    *,
    source: Cluster,
    target: Cluster,
    postgres17: Cluster,
    twin_database: str,
    pg_dump17: None,
    tmp_path: Path,
) -> None:
    from_cluster, to_cluster = (source, postgres17) if direction == "to the newer" else (postgres17, target)
    database = f"every_{twin_database}"
    from_cluster.sql("postgres", READER)
    from_cluster.create_database(database)
    try:
        from_cluster.sql(database, EVERY_OBJECT)
        from_cluster.sql(database, ROWS)
        run = EngineRun(from_cluster, database, to_cluster, twin_database, tmp_path)
        run.publish_as_is()
        # Servers word the same view differently: what counts is what their own tools would have made there.
        restore_schema(from_cluster, database, to_cluster, f"{database}_restored")
        assert schema_text(to_cluster, twin_database, major=17) == schema_text(
            to_cluster, f"{database}_restored", major=17
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
        from_cluster.sql("postgres", READER_AS_BEFORE)


def test_what_an_older_target_does_not_understand_is_left_out_and_named(
    target: Cluster, postgres17: Cluster, twin_database: str, pg_dump17: None, tmp_path: Path
) -> None:
    database = f"newer_{twin_database}"
    postgres17.sql("postgres", READER)
    postgres17.create_database(database)
    try:
        postgres17.sql(
            database,
            "CREATE TABLE public.t (j jsonb); CREATE VIEW public.only_in_17 AS SELECT x FROM public.t,"
            " JSON_TABLE(j, '$' COLUMNS (x integer PATH '$.x'));"
            "CREATE VIEW public.of_it AS SELECT x FROM public.only_in_17;"
            "CREATE TABLE public.later (id integer PRIMARY KEY)",
        )
        run = EngineRun(postgres17, database, target, twin_database, tmp_path)
        run.plan_as_is()
        listed = {item.name: item.why for item in run.schema().not_carried}
        assert listed.keys() == {"public.only_in_17", "public.of_it"}
        assert "a newer PostgreSQL does" in listed["public.only_in_17"]
        run.close()
    finally:
        postgres17.drop_database(database)
        postgres17.sql("postgres", READER_AS_BEFORE)


def test_a_source_that_is_newer_than_every_pg_dump_says_what_to_install() -> None:
    with pytest.raises(WrongRequestError) as caught:
        find_pg_dump(990000)
    assert "postgresql-client-99" in caught.value.text() and PG_DUMP_VARIABLE in caught.value.text()
