"""``verify`` compares with what the masks give: a raw value in disguise is no mask's output."""

from __future__ import annotations

import json
from typing import Any

import pytest

from appliance.postgres.plan import Plan
from tests.engine.clusters import Cluster
from tests.engine.engine_run import EngineRun
from tests.engine.test_verify_kinds import Runs, faults, runs

__all__ = ["runs"]

RAW = {
    "email": "'u' || n || '@raw.test'",
    "code": "'code ' || n",
    "serial": "'SN-' || n",
    "token": "md5(n::text)::uuid",
    "blob": "decode(md5(n::text), 'hex')",
    "phone": "'+49 170 ' || (1000000 + n)",
    "city": "(ARRAY['Bergen', 'Graz'])[1 + n % 2]",
    "full_name": "'Ann ' || n",
    "note": "'plain words ' || n",
    "card": "'4111 1111 1111 ' || (1000 + n)",
    "born": "date '1950-01-01' + n",
    "seen": "timestamp '2024-01-01 10:00:00.123' + make_interval(mins => n)",
    "points": "1000 + n",
    "salary": "(1000 + n)::numeric(9,2)",
    "ratio": "(n + 0.1)::real",
    "address": "'192.0.2.0'::inet + n % 200",
    "tags": "ARRAY['tag' || n]",
    "doc": "jsonb_build_object('mail', 'u' || n || '@raw.test', 'kept', n)",
}
TYPES = {
    **{"email": "text", "code": "text", "serial": "text", "token": "uuid", "blob": "bytea", "phone": "text"},
    **{"city": "text", "full_name": "text", "note": "text", "card": "text", "born": "date"},
    **{"seen": "timestamp(3)", "points": "int", "salary": "numeric(9,2)", "ratio": "real", "address": "inet"},
    **{"tags": "text[]", "doc": "jsonb"},
}
MASKS: dict[str, Any] = {
    **{"*.*.email": "email", "*.*.code": "hash", "*.*.serial": "random_string", "*.*.token": "hash"},
    **{"*.*.blob": "hash", "*.*.phone": "phone", "*.*.city": "city", "*.*.full_name": "full_name"},
    **{"*.*.note": "text_scrub", "*.*.card": "partial", "*.*.born": "date_shift", "*.*.seen": "date_shift"},
    **{"*.*.points": "number_noise", "*.*.salary": "number_noise", "*.*.ratio": "number_noise"},
    **{"*.*.address": "hash", "*.*.tags": "hash"},
    "*.*.doc": {"mask": "json", "paths": {"mail": "email"}},
}
DISGUISES = {"before": "'x.' || {}", "a letter before": "'h' || {}", "after": "{} || '0'"}
OTHERWISE = {
    "token": "md5('x' || n)::uuid",
    "blob": "{} || '\\x30'",
    "born": "{} + 1",
    "seen": "{} + interval '1 day'",
    "points": "{} + 1",
    "salary": "{} + 1",
    "ratio": "{} + 1",
    "address": "{} + 1",
    "tags": "ARRAY['x.tag' || n]",
    "doc": "jsonb_build_object('mail', 'x.u' || n || '@raw.test', 'kept', n)",
}


def script(rows: int, key: str = "n int PRIMARY KEY", more: str = "") -> str:
    columns = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
    return (
        f"CREATE TABLE public.thing ({key}, {columns}{more}); INSERT INTO public.thing (n, {', '.join(RAW)})"
        f" SELECT n, {', '.join(RAW.values())} FROM generate_series(1, {rows}) AS g (n);"
        " GRANT SELECT ON public.thing TO reader; ANALYZE public.thing"
    )


def disguised(disguise: str, name: str) -> str:
    """A raw value that is not equal to itself any more."""
    return OTHERWISE.get(name, disguise).format(f"({RAW[name]})")


@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=list(DISGUISES))
@pytest.mark.parametrize("rows", ["true", "n = 7"], ids=["all rows", "one row"])
def test_raw_values_in_disguise_are_found_in_every_column(runs: Runs, disguise: str, rows: str) -> None:
    run = runs.copied(script(100), MASKS)
    changes = ", ".join(f"{name} = {disguised(disguise, name)}" for name in RAW)
    run.spoil(f"UPDATE public.thing SET {changes} WHERE {rows}")
    found = faults(run)
    for name in RAW:
        assert f"public.thing.{name} " in found, name


def test_a_value_of_another_row_is_not_what_the_mask_gives_for_this_one(runs: Runs) -> None:
    run = runs.copied(script(50), MASKS)
    run.spoil("UPDATE public.thing AS t SET born = o.born FROM public.thing AS o WHERE o.n = 51 - t.n")
    assert "public.thing.born (date_shift): 50 of 50 values are not what the mask gives" in faults(run)


HEX = """
CREATE TABLE public.thing (n int PRIMARY KEY, code text, tags text[], doc jsonb);
INSERT INTO public.thing SELECT n, md5(n::text), ARRAY[md5('a' || n)], jsonb_build_object('x', md5('b' || n))
    FROM generate_series(1, 60) AS g (n);
GRANT SELECT ON public.thing TO reader;
"""
OF_ANOTHER_ROW = "(SELECT o.{0} FROM public.thing AS o WHERE o.n = 61 - t.n)"


