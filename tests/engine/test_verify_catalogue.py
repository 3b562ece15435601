"""A run with the catalogue's masks: what they make is proven, and what came through raw is found."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.errors import WorkFailedError
from appliance.steps import verify
from tests.engine.clusters import Cluster
from tests.engine.engine_run import EngineRun

RANDOM_DATE = {"mask": "random_date", "earliest": "1990-01-01", "latest": "2020-12-31"}
# Column: its type, a value for the row n, its mask.
COLUMNS: dict[str, tuple[str, str, Any]] = {
    "uid": ("text", "md5('u' || n)::uuid::text", "uuid"),
    "account": ("numeric(12,0)", "n * 7919", "number_key"),
    "iban": ("varchar(34)", "'DE' || lpad((n * 7919)::text, 20, '0')", "iban"),
    "card": ("text", "'4' || lpad((n * 7919)::text, 15, '0')", "card"),
    "ssn": ("varchar(11)", "'078-05-' || lpad(n::text, 4, '0')", {"mask": "national_id", "country": "US"}),
    "vat": ("text", "'DE' || 136695000 + n", {"mask": "vat_id", "country": "DE"}),
    "seen_from": ("inet", "'203.0.113.0'::inet + n", {"mask": "ip", "keep_prefix": 8}),
    "net": ("cidr", "set_masklen('198.51.0.0'::inet + n * 256, 24)::cidr", "ip"),
    "mac": ("macaddr", "('08002b' || lpad(to_hex(n), 6, '0'))::macaddr", "mac"),
    "salary": ("numeric(10,2)", "1000 + n * 1.5", {"mask": "round", "to": 250}),
    "age": ("smallint", "n % 90", {"mask": "age_band", "years": 10}),
    "points": ("integer", "n % 7", {"mask": "bucket", "size": 5}),
    "score": ("real", "n / 3.0", {"mask": "random_number", "min": 0, "max": 100}),
    "limit_of": ("integer", "n * 3", {"mask": "clamp", "max": 500}),
    "born": ("date", "date '1950-01-01' + n * 11", "date_round"),
    "joined": ("timestamptz", "timestamptz '2001-01-01 00:00+00' + n * interval '1 hour'", "time_shift"),
    "opens": ("time", "time '00:00' + n * interval '1 minute'", "time_shift"),
    "died": (
        "date",
        "date '2000-01-01' + n",
        {"mask": "random_date", "earliest": "1990-01-01", "latest": "2020-12-31"},
    ),
    "memo": ("text", "'Called about ' || n", "lorem"),
    "hint": ("text", "'secret ' || n", "blank"),
    "code": ("text", "'AB-' || lpad(n::text, 8, '0')", "format_preserving"),
    "zip": ("char(5)", "lpad((n * 97)::text, 5, '0')", "postcode"),
    "login": ("text", "'user' || n", "username"),
    "site": ("text", "'https://corp.test/' || n", "url"),
    "host": ("text", "'host' || n || '.test'", "domain"),
    "place": ("point", "point(13 + n / 1000.0, 52 + n / 1000.0)", "position"),
    "plan": ("text", "'plan ' || n", {"mask": "choice", "values": ["basic", "pro"], "weights": [9, 1]}),
    "name": ("text", "'Ann ' || n", {"mask": "full_name", "locale": "de_DE", "gender_column": "sex"}),
    "mobile": ("varchar(20)", "'+49170' || lpad((n * 7919)::text, 7, '0')", "phone_number"),
    "profile": (
        "jsonb",
        "jsonb_build_object('mail', 'm' || n, 'phones', jsonb_build_object('home', n::text), 'note',"
        " 'n' || n)",
        {"mask": "json", "paths": {"mail": "email", "phones.*": "hash", "note": "delete"}},
    ),
    "facts": (
        "json",
        "json_build_object('role', 'staff', 'secret', 's' || n)",
        {"mask": "json", "paths": {"role": "keep"}, "others": "delete"},
    ),
    "photo": ("bytea", "decode(lpad(to_hex(n), 8, '0'), 'hex')", "blank"),
    "land": ("varchar(30)", "'Land ' || n", "country"),
    "land_code": ("char(2)", "chr(97 + n % 26) || chr(97 + n % 25)", "country_code"),
    "salutation": (
        "text",
        "CASE WHEN n % 3 = 0 THEN 'Hofrat' ELSE 'Freifrau' END",
        {"mask": "title", "locale": "de_DE", "gender_column": "sex"},
    ),
    "signed": ("varchar(10)", "chr(97 + n % 26) || '. ' || chr(97 + n % 25) || n", "initials"),
    "state": ("text", "'Kanton ' || n", "region"),
    "lives_at": ("text", "n || '. Gasse ' || n", {"mask": "address", "country": True}),
    "browser": ("text", "'App/' || n", "user_agent"),
    "shown_as": (
        "varchar(60)",
        "'Ann ' || n || ' <user' || n || '>'",
        {"mask": "template", "text": "{name} <{login|upper}>"},
    ),
    "shown_again": ("text", "'x' || n", {"mask": "template", "text": "{shown_as} {n}"}),
    "words": (
        "tsvector",
        "to_tsvector('simple', 'ann' || n)",
        {"mask": "search_vector", "columns": ["name", "memo"]},
    ),
    "no_words": ("tsvector", "to_tsvector('simple', 'ann' || n)", "search_vector"),
    "ticket": (
        "text",
        "'by user' || n || ', open'",
        {"mask": "regexp", "pattern": "user[0-9]+", "replace": "someone"},
    ),
    "shifts": (
        "tsmultirange",
        "tsmultirange(tsrange('2020-01-01'::date + n, '2020-01-02'::date + n), tsrange('2031-01-01', NULL))",
        "range_shift",
    ),
    "away": ("daterange", "daterange('2020-01-01'::date + n, '2020-02-01'::date + n)", "range_shift"),
    "more": (
        "public.hstore",
        "hstore(ARRAY['mail', 'note', 'kind'], ARRAY['m' || n, 'n' || n, 'shop'])",
        {"mask": "hstore", "keys": {"mail": "email", "note": "delete"}},
    ),
    "facts_of": (
        "public.hstore",
        "hstore(ARRAY['mail', 'note', 'kind'], ARRAY['m' || n, 'n' || n, 'shop'])",
        {"mask": "hstore", "keys": {"kind": "keep"}, "others": "delete"},
    ),
    "papers": (
        "xml",
        "xmlparse(CONTENT format('<p id=\"i%s\"><name>Ann %s</name><note>n</note><!-- %s --></p>', n, n, n))",
        {"mask": "xml", "paths": {"/p/name": "full_name", "//@id": "hash", "/p/note": "delete"}},
    ),
    "letter": (
        "text",
        "format('<p><mail>a%s@corp.test</mail><kind>shop</kind><no>%s</no></p>', n, n)",
        {"mask": "xml", "paths": {"//mail": "email", "/p/kind": "keep", "//no": "null"}, "others": "delete"},
    ),
    "letters": (
        "text[]",
        "ARRAY['<p>Ann ' || n || '</p>', '<q/>', 'plain']",
        {"mask": "xml", "paths": {"/p": "hash"}},
    ),
    "home": (
        "public.place",
        "ROW('Gasse ' || n, 1000 + n, '{\"a\": 1}')::public.place",
        {"mask": "composite", "fields": {"street": "street", "zip": "hash", "facts": "null"}},
    ),
    "homes": (
        "public.place[]",
        "ARRAY[ROW('Gasse ' || n, 1000 + n, NULL)::public.place, NULL]",
        {"mask": "composite", "fields": {"street": "hash", "zip": "number_noise", "facts": "keep"}},
    ),
    # Half of these arrays have nothing at the paths, and are as they were.
    "docs": (
        "jsonb[]",
        "ARRAY[CASE WHEN n % 2 = 0 THEN '{\"a\": 1}' ELSE jsonb_build_object('mail', 'm' || n) END, NULL]",
        {"mask": "json", "paths": {"mail": "email"}},
    ),
    "labels": (
        "public.hstore[]",
        "ARRAY[hstore(CASE WHEN n % 2 = 0 THEN 'kind' ELSE 'mail' END, 'm' || n)]",
        {"mask": "hstore", "keys": {"mail": "email"}},
    ),
    "scraps": (
        "json[]",
        "ARRAY[CASE WHEN n % 2 = 0 THEN 'null' ELSE json_build_object('note', n, 'kind', 'shop') END]",
        {"mask": "json", "paths": {"note": "delete", "kind": "null"}},
    ),
    "flats": (
        "public.place[]",
        "ARRAY[CASE WHEN n % 2 = 1 THEN ROW('Gasse ' || n, NULL, NULL)::public.place END]",
        {"mask": "composite", "fields": {"street": "null", "zip": "null", "facts": "keep"}},
    ),
    "tier": ("text", "'tier ' || n % 4", {"mask": "distribution", "at_least": 20}),
    "grade": ("smallint", "n % 7", {"mask": "distribution", "subject": "n"}),
    "bonus": ("integer", "n * 13", "shuffle"),
    "motto": ("varchar(20)", "'motto ' || n", "shuffle"),
    "tags": ("inet[]", "ARRAY['10.0.0.1'::inet + n, NULL]", "ip"),
}
ROWS = 400
KEPT = ("*.*.n", "*.*.sex")


def columns_of(major: int) -> dict[str, tuple[str, str, Any]]:
    """Those that a server of that major can have: 14 is the first with multiranges."""
    return {name: each for name, each in COLUMNS.items() if major >= 14 or "multirange" not in each[0]}


def copied(source: Cluster, database: str, target: Cluster, twin: str, folder: Any) -> EngineRun:
    """A run over a table with a column for each mask, as far as the copied rows."""
    chosen = columns_of(source.major)
    columns = ", ".join(f"{name} {kind}" for name, (kind, _, _) in chosen.items())
    values = ", ".join(value for _, value, _ in chosen.values())
    source.sql(
        database,
        "CREATE EXTENSION hstore WITH SCHEMA public;"
        " CREATE TYPE public.place AS (street text, zip integer, facts jsonb);"
        f" CREATE TABLE public.thing (n int PRIMARY KEY, sex text, {columns});"
        f" INSERT INTO public.thing SELECT n, CASE WHEN n % 2 = 0 THEN 'f' END, {values}"
        f" FROM generate_series(1, {ROWS}) AS g (n); GRANT SELECT ON public.thing TO reader;"
        " ANALYZE public.thing",
    )
    whole = {"masks": {f"*.*.{name}": mask for name, (_, _, mask) in chosen.items()}, "keep": list(KEPT)}
    return EngineRun(source, database, target, twin, folder, whole).copied()


@pytest.fixture
def run(
    source: Cluster, source_database: str, target: Cluster, twin_database: str, run_folder: Any
) -> EngineRun:
    return copied(source, source_database, target, twin_database, run_folder)


def test_every_mask_is_proven_and_nothing_is_suspected(run: EngineRun) -> None:
    assert run.verify().masked_columns == len(columns_of(run.source.major))


def test_what_came_through_raw_is_found_whatever_the_mask(
    run: EngineRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "_SHOWN_FAULTS", 10 * len(COLUMNS))
    columns = columns_of(run.source.major)
    raw = ", ".join(f"{name} = {value}" for name, (_, value, _) in columns.items())
    run.spoil(f"UPDATE public.thing SET {raw} WHERE n % 10 = 7")
    with pytest.raises(WorkFailedError) as failed:
        run.verify()
    for name in columns:
        assert f"public.thing.{name} " in failed.value.text(), name
