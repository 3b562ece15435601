"""A mask on a table holds for all that a query of the table shows."""

from __future__ import annotations

from pathlib import Path

from tests.engine.clusters import Cluster
from tests.engine.engine_run import EngineRun

PEOPLE = """
CREATE TABLE person (id int PRIMARY KEY, email text);
CREATE TABLE staff (badge int) INHERITS (person);
CREATE TABLE payee (email text, iban text);
CREATE TABLE chief () INHERITS (staff, payee);
INSERT INTO person VALUES (1, 'ann@corp.test');
INSERT INTO staff VALUES (2, 'bob@corp.test', 7);
INSERT INTO chief VALUES (3, 'eve@corp.test', 8, 'AT61');
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
"""


def test_no_address_of_the_source_shows_through_a_masked_parent(
    source: Cluster, source_database: str, target: Cluster, twin_database: str, run_folder: Path
) -> None:
    source.sql(source_database, PEOPLE)
    document = {"masks": {"public.person.email": "email"}, "unlisted": "keep"}
    run = EngineRun(source, source_database, target, twin_database, run_folder, document)
    run.copied().verify()
    for table in ("person", "payee"):
        shown = run.target.rows(run.next, f"SELECT email FROM {table}")
        assert shown and not any("corp.test" in email for (email,) in shown)
    assert run.target.rows(run.next, "SELECT count(*) FROM person") == [(3,)]