def with_masks(plan: Plan, instead: str) -> Plan:
    """The plan with other SQL in place of the masks', made from a column's name and its mask."""
    (table,) = plan.tables
    columns = tuple(
        column
        if column.mask is None
        else column.model_copy(update={"sql": instead.format(column.name, f"({column.sql})")})
        for column in table.columns
    )
    return plan.model_copy(update={"tables": (table.model_copy(update={"columns": columns}),)})


@pytest.mark.parametrize(
    ("instead", "said"),
    [
        (OF_ANOTHER_ROW, "the mask has given 60 originals for 60 values"),
        ("{0}", "the mask has given 60 originals for 60 values"),
        (f"CASE WHEN n = 7 THEN {OF_ANOTHER_ROW} ELSE {{1}} END", "the mask has given 1 originals for 60"),
    ],
    ids=["another row's original", "the row's own", "one of another row"],
)
def test_a_mask_that_gives_originals_of_the_right_shape_is_found_by_the_source_itself(
    source: Cluster,
    source_database: str,
    target: Cluster,
    twin_database: str,
    run_folder: Any,
    *,
    instead: str,
    said: str,
) -> None:
    """The twin has what the mask gave for each row, and looks as it must."""

    masks = {"*.*.code": "hash", "*.*.tags": "hash", "*.*.doc": {"mask": "json", "paths": {"x": "hash"}}}
    source.sql(source_database, HEX)
    run = EngineRun(
        source, source_database, target, twin_database, run_folder, {"masks": masks, "keep": ["*.*.n"]}
    ).copied(lambda plan: with_masks(plan, instead))
    found = faults(run)
    for column in ("code (hash)", "tags (hash)", "doc x (json)"):
        assert f"public.thing.{column}: {said}" in found
    assert "not what the mask gives" not in found and "not made by the mask" not in found


def test_a_mask_that_makes_one_of_many_values_is_found_by_the_source_itself(
    source: Cluster, source_database: str, target: Cluster, twin_database: str, run_folder: Any
) -> None:
    source.sql(source_database, HEX)
    document = {"masks": {"*.*.code": "hash"}, "keep": ["*.*.n", "*.*.tags", "*.*.doc"]}
    run = EngineRun(source, source_database, target, twin_database, run_folder, document).copied(
        lambda plan: with_masks(plan, "repeat(left({1}, 1), 32)")
    )
    found = faults(run)
    assert "public.thing.code (hash): 60 distinct values became" in found
    assert "not what the mask gives" not in found and "not made by the mask" not in found


def test_without_a_key_what_the_mask_gives_must_stand_in_the_twin(runs: Runs) -> None:
    masks = {name: mask for name, mask in MASKS.items() if "date_shift" not in str(mask)}
    run = runs.copied(script(60, key="n int"), masks, keep=["*.*.n", "*.*.born", "*.*.seen"])
    assert run.verify(again=True).notes == ()
    changes = ", ".join(f"{name} = {disguised(DISGUISES['before'], name)}" for name in RAW)
    run.spoil(f"UPDATE public.thing SET {changes} WHERE n = 5")
    found = faults(run)
    for name in RAW.keys() - {"born", "seen"}:
        assert f"public.thing.{name} " in found, name


def test_the_shape_of_a_value_is_looked_at_in_rows_of_which_nothing_was_gathered(runs: Runs) -> None:
    """As in the part of a large table that is no sample."""
    names = [
        "email",
        "code",
        "serial",
        "token",
        "blob",
        "phone",
        "city",
        "full_name",
        "card",
        "address",
        "tags",
    ]
    run = runs.copied(script(40), MASKS)
    run.spoil("DELETE FROM appliance_ledger.evidence WHERE by_number = 7")
    odd = {"phone": "'Ann' || n", "doc": disguised("", "doc")}
    changes = [f"{name} = {odd.get(name) or disguised(DISGUISES['after'], name)}" for name in [*names, "doc"]]
    # A random uuid has the mask's shape in one case of 64: this one has not.
    changes = [
        change.replace(disguised("", "token"), "'0a0b0c0d-0000-1000-8000-000000000000'") for change in changes
    ]
    run.spoil(f"UPDATE public.thing SET {', '.join(changes)} WHERE n = 7")
    found = faults(run)
    for name in [*names, "doc"]:
        assert f"public.thing.{name} " in found, name
    assert "not what the mask gives" not in found


