"""Tables that Citus keeps in shards, played by what a reader of the catalog sees of them: never read in part.

The extension itself has no package here. How it fares is in docs/carried.md.
"""

from __future__ import annotations

import yaml

from tests.engine.scenario import Scenario
from tests.engine.test_as_in_source import run_of

# A superuser may write down an extension without its files.
SHARDED = """
SET allow_system_table_mods = on;
CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass);
GRANT SELECT ON pg_catalog.pg_dist_partition TO public;
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
    VALUES (99998, 'citus', 10, 'pg_catalog'::regnamespace, false, '15.0');
INSERT INTO pg_depend (classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype)
    VALUES ('pg_class'::regclass, 'pg_dist_partition'::regclass, 0, 'pg_extension'::regclass, 99998, 0, 'e');
CREATE TABLE public.tenant (id int PRIMARY KEY, email text);
CREATE TABLE public.plain (id int PRIMARY KEY, email text);
INSERT INTO public.tenant SELECT i, format('t%s@corp.test', i) FROM generate_series(1, 9) AS i;
INSERT INTO public.plain SELECT i, format('p%s@corp.test', i) FROM generate_series(1, 9) AS i;
INSERT INTO pg_dist_partition VALUES ('public.tenant');
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
"""
MASKED = {"masks": {"*.*.email": "email"}, "keep": ["*.*.id"], "tables": {"include": ["public.*"]}}


def test_a_table_whose_rows_no_snapshot_covers_is_refused_by_name_and_others_are_copied(
    scenario: Scenario,
) -> None:
    refused = run_of(scenario, SHARDED, **MASKED)
    assert refused.code == 2, refused.text
    assert "Citus keeps the rows of public.tenant in shards" in refused.text
    assert "No row has been read." in refused.text
    scenario.workflow["tables"] = {"include": ["public.*"], "exclude": ["public.tenant"]}
    ended = scenario.run()
    assert ended.code == 0, ended.text
    assert scenario.twin_rows("SELECT count(*) FROM public.plain WHERE email NOT LIKE '%corp.test'") == [(9,)]


def test_a_scan_says_so_and_writes_a_workflow_without_it(scenario: Scenario) -> None:
    run_of(scenario, SHARDED, **MASKED)
    written = scenario.folder / "scanned.yaml"
    _, *known = scenario.write()
    scanned = scenario.command("scan", "production", *known, "--write", str(written))
    assert "public.tenant: Citus keeps its rows in shards" in scanned.text
    assert yaml.safe_load(written.read_text())["tables"]["exclude"] == ["public.tenant"]
