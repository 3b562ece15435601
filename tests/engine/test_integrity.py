"""What the twin could not be built with is refused at ``plan``; what ``plan`` takes is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.errors import ApplianceError
from appliance.masking.special_keys import IN_ONE_CASE
from appliance.postgres.plan import Plan
from tests.engine.clusters import Cluster
from tests.engine.engine_run import EngineRun
from tests.engine.plan_making import plan_of

TABLES = """
CREATE EXTENSION btree_gist;
CREATE TABLE partly (id int PRIMARY KEY, email text, gone date, "Odd ""name" text);
CREATE UNIQUE INDEX partly_email ON partly (email) WHERE gone IS NULL;
CREATE UNIQUE INDEX partly_odd ON partly ("Odd ""name") WHERE email LIKE '%@corp.test';
CREATE TABLE folded (id int PRIMARY KEY, email text, code varchar(40), doc jsonb);
CREATE UNIQUE INDEX folded_email ON folded (lower(email));
CREATE UNIQUE INDEX folded_code ON folded (upper((code)::text));
CREATE UNIQUE INDEX folded_doc ON folded ((doc ->> 'nr'));
CREATE TABLE nulls (id int PRIMARY KEY, a text, b text, c text);
CREATE UNIQUE INDEX nulls_a ON nulls (a) NULLS NOT DISTINCT;
CREATE UNIQUE INDEX nulls_bc ON nulls (b, c) NULLS NOT DISTINCT;
CREATE TABLE booked (id int PRIMARY KEY, room int, guest text, during tsrange, nights int,
    EXCLUDE USING gist (room WITH =, during WITH &&), EXCLUDE USING gist (nights WITH <>));
CREATE TABLE computed (id int PRIMARY KEY, email text, plain text,
    part text GENERATED ALWAYS AS (split_part(email, '@', 1)) STORED UNIQUE,
    copy text GENERATED ALWAYS AS (plain || '') STORED NOT NULL);
CREATE TABLE apart (tenant int, id int, email text, town text, gone date, PRIMARY KEY (tenant, id),
    UNIQUE (tenant, id, town), EXCLUDE USING gist (id WITH =, tenant WITH =, gone WITH <>));
CREATE UNIQUE INDEX apart_email ON apart (lower(email), id, tenant) WHERE gone IS NULL;
CREATE UNIQUE INDEX apart_town ON apart (md5(town));
INSERT INTO partly SELECT n, 'P' || n || '@corp.test', CASE WHEN n % 2 = 0 THEN date '2024-01-01' END,
    'o' || n
    FROM generate_series(1, 60) AS g (n);
INSERT INTO folded SELECT n, 'F' || n || '@corp.test', 'C' || n, jsonb_build_object('nr', n)
    FROM generate_series(1, 60) AS g (n);
INSERT INTO nulls SELECT n, nullif('a' || n, 'a1'), 'b' || n % 9, 'c' || n
    FROM generate_series(1, 60) AS g (n);
INSERT INTO booked SELECT n, n % 7, 'g' || n, tsrange(timestamp '2024-01-01' + n * interval '1 day',
    timestamp '2024-01-02' + n * interval '1 day'), 1 FROM generate_series(1, 60) AS g (n);
INSERT INTO apart SELECT n % 5, n / 5, 'A' || n || '@corp.test', 'T' || n
    FROM generate_series(1, 60) AS g (n);
