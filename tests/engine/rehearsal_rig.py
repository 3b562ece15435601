"""A published twin with a golden copy, and what rehearses migrations on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from appliance.branches.opening import server_of
from appliance.branches.server import BranchServer
from appliance.connections.database import Connection
from appliance.policy.branches import BranchPolicy
from appliance.postgres.twin.names import twin_names
from appliance.rehearsals.login import Login
from appliance.rehearsals.rehearsing import Rehearser, read_script
from appliance.rehearsals.results.report import Rehearsal, StatementReport
from appliance.workflow.rehearsal import RehearsalLimits
from tests.engine.clusters import Cluster
from tests.engine.test_publish import Stage

SHOP = """
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE owner (id bigint PRIMARY KEY, name text);
INSERT INTO owner SELECT n, 'owner ' || n FROM generate_series(1, 100) AS n;
CREATE TABLE item (
    id bigint PRIMARY KEY, owner_id bigint, name text, code varchar(20), price integer, mood mood, old text);
INSERT INTO item SELECT n, n % 100 + 1, 'item ' || n, 'c' || n, n, 'ok', 'old'
    FROM generate_series(1, 5000) AS n;
CREATE TABLE event (at date, what text) PARTITION BY RANGE (at);
CREATE TABLE event_2025 PARTITION OF event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE event_2026 (at date, what text);
INSERT INTO event_2026 SELECT '2026-02-01', 'x' FROM generate_series(1, 100);
CREATE FUNCTION slowly(bigint) RETURNS bigint IMMUTABLE LANGUAGE plpgsql
    AS 'BEGIN PERFORM pg_sleep(0.1); RETURN $1; END';
CREATE TABLE few AS SELECT n::bigint AS id FROM generate_series(1, 6) AS n;
ANALYZE
"""


@dataclass
class Rig:
    """One twin; every rehearsal has a branch of its own."""

    stage: Stage
    folder: Path

    @property
    def twin(self) -> str:
        return self.stage.names.twin

    def connection(self, user: str = "twin_owner") -> Connection:
        name = "staging" if user == "twin_owner" else user
        entry = self.stage.target.connection(self.twin, user)
        connection = Connection.model_validate(entry)
        connection._name = name
        return connection

    def server(self) -> BranchServer:
        return server_of("staging", self.connection(), BranchPolicy(), "w")

    def rehearser(self, migrator: str | None = None, **limits: Any) -> Rehearser:
        return Rehearser(
            server=self.server(),
            twin=Login.of(self.connection()),
            migrator=Login.of(self.connection(migrator)) if migrator else None,
            limits=RehearsalLimits(**limits),
            make_branch=lambda make: make(),
            source_rows=lambda _: {},
        )

    def file(self, sql: str, name: str = "up.sql") -> Path:
        file = self.folder / name
        file.write_text(sql)
        return file

    def rehearse(
        self, sql: str, down: str | None = None, migrator: str | None = None, **limits: Any
    ) -> Rehearsal:
        """Rehearse a migration; its branch must be gone afterwards, and the twin as it was."""
        before = self.facts()
        try:
            return self.rehearser(migrator, **limits).rehearse(
                read_script([self.file(sql)]), read_script([self.file(down, "down.sql")]) if down else None
            )
        finally:
            assert self.server().branches() == []
            assert self.facts() == before

    def only(self, sql: str, **limits: Any) -> StatementReport:
        """What came of the last statement of a migration that passed."""
        rehearsal = self.rehearse(sql, **limits)
        assert rehearsal.verdict == "passed", rehearsal.reasons
        return rehearsal.up.statements[-1]

    def facts(self) -> list[Any]:
        """The server's databases and roles, and what the twin holds."""
        target = self.stage.target
        databases = target.rows(
            "postgres",
            "SELECT datname, datdba::regrole::text, datacl::text, datallowconn, datconnlimit FROM pg_database"
            " ORDER BY 1",
        )
        roles = target.rows("postgres", "SELECT rolname, rolsuper, rolcreaterole FROM pg_roles ORDER BY 1")
        tables = target.rows(self.twin, "SELECT relname, relfilenode FROM pg_class ORDER BY 1")
        return [databases, roles, tables]


@contextmanager
def rehearsal_rig(target: Cluster, twin: str, folder: Path) -> Iterator[Rig]:
    stage = Stage(target, twin_names(twin))
    stage.finished_next()
    target.sql(stage.names.next, SHOP, "twin_owner")
    replace(stage.publisher(), golden="always").publish()
    try:
        yield Rig(stage, folder)
    finally:
        for database in target.databases():
            if database.startswith(twin):
                target.drop_database(database)
