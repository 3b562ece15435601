"""Rehearsals without a server: statements divided, stretches of time joined, reports written."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.cli.terminal.results.rehearsal import bar
from appliance.cli.work.workflows.rehearsing import files_of
from appliance.errors import WrongRequestError
from appliance.rehearsals.beyond import why_beyond
from appliance.rehearsals.results.judging import judged
from appliance.rehearsals.results.linting import with_findings
from appliance.rehearsals.results.report import (
    Blocked,
    Direction,
    Failure,
    Finding,
    Rehearsal,
    SchemaComparison,
    StatementReport,
    TableReport,
)
from appliance.rehearsals.results.written import estimates, junit, markdown
from appliance.rehearsals.schema_text import compared
from appliance.rehearsals.statements import Statement, split_statements
from appliance.rehearsals.watch.locks import MODES, short, strongest
from appliance.rehearsals.watch.timeline import Stretch, Timeline, joined
from appliance.workflow.rehearsal import RehearsalLimits

FUNCTION = """CREATE OR REPLACE FUNCTION f(a int) RETURNS int LANGUAGE sql
BEGIN ATOMIC
    SELECT CASE WHEN a > 1 THEN 2 END;
    SELECT 3;
END"""
WHOLE = [
    "SELECT 1",
    "SELECT ';', E'it''s \\'; fine', U&'\\0041;', $$ ; $$, $a$ $$ ; $$ $a$, \"odd;name\"",
    "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM b)",
    FUNCTION,
    "DO $do$ BEGIN PERFORM 1; END $do$",
    "INSERT INTO t VALUES ('\\')",
    "SELECT a$b$c FROM t",
    "SELECT $1",
    "SELECT 1 -- ; not the end\n + 2",
    "SELECT /* ; /* nested; */ ; */ 3",
]


def split(text: str) -> list[Statement]:
    return list(split_statements(text, "up.sql"))


@given(
    st.lists(st.sampled_from(WHOLE), min_size=1, max_size=6), st.sampled_from(["; ", ";\n\n", " ;;\n-- x\n;"])
)
def test_statements_are_told_apart_whatever_is_in_them(wanted: list[str], between: str) -> None:
    assert [each.text for each in split(between.join(wanted))] == wanted


@given(st.text())
def test_whatever_a_file_holds_it_is_read_or_refused(text: str) -> None:
    try:
        found = split(text)
    except WrongRequestError:
        return
    assert all(each.text in text and each.line >= 1 for each in found)


def test_a_statement_says_where_it_stands_and_shows_no_literal() -> None:
    _, second = split("-- a comment\nSELECT 1;\n\n/* b */ UPDATE t\n SET pass = 'hunter2', n = $$x$$;\n")
    assert (second.place, second.column) == ("up.sql:4", 8)
    assert second.shown == "UPDATE t SET pass = '…', n = $$…$$"


@pytest.mark.parametrize(
    "text", ["SELECT 'open", 'SELECT "open', "SELECT $$ open", "/* open", "SELECT E'\\'"]
)
def test_what_has_no_end_is_refused(text: str) -> None:
    with pytest.raises(WrongRequestError, match="has no end"):
        split(f"SELECT 1;\n{text}")


@pytest.mark.parametrize(
    "harmless",
    [
        "CREATE USER_DEFINED",
        "ALTER TABLE role ADD COLUMN database text",
        "INSERT INTO page VALUES ('how to drop database x')",
        "GRANT SELECT ON item TO reader",
        "COMMENT ON TABLE item IS 'x'",
        'CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT name FROM "user" $$',
        "CREATE EXTENSION hstore",
        "SELECT pg_terminate_backend(pg_backend_pid())",
    ],
)
def test_what_stays_in_the_branch_is_not_refused(harmless: str) -> None:
    assert why_beyond(split(harmless)[0]) is None


def test_locks_are_in_the_order_of_the_manual() -> None:
    assert strongest(MODES) == "AccessExclusiveLock"
    assert short("ShareUpdateExclusiveLock") == "SHARE UPDATE EXCLUSIVE"


stretches = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 10)).map(lambda pair: Stretch(pair[0], pair[0] + pair[1]))
)


@given(stretches)
def test_joined_stretches_cover_the_same_time_and_do_not_touch(found: list[Stretch]) -> None:
    result = joined(found)
    assert all(before.end < after.start for before, after in pairwise(result))
    for each in found:
        assert any(whole.start <= each.start and each.end <= whole.end for whole in result)
    assert sum(each.seconds for each in result) <= sum(each.seconds for each in found)


def test_a_reader_waits_for_the_strongest_lock_alone() -> None:
    timeline = Timeline()
    timeline.hold(1, "ShareLock", Stretch(0, 5))
    timeline.hold(1, "AccessExclusiveLock", Stretch(3, 4))
    timeline.wait(1, "reader", Stretch(3.5, 4.5))
    timeline.wait(1, "reader", Stretch(7, 8))
    assert timeline.blocked(1, "reader") == [Stretch(3, 4.5)]
    assert timeline.blocked(1, "writer") == [Stretch(0, 5)]
    assert timeline.strongest_of(1) == ("AccessExclusiveLock", 1)


def test_a_lock_is_held_from_the_last_look_without_it_to_the_first_after() -> None:
    timeline = Timeline()
    for at, there in ((1.0, False), (2.0, True), (3.0, True), (4.0, False)):
        timeline.saw(at, [(7, "ShareLock")] if there else [])
    assert timeline.seen_between(0.5, 9) == {(7, "ShareLock"): Stretch(1.0, 4.0)}
    assert timeline.first_seen(7, "ShareLock", 0.5, 3.5) == 1.0


STATEMENT = StatementReport(file="up.sql", line=3, statement="ALTER TABLE a | b", ms=12, in_transaction=True)
TABLE = TableReport(
    table="public.item",
    strongest="AccessExclusiveLock",
    held_ms=900,
    reader_blocked_ms=900,
    writer_blocked_ms=900,
    probed=True,
    rows_before=10,
    rows_in_source=1000,
    bytes_before=8192,
    bytes_after=None,
    blocked=(Blocked(start_ms=500, end_ms=1400, who="both"),),
)


def rehearsal(**changes: object) -> Rehearsal:
    up = Direction(seconds=2, statements=(STATEMENT,), tables=(TABLE,))
    facts = {"workflow": "w", "twin": "t", "branch": "b", "kept": False, "run": "r", "copy_of": "golden"}
    return Rehearsal.model_validate({**facts, "began_at": datetime.now(UTC), "up": up, **changes})


@pytest.mark.parametrize(
    ("limits", "changes", "verdict"),
    [
        ({}, {}, "passed"),
        ({"max_blocked_ms": 900}, {}, "passed"),
        ({"max_blocked_ms": 899}, {}, "above"),
        ({}, {"stopped": True}, "above"),
        ({"max_blocked_ms": 1}, {"failure": Failure(sqlstate=None, why="x")}, "failed"),
        (
            {"forbid": ["rewrite"]},
            {"statements": (STATEMENT.model_copy(update={"rewrites": ("a",)}),)},
            "above",
        ),
        ({"forbid": ["invalid"]}, {"left_invalid": ("index i",)}, "above"),
        ({"forbid": ["rewrite", "invalid", "lint"]}, {}, "passed"),
    ],
)
def test_a_verdict_is_the_worst_of_what_was_found(limits: dict, changes: dict, verdict: str) -> None:  # type: ignore[type-arg]
    up = rehearsal().up.model_copy(update=changes)
    found = judged(rehearsal(up=up), RehearsalLimits(**limits))
    assert (found.verdict, bool(found.reasons)) == (verdict, verdict != "passed")


def test_a_schema_that_is_another_after_the_way_back_is_a_failure() -> None:
    other = compared("-- at 1\nCREATE TABLE a ();\n", "-- at 2\nCREATE TABLE b ();\n")
    assert other == SchemaComparison(same=False, difference=("-CREATE TABLE a ();", "+CREATE TABLE b ();"))
    assert judged(rehearsal(schema_after_down=other), RehearsalLimits()).verdict == "failed"
    assert compared("-- at 1\n\\restrict a\nX\n", "-- at 2\n\\restrict b\nX\n").same


def test_findings_go_to_the_statement_on_whose_lines_they_are() -> None:
    statements = split("SELECT 1; SELECT 2;\nSELECT\n3;")
    places = [(1, 0), (1, 12), (3, 0)]
    findings = [Finding(rule="r", line=line, column=column, message="m") for line, column in places]
    reports = with_findings([STATEMENT] * 3, statements, {"up.sql": findings})
    assert [each.findings for each in reports] == [(finding,) for finding in findings]


def test_junit_has_a_case_a_statement_and_one_for_the_verdict() -> None:
    failed = STATEMENT.model_copy(update={"failure": Failure(sqlstate="23505", why="Twice \x07<b>")})
    up = rehearsal().up.model_copy(update={"statements": (STATEMENT, failed)})
    suite = Xml.fromstring(junit(judged(rehearsal(up=up), RehearsalLimits())))
    assert (suite.get("tests"), suite.get("failures"), len(suite)) == ("3", "2", 3)


def test_markdown_keeps_its_tables_whole() -> None:
    lines = markdown(judged(rehearsal(), RehearsalLimits(max_blocked_ms=1))).splitlines()
    assert lines[0] == "### The migration is above a threshold."
    (row,) = (line for line in lines if "up.sql:3" in line)
    assert row.count("|") - row.count("\\|") == 6
    assert any("(source 1,000)" in line and "8.2 KB → gone" in line for line in lines)


def test_markdown_shows_names_as_they_are() -> None:
    odd = STATEMENT.model_copy(
        update={"statement": 'ALTER TABLE "a`b" ADD <b>', "rewrites": ("public.a`b [x](y) <b>",)}
    )
    text = markdown(rehearsal(up=rehearsal().up.model_copy(update={"statements": (odd,)})))
    assert '`` ALTER TABLE "a`b" ADD <b> ``' in text
    assert r"rewrote public.a\`b \[x](y) \<b>" in text


def test_a_writer_waits_wherever_a_reader_does() -> None:
    timeline = Timeline()
    timeline.hold(1, "AccessExclusiveLock", Stretch(1.0, 1.2))
    timeline.wait(1, "reader", Stretch(1.1, 1.5))
    assert timeline.blocked(1, "writer") == timeline.blocked(1, "reader") == [Stretch(1.0, 1.5)]


def test_a_table_that_is_larger_in_the_source_has_an_estimate() -> None:
    whole = TABLE.model_copy(update={"rows_in_source": None})
    assert estimates(rehearsal().up.model_copy(update={"tables": (whole,)})) == []
    (line,) = estimates(rehearsal().up)
    assert "100.0 times" in line and "wait for 90.0 s" in line


def test_a_folder_is_its_files_by_name(tmp_path: Path) -> None:
    for name in ("2.sql", "1.sql", "notes.md"):
        (tmp_path / name).write_text("")
    assert [each.name for each in files_of([tmp_path, Path("3.sql")])] == ["1.sql", "2.sql", "3.sql"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(WrongRequestError, match=r"no file \*\.sql"):
        files_of([tmp_path / "empty"])


def test_a_bar_shows_when_a_table_was_blocked() -> None:
    assert bar(TABLE, 2000) == "·" * 10 + "█" * 18 + "·" * 12
    short_wait = TABLE.model_copy(update={"blocked": (Blocked(start_ms=1999, end_ms=2000, who="writers"),)})
    assert bar(short_wait, 2000) == "·" * 39 + "▒"