INSERT INTO computed SELECT n, 'c' || n || '@corp.test', 'p' || n FROM generate_series(1, 60) AS g (n);
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
ANALYZE;
"""
NUMBER: dict[str, Any] = {"mask": "number_key"}
TAKEN: list[tuple[str, Any]] = [
    ("partly.email", "null"),
    ("partly.gone", {"mask": "date_shift"}),
    ('partly."Odd ""name"', "hash"),
    ("folded.email", "email"),
    ("folded.code", "hash"),
    ("folded.doc", "null"),
    ("nulls.a", "hash"),
    ("nulls.b", "hash"),
    ("booked.room", NUMBER),
    ("booked.during", "null"),
    ("booked.guest", "full_name"),
    ("computed.email", "null"),
    ("computed.plain", "full_name"),
    ("apart.email", "first_name"),
    ("apart.town", "city"),
    ("apart.gone", {"mask": "constant", "value": "2024-01-01"}),
]
"""One run takes them all together."""
REFUSED: list[tuple[str, Any, str]] = [
    ("partly.email", "full_name", "masked values change which rows the condition"),
    ("partly.email", "email", "partly_odd may not hold; use null or keep"),
    ('partly."Odd ""name"', "full_name", "may become equal, and the unique index partly_odd may not hold"),
    ("partly.gone", "null", "NULL changes which rows the condition"),
    ("partly.gone", {"mask": "constant", "value": "2024-01-01"}, "masked values change which rows"),
    ("folded.email", "full_name", "use null, hash, email, random_string, uuid, username, domain or keep"),
    ("folded.code", "format_preserving", "folded_code"),
    ("folded.doc", {"mask": "json", "paths": {"nr": "hash"}}, "folded_doc may not hold; use null or keep"),
    ("nulls.a", "null", "NULLS NOT DISTINCT"),
    ("nulls.b", "null", "NULLS NOT DISTINCT"),
    ("nulls.c", "full_name", "may give two rows the same value"),
    ("nulls.a", [{"when": "id > 3", "mask": "null"}, "hash"], "NULLS NOT DISTINCT"),
    ("folded.email", [{"when": "id > 3", "mask": "keep"}, "email"], "folded_email may not hold"),
    ("booked.room", "number_noise", "exclusion constraint"),
    ("booked.nights", NUMBER, "booked_nights_excl may not hold; use null or keep"),
    ("apart.town", "city", 'leave_out: ["index public.apart_town"]'),
    ("computed.email", "email", "the column part is computed from it and has to be unique"),
    ("computed.plain", "null", "the column copy is computed from it and may not be NULL"),
]


def test_an_index_that_a_mask_may_break_is_refused_with_the_masks_that_do_not(
    source: Cluster, source_database: str
) -> None:
    source.sql(source_database, TABLES)
    for column, mask, said in REFUSED:
        with pytest.raises(ApplianceError) as refused:
            plan_of(source, source_database, masks={f"public.{column}": mask})
        assert said in refused.value.text(), (column, mask)
        assert "masks." in refused.value.text()


def test_what_is_taken_is_built_and_every_index_holds(
    source: Cluster, source_database: str, target: Cluster, twin_database: str, run_folder: Path
) -> None:
    source.sql(source_database, TABLES)
    document = {"masks": {f"public.{column}": mask for column, mask in TAKEN}, "keep": ["*.*.*"]}
    document["leave_out"] = ["index public.apart_town"]
    run = EngineRun(source, source_database, target, twin_database, run_folder, document)
    run.copied().verify()
    built = "SELECT count(*) FROM pg_index WHERE indisvalid AND indrelid::regclass::text = ANY ('{%s}')"
    tables = "partly,folded,nulls,booked,computed,apart"
    left_out = 1
    assert (
        run.target.value(run.next, built % tables) == source.value(source_database, built % tables) - left_out
    )


def test_masks_that_are_said_to_give_no_capitals_give_none(
    source: Cluster, source_database: str, target: Cluster, twin_database: str, run_folder: Path
) -> None:
    values = "CASE WHEN n % 2 = 0 THEN 'ÄÖ ' || n ELSE gen_random_uuid()::text END"
    columns = [f"{mask} text" for mask in sorted(IN_ONE_CASE)]
    source.sql(
        source_database,
        f"CREATE TABLE t (id int PRIMARY KEY, {', '.join(columns)}); INSERT INTO t"
        f" SELECT n{f', {values}' * len(columns)} FROM generate_series(1, 800) AS g (n);"
        " GRANT SELECT ON t TO reader",
    )
    document = {"masks": {f"public.t.{mask}": mask for mask in IN_ONE_CASE}, "keep": ["*.*.id"]}
    run = EngineRun(source, source_database, target, twin_database, run_folder, document).copied()
    for mask in IN_ONE_CASE:
        assert run.target.rows(run.next, f"SELECT count(*) FROM t WHERE {mask} <> lower({mask})") == [(0,)]


RULES = """
CREATE DOMAIN short AS text CHECK (char_length(VALUE) <= 12);
CREATE DOMAIN adult AS int CHECK (VALUE >= 18);
CREATE FUNCTION fine(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE TABLE ruled (id int PRIMARY KEY, email text CHECK (email LIKE '%@%.%' AND length(email) < 60),
    phone text CHECK (phone ~ '^[+][0-9 ]+$'), kind text CHECK (kind IN ('a', 'b')),
    price numeric(9,2) CHECK (price >= 10.00), nick short, age adult, begins date, ends date,
    own text CHECK (fine(own)), number text CHECK (number::int > 0), CHECK (begins <= ends));
INSERT INTO ruled SELECT n, 'r' || n || '@corp.test', '+43 1 ' || 10000 + n, CASE WHEN n % 2 = 0 THEN 'a' END,
    10 + n % 9 * 0.1, 'n' || n, 18, '2024-01-01', '2024-01-01', 'x' || n, n::text
    FROM generate_series(1, 300) AS g (n);
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader; ANALYZE;
"""


def ruled(source: Cluster, database: str, masks: dict[str, Any]) -> Plan:
    """The plan with these masks on columns of ``ruled``."""
    return plan_of(source, database, masks={f"public.ruled.{name}": mask for name, mask in masks.items()})


def test_a_check_that_masked_rows_would_break_is_refused_with_masks_that_keep_it(
    source: Cluster, source_database: str
) -> None:
    source.sql(source_database, RULES)

    def said(masks: dict[str, Any]) -> str:
        with pytest.raises(ApplianceError) as refused:
            plan_of(
                source, source_database, masks={f"public.ruled.{name}": each for name, each in masks.items()}
            )
        return refused.value.text()

    email = said({"email": "hash"})
    assert 'masks."public.ruled.email"' in email and "300 of 300 rows" in email
    assert "ruled_email_check" in email and "expected null, email" in email
    assert "ruled_kind_check" in said({"kind": "hash"}) and "150 of 300" in said({"kind": "hash"})
    assert "ruled_phone_check" in said({"phone": "lorem"})
    assert "CHECK of its domain, short_check" in said({"nick": "hash"})
    assert "CHECK of its domain, adult_check" in said({"age": {"mask": "constant", "value": 3}})
    assert "ruled_check" in said({"ends": {"mask": "constant", "value": "1999-01-01"}})
    noisy = said({"price": {"mask": "number_noise", "amount": 5}})
    assert "ruled_price_check" in noisy and "r1@" not in noisy


def test_a_check_that_masked_rows_keep_or_that_cannot_be_tried_stops_no_plan(
    source: Cluster, source_database: str
) -> None:
    source.sql(source_database, RULES)
    masks = {"email": "email", "phone": "phone", "nick": "null", "own": "hash", "number": "null"}
    masks["begins"] = {"mask": "constant", "value": "1999-01-01"}  # type: ignore[assignment]
    plan = plan_of(
        source, source_database, masks={f"public.ruled.{name}": each for name, each in masks.items()}
    )
    assert any("ruled_own_check" in each for each in plan.warnings)
    # It would fail for what is no number, and the server's log would show the value: it is not tried.
    assert ruled(source, source_database, {"number": "hash"})
