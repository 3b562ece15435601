"""CHECKs that call an owner's functions are tried on masked rows in the empty twin before any is copied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import ApplianceError
from appliance.postgres.building.rules import rule_trials
from appliance.steps.calling.step_keys import step_settings
from appliance.steps.source import trial_deadline
from tests.engine.clusters import Cluster
from tests.engine.engine_run import KEY, EngineRun
from tests.engine.scenario import Scenario

CANARY = "canary-4711"
FUNCTIONS = f"""
CREATE SCHEMA crm;
CREATE TABLE crm.code (code text);
CREATE TABLE crm.seen (what text);
INSERT INTO crm.code SELECT 'K' || n FROM generate_series(1, 40) AS g (n);
CREATE FUNCTION crm.is_mail(text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS
    $$ BEGIN RETURN $1 ~ '^[^@ ]+@[^@ ]+[.][a-z]+$'; END $$;
CREATE FUNCTION crm.is_short(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT length($1) <= 14';
CREATE FUNCTION crm.is_known(text) RETURNS boolean STABLE LANGUAGE plpgsql AS
    $$ BEGIN RETURN EXISTS (SELECT FROM crm.code WHERE code = $1); END $$;
CREATE FUNCTION crm.is_digits(text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
    IF $1 ~ '^[0-9]+$' THEN RETURN true; END IF;
    RAISE EXCEPTION '{CANARY} of the owner: %', $1 USING CONSTRAINT = '{CANARY}', ERRCODE = 'P0001';
END $$;
CREATE FUNCTION crm.is_slow(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
    IF current_database() LIKE '%\\_\\_next' THEN PERFORM pg_sleep(3600); END IF; RETURN true; END $$;
CREATE FUNCTION crm.notes_down(text) RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO crm.seen VALUES (current_database()); RETURN true; END $$;
CREATE FUNCTION crm.spies(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
    RAISE NOTICE '{CANARY}';
    RAISE LOG 'spied: %, %, %, %', current_query(), (SELECT string_agg(query, ',') FROM pg_stat_activity),
        (SELECT string_agg(name || setting, ',') FROM pg_settings), current_setting('transaction_read_only');
    RETURN true; END $$;
CREATE FUNCTION crm.inner_rule(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$SELECT $1 LIKE '%@%'$$;
CREATE FUNCTION crm.by_path(text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql SET search_path = crm AS
    $$ BEGIN RETURN inner_rule($1); END $$;
CREATE DOMAIN crm.mail AS text CHECK (crm.is_mail(VALUE));
CREATE TABLE public.person (
    id int PRIMARY KEY, email text CHECK (crm.is_mail(email)), nick text CHECK (crm.is_short(nick)),
    other crm.mail, others crm.mail[], code text CHECK (crm.is_known(code)),
    digits text CHECK (crm.is_digits(digits)), slow text CHECK (crm.is_slow(slow)),
    noted text CHECK (crm.notes_down(noted)), spied text CHECK (crm.spies(spied)),
    pathed text CHECK (crm.by_path(pathed)), number text CHECK (number::int > 0), "Odd %s" text,
    made text GENERATED ALWAYS AS ("Odd %s" || '!') STORED,
    CONSTRAINT "of made" CHECK (crm.is_short(made)), CONSTRAINT as_a_whole CHECK (person IS NOT NULL)
);
INSERT INTO public.person (id, email, nick, other, others, code, digits, slow, noted, spied, pathed, number,
        "Odd %s")
    SELECT n, n || '@{CANARY}.example', 'n' || n, n || '@b.example', ARRAY[n || '@c.example'],
    'K' || n, n, n, n, '{CANARY}' || n, n || '@d.example', n, 'o' || n FROM generate_series(1, 40) AS g (n);
GRANT USAGE ON SCHEMA crm TO reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public, crm TO reader;
TRUNCATE crm.seen;
"""

SLOW = ["check person_slow_check on public.person"]
"""For a run that gets as far as the checks of filled tables."""

MakeRun = Callable[..., EngineRun]


@pytest.fixture
def schema_of(
    source: Cluster, source_database: str, target: Cluster, twin_database: str, run_folder: Path
) -> MakeRun:
    """A run up to its step ``schema``, with these masks on columns of ``person`` and all else kept."""
    source.sql(source_database, FUNCTIONS)
    return runs_of(source, source_database, target, twin_database, run_folder)


def runs_of(source: Cluster, database: str, target: Cluster, twin: str, folder: Path) -> MakeRun:
    """Make such runs of a database."""

    def make(masks: dict[str, Any], **more: Any) -> EngineRun:
        document = {
            "tables": {"include": ["public.*", "crm.*"]},
            "masks": {
                name if "." in name else f'public.person."{name}"': mask for name, mask in masks.items()
            },
            "keep": ["*.*.*"],
            **more,
        }
        run = EngineRun(source, database, target, twin, folder, document)
        target.drop_database(run.next)
        run.plan()
        return run

    return make


def refusal(run: EngineRun) -> str:
    """What the step ``schema`` says in place of going on; nothing of any row or of the owner's text."""
    with pytest.raises(ApplianceError) as refused:
        run.schema()
    run.close()
    said = refused.value.text()
    assert CANARY not in said + "".join(run.notices)
    assert run.target.rows(run.next, "SELECT count(*) FROM public.person") == [(0,)]
    return said


BROKEN: list[tuple[str, Any, str, str]] = [
    ("email", "hash", "40 of 40", "CHECK constraint person_email_check crm.is_mail(email)"),
    ("nick", "hash", "40 of 40", 'leave_out: ["check person_nick_check on public.person"]'),
    ("other", "hash", "40 of 40", "CHECK of its type, mail_check"),
    ("digits", "lorem", "40 of 40", "it fails with SQLSTATE P0001"),
    ("pathed", "hash", "40 of 40", "person_pathed_check"),
    ("number", "lorem", "40 of 40", "it fails with SQLSTATE 22P02"),
    ("Odd %s", "hash", "40 of 40", "of made"),
]


def test_a_check_that_masked_rows_break_ends_the_run_before_a_row_is_copied(schema_of: MakeRun) -> None:
    said = refusal(schema_of({column: mask for column, mask, _, _ in BROKEN}))
    for column, _, count, words in BROKEN:
        (line,) = [each for each in said.splitlines() if f"public.person.{column}:" in each]
        assert count in line and words in line, line
        assert "masks." in line and "keep" in line
    mails = next(each for each in said.splitlines() if "public.person.email:" in each)
    assert "email: none of these rows breaks it then" in mails
    assert "null" in next(each for each in said.splitlines() if "public.person.other:" in each)


def test_what_keeps_its_check_is_loaded_and_what_cannot_be_known_is_said(schema_of: MakeRun) -> None:
    run = schema_of(
        {
            "email": "email",
            "nick": {"mask": "constant", "value": "none"},
            "other": "email",
            "code": "format_preserving",
            "digits": {"mask": "constant", "value": "7"},
            "noted": "hash",
            "pathed": "email",
            "number": {"mask": "constant", "value": "7"},
            "Odd %s": {"mask": "constant", "value": "x"},
        }
    )
    run.schema()
    said = "\n".join(run.notices)
    assert "person_code_check of public.person is not decided before the load: it reads crm.code" in said
    assert "person_noted_check of public.person is not decided before the load: it writes" in said
    assert "as_a_whole of public.person is not decided before the load" in said
    assert len([each for each in run.notices if "not decided" in each]) == 3
    run.copy()
    with pytest.raises(ApplianceError) as refused:
        run.finish()
    assert "person_code_check" in refused.value.text()


OF_ANOTHER_COLUMN = """
ALTER TABLE public.person DROP CONSTRAINT person_code_check, DROP CONSTRAINT as_a_whole,
    ADD COLUMN shown text GENERATED ALWAYS AS (code || '') STORED,
    ADD CONSTRAINT {name} CHECK ({check});
"""


@pytest.mark.parametrize("check", ["crm.is_known(shown)", "crm.is_known((person.*).code)"])
def test_a_check_that_sees_a_mask_only_through_another_column_or_the_row_ends_the_run(
    schema_of: MakeRun, source: Cluster, source_database: str, check: str
) -> None:
    source.sql(source_database, OF_ANOTHER_COLUMN.format(name="of_another", check=check))
    run = schema_of({"code": "format_preserving"}, leave_out=SLOW)
    run.schema()
    run.copy()
    with pytest.raises(ApplianceError) as refused:
        run.finish()
    run.close()
    assert "of_another" in refused.value.text()


def test_a_check_whose_function_reads_what_is_masked_is_not_blamed_on_the_source(schema_of: MakeRun) -> None:
    run = schema_of({"crm.code.code": "format_preserving"}, leave_out=SLOW)
    run.schema()
    run.copy()
    run.finish()
    run.close()
    said = "\n".join(run.notices)
    assert "person_code_check on public.person is not checked for these rows: rows that do not" in said
    assert "what its functions read may be masked" in said


SHELF = """
CREATE TABLE public.shelf (
    id int, kept int, number int, short text, place text, day date,
    share int GENERATED ALWAYS AS (100 / number) STORED, label varchar(6) GENERATED ALWAYS AS (short) STORED,
    total int GENERATED ALWAYS AS (number * 2) STORED, small text GENERATED ALWAYS AS (lower(short)) STORED,
    CONSTRAINT summed CHECK (kept + number < 1000), CONSTRAINT alike CHECK (short ~ place)
) PARTITION BY LIST (upper(place));
CREATE TABLE public.shelf_a PARTITION OF public.shelf FOR VALUES IN ('A') PARTITION BY RANGE (day);
CREATE TABLE public.shelf_old PARTITION OF public.shelf_a FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE public.shelf_hashed (code text) PARTITION BY HASH (code);
CREATE TABLE public.shelf_h0 PARTITION OF public.shelf_hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE public.shelf_h1 PARTITION OF public.shelf_hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO public.shelf_hashed SELECT 'c' || n FROM generate_series(1, 20) AS g (n);
INSERT INTO public.shelf SELECT n, 1, n, 'cana', 'a', '2020-06-01' FROM generate_series(1, 20) AS g (n);
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
"""
SHELF_BROKEN: list[tuple[str, Any, str]] = [
    ("number", {"mask": "constant", "value": 0}, "generated column share"),
    ("number", {"mask": "constant", "value": 2_147_483_647}, "generated column total"),
    ("number", {"mask": "constant", "value": 2_147_483_647}, "CHECK constraint summed"),
    ("short", {"mask": "constant", "value": "AAAAAAA"}, "generated column label"),
    ("short", {"mask": "constant", "value": "AAAAAAA"}, "CHECK constraint alike"),
    ("place", {"mask": "constant", "value": "("}, "it fails with SQLSTATE 2201B"),
    ("place", {"mask": "constant", "value": "("}, "fit no partition of public.shelf"),
    ("day", {"mask": "random_date", "earliest": "2021-06-01", "latest": "2024-01-01"}, "fit no partition of"),
]


@pytest.mark.parametrize("values", [(0, 3, 7), (1, 2, 5), (4,), (6,)])
def test_generated_columns_and_partitions_that_masked_rows_do_not_fit_end_the_run(
    schema_of: MakeRun, source: Cluster, source_database: str, values: tuple[int, ...]
) -> None:
    source.sql(source_database, SHELF)
    broken = [SHELF_BROKEN[place] for place in values]
    said = refusal(schema_of({f"public.shelf.{column}": mask for column, mask, _ in broken}))
    for column, _, words in broken:
        assert any(f".{column}: " in each and words in each for each in said.splitlines()), said


def test_generated_columns_and_partitions_that_masked_rows_fit_are_loaded(
    schema_of: MakeRun, source: Cluster, source_database: str
) -> None:
    source.sql(source_database, SHELF)
    fitting = {
        "number": {"mask": "constant", "value": 7},
        "short": {"mask": "constant", "value": "AAAAa "},
        "place": {"mask": "constant", "value": "A"},
        "day": {"mask": "random_date", "earliest": "2020-02-01", "latest": "2020-05-01"},
    }
    masks = {f"public.shelf.{column}": mask for column, mask in fitting.items()}
    run = schema_of({**masks, "public.shelf_hashed.code": "hash"}, leave_out=SLOW)
    run.schema()
    run.copy()
    run.finish()
    run.close()
    assert not any("shelf" in each and "not decided" in each for each in run.notices)
    assert run.target.rows(run.next, "SELECT DISTINCT share, label, total FROM public.shelf") == [
        (14, "AAAAa ", 14)
    ]


def test_a_check_that_takes_too_long_is_not_waited_for(
    schema_of: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rule_trials, "TIMEOUT", "SET LOCAL statement_timeout = '100ms'")
    run = schema_of({"slow": "hash"})
    run.schema()
    run.close()
    assert any(
        "person_slow_check" in each and "takes longer than a trial may" in each for each in run.notices
    )


def test_a_check_that_does_not_let_itself_be_cancelled_is_not_waited_for(
    schema_of: MakeRun, source: Cluster, source_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.sql(
        source_database,
        """CREATE OR REPLACE FUNCTION crm.is_slow(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
        WHILE current_database() LIKE '%\\_\\_next' LOOP
            BEGIN PERFORM pg_sleep(3600); EXCEPTION WHEN query_canceled THEN NULL; END;
        END LOOP; RETURN true; END $$""",
    )
    monkeypatch.setattr(rule_trials, "TIMEOUT", "SET LOCAL statement_timeout = '100ms'")
    monkeypatch.setattr(trial_deadline, "SECONDS", 2.0)
    run = schema_of({"slow": "hash"})
    run.schema()
    run.close()
    (said,) = [each for each in run.notices if "person_slow_check" in each and "not decided" in each]
    assert "it takes too long, and goes on when it is cancelled" in said


def test_a_check_that_spies_sees_no_key_and_no_original(schema_of: MakeRun) -> None:
    run = schema_of({"spied": "hash", "email": "email"})
    before = len(run.target.log_file.read_text())
    run.schema()
    run.close()
    log = run.target.log_file.read_text()[before:]
    spied = [line for line in log.splitlines() if "spied: " in line]
    assert spied and "transaction_read_onlyon" in spied[0]
    settings = step_settings("copy", run.spec, run.context.plan(), KEY)
    assert settings
    assert not any(value in log for value in settings.values())
    assert CANARY not in "".join(spied) + "".join(run.notices)


def test_a_check_that_the_workflow_leaves_out_is_not_tried(schema_of: MakeRun) -> None:
    run = schema_of({"email": "hash"}, leave_out=["check person_email_check on public.person"])
    run.schema()
    run.close()
    gone = "SELECT count(*) FROM pg_constraint WHERE conname = 'person_email_check'"
    assert run.target.rows(run.next, gone) == [(0,)]


def test_appliance_plan_refuses_such_a_check_and_leaves_nothing_behind(scenario: Scenario) -> None:
    scenario.source.sql(
        scenario.source_database,
        "CREATE FUNCTION crm.is_phone(text) RETURNS boolean LANGUAGE plpgsql AS"
        " $$ BEGIN RETURN $1 ~ '^[+0-9 ]+$'; END $$;"
        " ALTER TABLE crm.customer ADD CONSTRAINT dialled CHECK (crm.is_phone(phone))",
    )
    scenario.objects_at_first = scenario.source_objects()
    assert scenario.run("plan").code == 0
    scenario.workflow["masks"]["crm.customer.phone"] = "hash"
    ended = scenario.run("plan")
    assert ended.code == 2, ended.text
    assert "crm.customer.phone: 300 of 300 rows that were tried would break the CHECK constraint" in ended.err
    assert "leave_out" in ended.err
    scenario.assert_nothing_left()


LEFT_OUT = """
CREATE SCHEMA crm;
CREATE TABLE crm.code (code text);
CREATE DOMAIN public.brief AS text;
CREATE TABLE public.person (
    id int PRIMARY KEY, nick text CONSTRAINT "Is short" CHECK (length(nick) <= 3),
    name text CONSTRAINT there CHECK (name IS NOT NULL), late text, code public.brief
) PARTITION BY RANGE (id);
CREATE TABLE public.person_1 PARTITION OF public.person FOR VALUES FROM (1) TO (100);
INSERT INTO public.person SELECT n, n, n, n, n || ' code' FROM generate_series(1, 20) AS g (n);
CREATE TABLE public.base (id int PRIMARY KEY, word text CONSTRAINT brief CHECK (length(word) <= 3));
CREATE TABLE public.derived (CONSTRAINT brief CHECK (length(word) <= 3)) INHERITS (public.base);
INSERT INTO public.derived VALUES (1, 'abc');
ALTER TABLE public.person ADD CONSTRAINT later CHECK (late IS NOT NULL) NOT VALID;
ALTER DOMAIN public.brief ADD CONSTRAINT brief CHECK (length(VALUE) <= 3) NOT VALID;
GRANT USAGE ON SCHEMA crm TO reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public, crm TO reader;
"""


def test_a_check_that_no_row_is_held_against_stands_in_no_masks_way(
    source: Cluster, source_database: str, target: Cluster, twin_database: str, run_folder: Path
) -> None:
    source.sql(source_database, LEFT_OUT)
    make = runs_of(source, source_database, target, twin_database, run_folder)
    masks = {"nick": "hash", "name": "null", "late": "null", "code": "hash", "public.base.word": "hash"}
    with pytest.raises(ApplianceError) as refused:
        make(masks)
    said = refused.value.text()
    gone = [f"check {name}" for name in ("Is short on public.person", "there on public.person")]
    assert all(f'leave_out: ["{each}"]' in said for each in gone)
    assert "later" not in said and "of its domain" not in said
    gone.append("check brief on public.base")
    run = make(masks, leave_out=gone)
    run.schema()
    run.copy()
    run.finish()
    run.close()
    assert not any("must satisfy the CHECK constraint" in each for each in run.notices)
    assert run.target.rows(run.next, "SELECT DISTINCT num_nulls(name, late) FROM public.person") == [(2,)]
