"""A server that was built without libxml, as source and as target: the PostgreSQL of the Python package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg import errors

from appliance.errors import WrongRequestError
from tests.engine.clusters import Cluster
from tests.engine.engine_run import EngineRun
from tests.engine.plan_making import plan_of

LETTERS = """
CREATE DOMAIN sheet AS xml;
CREATE TYPE parcel AS (weight int, content xml);
CREATE TABLE letter (
    id int PRIMARY KEY, body xml, sheets sheet[], parcel parcel, words text CHECK (xml_is_well_formed(words)),
    said text
);
INSERT INTO letter VALUES (1, NULL, NULL, NULL, NULL, NULL),
    (2, '<a>Ann</a>', '{<a/>}', (1, '<a/>'), '<a>Lee</a>', '<a>Ann</a>');
CREATE INDEX written ON letter (id) WHERE xml_is_well_formed_content(said);
CREATE TABLE draft (id int PRIMARY KEY, body xml);
INSERT INTO draft VALUES (1, NULL);
CREATE TABLE stored (
    id int, body xml, fine boolean GENERATED ALWAYS AS (xml_is_well_formed_document(body::text)) STORED
) PARTITION BY RANGE (id);
CREATE TABLE stored_1 PARTITION OF stored FOR VALUES FROM (1) TO (2);
CREATE TABLE stored_2 PARTITION OF stored FOR VALUES FROM (2) TO (3);
INSERT INTO stored VALUES (1, '<a/>'), (2, '<a/>');
CREATE TABLE form (id int, body xml DEFAULT '<a/>'::xml);
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
"""
WITHOUT_RULES = ["check letter_words_check on public.letter", "index public.written"]


@pytest.fixture
def letters(source: Cluster, source_database: str) -> str:
    source.sql(source_database, LETTERS)
    return source_database


@pytest.fixture
def twin(postgres18: Cluster) -> Iterator[str]:
    yield "letters_twin"
    for suffix in ("", "__next", "__prev"):
        postgres18.drop_database(f"letters_twin{suffix}")


@pytest.fixture
def run_of(source: Cluster, letters: str, postgres18: Cluster, twin: str, run_folder: Path) -> Any:
    """A run into the server without libxml, with these masks and all else kept."""

    def make(masks: dict[str, Any], **more: Any) -> EngineRun:
        document = {"masks": masks, "keep": ["*.*.*"], **more}
        return EngineRun(source, letters, postgres18, twin, run_folder, document)

    return make


def refusal(run: EngineRun) -> list[str]:
    with pytest.raises(WrongRequestError) as refused:
        run.plan()
    run.close()
    assert refused.value.why == "No row has been copied." and "libxml" in refused.value.next_step
    return refused.value.what.splitlines()


def test_a_source_without_libxml_is_refused_at_plan(postgres18: Cluster) -> None:
    database = "letters_without_libxml"
    postgres18.create_database(database)
    try:
        postgres18.sql(database, "CREATE TABLE letter (id int PRIMARY KEY, body text)")
        postgres18.sql(database, "GRANT SELECT ON letter TO reader")
        with postgres18.connect(database) as session, pytest.raises(errors.FeatureNotSupported):
            session.execute("SELECT xml_is_well_formed_content('<a/>')")
        masks = {"public.letter.body": {"mask": "xml", "paths": {"//name": "hash"}}}
        with pytest.raises(WrongRequestError) as refused:
            plan_of(postgres18, database, unlisted="halt", masks=masks, keep=["*.*.id"])
    finally:
        postgres18.drop_database(database)
    assert "letter.body: the mask 'xml' needs a server that was built with libxml" in refused.value.what
    assert refused.value.why == "No row has been read."


def test_a_target_without_libxml_is_refused_at_plan_with_all_that_would_fail_there(run_of: Any) -> None:
    said = refusal(run_of({"public.letter.said": {"mask": "xml", "paths": {"//a": "hash"}}}))
    lacks = "the target 'staging' was built without libxml"
    columns = ("letter.body", "letter.parcel", "letter.sheets", "stored.body")
    assert said[:4] == [
        f"public.{name}: {lacks} and takes no value of the type xml; of the masks only null goes"
        for name in columns
    ]
    assert said[4] == (
        f"public.letter.said: the mask 'xml' is proven in the twin, and {lacks};"
        " these do without: null, constant, blank (text)"
    )
    assert said[5:] == [
        f"The default of body of public.form reads XML, and {lacks}; tables.exclude leaves the table out",
        f"The CHECK constraint letter_words_check of public.letter reads XML, and {lacks};"
        f' leave_out: ["{WITHOUT_RULES[0]}"] does without it',
        f'The index written of public.letter reads XML, and {lacks}; leave_out: ["{WITHOUT_RULES[1]}"] does'
        " without it",
        f"The generated column fine of public.stored reads XML, and {lacks};"
        " tables.exclude leaves the table out",
    ]


def test_what_a_target_without_libxml_can_hold_is_copied_and_proven(
    run_of: Any, postgres18: Cluster, twin: str
) -> None:
    masks = {f"public.letter.{name}": "null" for name in ("body", "sheets", "parcel")}
    run = run_of(
        {**masks, "public.letter.said": "blank"},
        tables={"include": ["public.letter", "public.draft"]},
        leave_out=WITHOUT_RULES,
    )
    run.copied()
    run.verify()
    query = "SELECT num_nulls(body, sheets, parcel), words, said FROM letter ORDER BY id"
    assert postgres18.rows(run.next, query) == [(3, None, None), (3, "<a>Lee</a>", "")]
    assert postgres18.rows(run.next, "SELECT id, body FROM draft") == [(1, None)]
