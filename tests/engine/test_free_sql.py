"""Row conditions as PostgreSQL reads them, and free SQL that looks for the masks' keys."""

from __future__ import annotations

import pytest

from appliance.errors import WrongRequestError
from appliance.masking.compiler import compile_column
from appliance.postgres.copying import chosen_rows
from appliance.postgres.planning.row_condition_sql import condition_misfits, condition_sql
from appliance.workflow.conditions.grammar import why_free
from appliance.workflow.document import MaskSpec
from tests.engine.clusters import Cluster
from tests.engine.locking import MakeRig
from tests.engine.plan_making import plan_of
from tests.engine.source_session import catalog_of, column_of, table_of

ODD = r"""
CREATE TYPE mood AS ENUM ('sad', 'so so', 'glad');
CREATE TABLE odd (id int PRIMARY KEY, "Wei""rd" text, n numeric, at timestamptz, day date, fine boolean,
    mood mood, tags text[], uid uuid, code varchar(5), doc jsonb);
INSERT INTO odd VALUES
    (1, 'a%b', 1.5, '2024-01-01 10:00+00', '2024-01-01', true, 'sad', '{a}', gen_random_uuid(), 'x', '{}'),
    (2, 'a\b', -1, '2024-06-01 10:00+00', '2024-06-01', false, 'glad', '{}', NULL, 'yy', '[1]'),
    (3, 'it''s', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (4, 'A', 'NaN', 'infinity', '-infinity', true, 'so so', '{NULL}', gen_random_uuid(), '', 'null');
"""


@pytest.mark.parametrize(
    "where",
    [
        """ "Wei""rd" = 'it''s' OR n > 1 AND NOT fine """,
        "NOT fine OR n < 0 AND id = 1",
        "NOT (fine OR n < 0) OR id = 1",
        "NOT id = 1 AND NOT NOT fine",
        "n IN (1.5, -1.0, NULL) OR id NOT IN (1, 2, 3)",
        "n NOT BETWEEN -1 AND 1e0 OR day BETWEEN '2024-01-01' AND '2024-02-01' AND fine",
        r""" "Wei""rd" LIKE 'a\%b' OR "Wei""rd" NOT ILIKE 'a%' """,
        r""" "Wei""rd" = 'a\b' """,
        "fine IS TRUE OR fine IS UNKNOWN",
        "fine IS NOT FALSE AND n IS NOT NULL",
        "fine ISNULL AND n ISNULL",
        "mood IN ('sad', 'glad') AND mood <> 'so so'",
        "mood > 'sad'",
        "at >= TIMESTAMP WITH TIME ZONE '2024-03-01 00:00+02' OR day < DATE '2024-02-01'",
        "n IS DISTINCT FROM 1.5 AND code IS NOT DISTINCT FROM ''",
        "tags = '{a}' OR doc = '[1]'",
        "ID = 2 OR (((fine)))",
        "1 = id OR 'x' <> code",
    ],
)
def test_a_condition_of_the_grammar_chooses_what_postgresql_would(
    source: Cluster, source_database: str, where: str
) -> None:
    source.sql(source_database, ODD)
    odd = table_of(catalog_of(source, source_database), "public.odd")
    assert why_free(where) is None
    assert condition_misfits(odd, where) == []
    query = "SELECT id FROM odd AS t WHERE {} ORDER BY 1"
    ours = source.rows(source_database, query.format(condition_sql(odd, where)))
    assert ours == source.rows(source_database, query.format(where))
    assert 0 < len(ours) < 4


def test_a_type_with_operators_of_its_own_has_no_place_in_a_condition(
    source: Cluster, source_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE TYPE pair AS (a text, b text); CREATE TABLE t (id int, p pair);"
        "CREATE FUNCTION spy(pair) RETURNS text LANGUAGE sql AS $$ SELECT current_setting('x', true) $$;"
        "CREATE CAST (pair AS text) WITH FUNCTION spy(pair) AS IMPLICIT",
    )
    with pytest.raises(WrongRequestError, match="whose operators are not PostgreSQL's own"):
        plan_of(source, source_database, rows={"public.t": {"where": "p = 'x'"}})


def test_free_sql_sees_no_key_nor_changes_one_and_its_rows_arrive_masked(
    source: Cluster,
    target: Cluster,
    source_database: str,
    make_rig: MakeRig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = 2_500
    monkeypatch.setattr(chosen_rows, "AT_ONCE", 700)
    schema = (
        "CREATE TABLE person (id int PRIMARY KEY, email text);"
        "CREATE TABLE visit (id int PRIMARY KEY, person int REFERENCES person, note text);"
    )
    source.sql(
        source_database,
        f"{schema} INSERT INTO person SELECT i, i || '@corp.test' FROM generate_series(1, {rows}) AS i;"
        f"INSERT INTO visit SELECT i, i, 'note ' || i FROM generate_series(1, {rows}) AS i; ANALYZE",
    )
    masks = {"public.person.email": "email", "public.visit.note": "hash"}
    settings = [each.setting for each in plan_of(source, source_database, masks=masks).bindings]
    assert settings
    # A user who sees a key, or whose change of one holds, chooses no row at all.
    asked = " AND ".join(
        f"coalesce(nullif(current_setting('{each}', true), ''), 'taken') = 'taken'"
        f" AND set_config('{each}', 'taken', false) = 'taken'"
        for each in settings
    )
    plan = plan_of(
        source, source_database, masks=masks, rows={"public.person": {"where": f"id % 2 = 0 AND {asked}"}}
    )
    assert [(table.qualified, table.apart) for table in plan.tables] == [
        ("public.person", True),
        ("public.visit", True),
    ]
    assert any("Free SQL under rows chooses the rows of public.person" in text for text in plan.warnings)
    rig = make_rig(plan.tables)
    rig.prepare(schema)
    assert rig.copy().rows == rows
    assert rig.copy().skipped == 2
    for table in ("person", "visit"):
        counts = target.rows(rig.next, f"SELECT count(*), count(DISTINCT id), sum(id % 2) FROM {table}")
        assert counts == [(rows // 2, rows // 2, 0)]
    assert target.value(rig.next, "SELECT count(*) FROM person WHERE email LIKE '%corp.test'") == 0
    assert target.value(rig.next, "SELECT count(DISTINCT email) FROM person") == rows // 2


def test_masks_are_the_same_whether_rows_are_chosen_apart_or_not(
    make_rig: MakeRig, source: Cluster, target: Cluster, source_database: str, twin_database: str
) -> None:
    source.sql(
        source_database, "CREATE TABLE p (id int, e text); INSERT INTO p VALUES (1, 'a@b'), (2, 'c@d')"
    )
    table = table_of(catalog_of(source, source_database), "public.p")
    assert compile_column(table, column_of(table, "e"), MaskSpec(mask="email")).bindings
    seen = []
    for number, where in enumerate(["id > 0", "abs(id) > 0"]):
        plan = plan_of(
            source, source_database, masks={"public.p.e": "email"}, rows={"public.p": {"where": where}}
        )
        rig = make_rig(plan.tables, twin=f"{twin_database}_{number}")
        rig.prepare("CREATE TABLE p (id int, e text)")
        rig.copy()
        seen.append(target.rows(rig.next, "SELECT * FROM p ORDER BY id"))
    assert seen[0] == seen[1] and len(seen[0]) == 2
