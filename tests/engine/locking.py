"""What tests of locks and load share: tables, work in the background, and what a run holds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from appliance.postgres.plan import PlannedTable
from tests.engine.clusters import Cluster
from tests.engine.engine_run import EngineRun
from tests.engine.source_session import catalog_of, kept, table_of

MakeRig = Callable[..., EngineRun]
BIG = "CREATE TABLE big (id int, filler text)"
SLOW = {"source_mb_per_s": 1, "yield_s": 2}


class InBackground(threading.Thread):
    """Some work in a thread; ``result()`` waits for it and raises what it raised."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._error: BaseException | None = None
        self._result: Any = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:
            self._error = error

    def result(self) -> Any:
        self.join(600)
        assert not self.is_alive()
        if self._error is not None:
            raise self._error
        return self._result


def wait_until(fulfilled: Callable[[], object]) -> None:
    until = time.monotonic() + 300
    while not fulfilled():
        assert time.monotonic() < until
        time.sleep(0.05)


def big_table(source: Cluster, database: str, rows: int = 40_000) -> PlannedTable:
    source.sql(
        database,
        "CREATE TABLE big (id int PRIMARY KEY, filler text);"
        f"INSERT INTO big SELECT i, repeat('x', 100) FROM generate_series(1, {rows}) AS i; ANALYZE big",
    )
    return kept(table_of(catalog_of(source, database), "public.big"))


def small_table(source: Cluster, database: str, name: str, where: str | None = None) -> PlannedTable:
    source.sql(database, f"CREATE TABLE {name} (id int PRIMARY KEY, a text, b text)")
    source.sql(database, f"INSERT INTO {name} SELECT i, 'a' || i, 'b' || i FROM generate_series(1, 9) AS i")
    return kept(table_of(catalog_of(source, database), f"public.{name}"), where_sql=where)


def is_reading(cluster: Cluster, database: str, table: str) -> bool:
    """Whether a run holds a lock on the table."""
    query = (
        "SELECT EXISTS (SELECT FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid) WHERE l.granted"
        f" AND l.relation = '{table}'::regclass AND a.application_name ~ '^copy-all')"
    )
    return bool(cluster.value(database, query))