def test_every_type_and_key_reads_the_same_on_both_sides(runs: Runs) -> None:
    statements = """
        CREATE EXTENSION citext;
        CREATE TYPE public.mood AS ENUM ('sad', 'ok');
        CREATE DOMAIN public.amount AS numeric(7,3);
        CREATE DOMAIN public.short AS varchar(12);
        CREATE TABLE public.by_text (a text, b char(6), c mood, fixed char(40), narrow varchar(20),
            free numeric,
            dom amount, sh short, f8 float8, tz timestamptz, big bigint, si smallint, grid int[][], raw json,
            words citext, addresses inet[], PRIMARY KEY (a, b, c));
        INSERT INTO public.by_text SELECT E'k\\\\,' || n, 'x ' || n,
            CASE WHEN n % 2 = 0 THEN 'sad' ELSE 'ok' END::mood, 'Ann ' || n, 'Ann ' || n, n * 1.50000,
            n * 1.5, 'A ' || n, n / 3.0, '2024-03-31 02:30:00.5+02', n * 10^12, n,
            ARRAY[[n, n + 1], [n + 2, n + 3]],
            json_build_object('b', 'x' || n, 'aa', 1), 'Ann ' || n,
            ARRAY['10.1.1.1'::inet, '::1'] FROM generate_series(1, 40) AS n;
        CREATE TABLE public.by_numbers (a bigint, b smallint, born date, PRIMARY KEY (b, a));
        INSERT INTO public.by_numbers SELECT n, n % 7, 'infinity' FROM generate_series(1, 40) AS n;
        INSERT INTO public.by_numbers SELECT n, n % 7, '0044-03-15 BC' FROM generate_series(41, 60) AS n;
        CREATE TABLE public.by_money (price money PRIMARY KEY, name text);
        INSERT INTO public.by_money SELECT n::money, 'Ann ' || n FROM generate_series(1, 40) AS n;
        CREATE TABLE public.nulls (id uuid PRIMARY KEY, name text, born date);
        INSERT INTO public.nulls SELECT md5(n::text)::uuid FROM generate_series(1, 10) AS n;
        CREATE TABLE public.parted (at date, id int, name text, born date, PRIMARY KEY (at, id))
            PARTITION BY RANGE (at);
        CREATE TABLE public.old (born date, name text, id int NOT NULL, at date NOT NULL);
        ALTER TABLE public.parted ATTACH PARTITION public.old
            FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
        CREATE TABLE public.new PARTITION OF public.parted DEFAULT;
        INSERT INTO public.parted SELECT date '2020-01-01' + n * 30, n % 5, 'Ann ' || n, date '1980-01-01' + n
            FROM generate_series(1, 40) AS n;
        GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
    """
    masks: dict[str, Any] = {
        "public.by_text.fixed": "email",
        "public.by_text.narrow": "hash",
        "public.by_text.free": "number_noise",
        "public.by_text.dom": "number_noise",
        "public.by_text.sh": "random_string",
        "public.by_text.f8": "number_noise",
        "public.by_text.tz": {"mask": "date_shift", "subject": "a"},
        "public.by_text.big": "hash",
        "public.by_text.si": "number_noise",
        "public.by_text.grid": "hash",
        "public.by_text.raw": {"mask": "json", "paths": {"b": "full_name"}},
        "public.by_text.words": "full_name",
        "public.by_text.addresses": "hash",
        "*.*.born": "date_shift",
        "*.*.name": "full_name",
        "public.parted.at": {"mask": "date_shift", "subject": "id"},
    }
    run = runs.copied(statements, masks, keep=["*.*.a", "*.*.b", "*.*.c", "*.*.id", "*.*.price"])
    result = run.verify()
    report = json.loads((run.context.run_dir / "verify.json").read_text())["twins"][0]["tables"]
    for table in report:
        for column in table["columns"]:
            assert column["equal"] == table["rows"], (table["table"], column)
    assert result.values_equal == sum(len(t["columns"]) * t["rows"] for t in report)


def test_noise_that_only_swaps_two_values_is_no_alarm(runs: Runs) -> None:
    """Rows without a key, in which the mask gives for one row what stands in another."""
    statements = "".join(
        f"CREATE TABLE public.s{n} (kids int); INSERT INTO public.s{n} VALUES (1), (2);" for n in range(12)
    )
    masks = {
        f"public.s{n}.kids": {"mask": "number_noise", "percent": 10, "domain": f"d{n}"} for n in range(12)
    }
    granted = f"{statements} GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader"
    result = runs.copied(granted, masks, keep=[]).verify()
    assert (result.tables, result.values_equal) == (12, 24)


def test_text_of_another_encoding_reads_the_same_on_both_sides(
    source: Cluster, target: Cluster, twin_database: str, run_folder: Any
) -> None:
    source.create_database("latin", "ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        run = Runs(source, "latin", target, twin_database, run_folder).copied(
            "CREATE TABLE public.t (id text PRIMARY KEY, name text, doc jsonb);"
            " INSERT INTO public.t SELECT 'Zoë ' || n, 'Ñandú ' || n,"
            ' \'{"mail": "zoë@raw.test", "ß": 1}\''
            " FROM generate_series(1, 30) AS g (n); GRANT SELECT ON public.t TO reader",
            {"*.*.name": "hash", "*.*.doc": {"mask": "json", "paths": {"mail": "email"}}},
            keep=["*.*.id"],
        )
        assert run.verify().values_equal == 60
    finally:
        source.drop_database("latin")
