"""Masks by conditions over the row: what each row gets, that it is proven, and that nothing else is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import ApplianceError, WorkFailedError
from appliance.policy.policy import Policy
from appliance.steps.records.receipt_tables import table_facts
from appliance.steps.records.run_files import PLAN, VERIFIED
from tests.engine.clusters import Cluster
from tests.engine.engine_run import EngineRun
from tests.engine.plan_making import plan_of
from tests.engine.test_verify_kinds import MASKS, RAW, TYPES

ROLES = "(ARRAY['staff', 'user', NULL])[1 + n % 3]"
VALUES = ", ".join(RAW.values())
COLUMNS = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
THING = (
    f"CREATE TABLE public.thing (n int PRIMARY KEY, role text, hidden text, {COLUMNS});"
    f" INSERT INTO public.thing SELECT n, {ROLES}, {ROLES}, {VALUES} FROM generate_series(1, 600) AS g (n);"
    " GRANT SELECT ON public.thing TO reader; ANALYZE public.thing"
)
KEEP = ["*.*.n", "*.*.role"]


def unless(condition: str, mask: Any) -> list[Any]:
    """The rows of a condition are kept, the others masked."""
    given = mask if isinstance(mask, dict) else {"mask": mask}
    return [{"when": condition, "mask": "keep", "because": "a test"}, given]


@dataclass
class Runs:
    """Runs over one source database."""

    source: Cluster
    database: str
    target: Cluster
    twin: str
    folder: Path

    def copied(self, script: str, masks: Any, keep: Sequence[str]) -> EngineRun:
        """The source filled, and a run as far as the copy."""
        self.source.sql(self.database, script)
        document = {"masks": masks, "keep": list(keep)}
        return EngineRun(self.source, self.database, self.target, self.twin, self.folder, document).copied()


@pytest.fixture
def runs(
    source: Cluster, source_database: str, target: Cluster, twin_database: str, run_folder: Path
) -> Runs:
    return Runs(source, source_database, target, twin_database, run_folder)


def as_it_was(name: str) -> str:
    """How many rows of the twin have a column as the source has it."""
    return f"count(*) FILTER (WHERE {name}::text = (({RAW[name]})::{TYPES[name]})::text)"


def faults(run: EngineRun) -> str:
    """What verification says."""
    with pytest.raises(WorkFailedError) as failed:
        run.verify()
    return failed.value.text()


@pytest.mark.parametrize("by", ["role", "hidden"])
def test_every_mask_holds_for_its_rows_and_the_others_stay(runs: Runs, by: str) -> None:
    masks = {pattern: unless(f"{by} = 'staff'", mask) for pattern, mask in MASKS.items()}
    run = runs.copied(THING, {**masks, "*.*.hidden": "hash"}, KEEP)
    assert run.verify().masked_columns == len(TYPES) + 1
    counts = f"SELECT {', '.join(map(as_it_was, TYPES))} FROM public.thing"
    kept = runs.target.rows(run.next, f"{counts} WHERE role = 'staff'")
    assert set(kept[0]) == {200}
    masked = runs.target.rows(run.next, f"{counts} WHERE role IS DISTINCT FROM 'staff'")
    assert max(masked[0]) < 200


@pytest.mark.parametrize("by", ["role", "hidden"])
def test_a_masked_row_that_came_through_raw_and_a_kept_one_that_did_not_are_found(
    runs: Runs, by: str
) -> None:
    masks = {pattern: unless(f"{by} = 'staff'", mask) for pattern, mask in MASKS.items()}
    run = runs.copied(THING, {**masks, "*.*.hidden": "hash"}, KEEP)
    raw = ", ".join(f"{each} = {value}" for each, value in RAW.items() if each != "city")
    run.spoil(f"UPDATE public.thing SET {raw} WHERE role = 'user' AND n % 20 = 0")
    run.spoil("UPDATE public.thing SET city = 'Graz' WHERE role = 'staff' AND city <> 'Graz'")
    found = faults(run)
    for each in RAW:
        assert f"public.thing.{each} " in found, each


def test_what_the_conditions_cannot_say_is_refused_with_its_place(runs: Runs) -> None:
    source, name = runs.source, runs.database
    source.sql(
        name,
        "CREATE COLLATION public.folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
        " CREATE TYPE public.kind AS ENUM ('a', 'b'); CREATE TABLE public.lead (id int PRIMARY KEY,"
        " email text UNIQUE, kind public.kind, fold text COLLATE public.folded, doc json, parent int"
        " REFERENCES public.lead, code int UNIQUE, at date); GRANT SELECT ON public.lead TO reader",
    )

    def said(column: str, *entries: Any) -> str:
        with pytest.raises(ApplianceError) as refused:
            plan_of(source, name, masks={f"public.lead.{column}": list(entries)})
        return refused.value.text()

    assert "unknown column `rol`" in said("email", {"when": "rol = 'x'", "mask": "keep"}, "hash")
    assert "nondeterministic" in said("email", {"when": "fold LIKE 'x%'", "mask": "keep"}, "hash")
    assert '"public.lead.email"[0].when' in said("email", {"when": "kind = 'c'", "mask": "keep"}, "hash")
    assert "unknown function" in said("email", {"when": "doc = '{}'", "mask": "keep"}, "hash")
    assert "no date" in said("email", {"when": "at < '2024-99-99'", "mask": "keep"}, "hash")
    assert "has a subquery" in said("email", {"when": "id IN (SELECT 1)", "mask": "keep"}, "hash")
    assert "may give two rows the same value" in said(
        "code", {"when": "id = 1", "mask": "keep"}, "number_key"
    )
    assert "refers to public.lead.id" in said("parent", {"when": "id = 1", "mask": "null"}, "number_key")
    assert "entry 2: the mask 'date_shift' does not fit" in said(
        "email", {"when": "id = 1", "mask": "keep"}, "date_shift"
    )
    assert plan_of(source, name, masks={"public.lead.email": unless("lower(email) LIKE '%@us.test'", "hash")})


def test_the_owner_s_limits_hold_for_the_rows_that_are_kept(runs: Runs) -> None:
    source, name = runs.source, runs.database
    source.sql(name, THING)
    policy = Policy(always_mask=("*.*.phone",), powerful_roles=("production",))
    with pytest.raises(ApplianceError) as refused:
        plan_of(source, name, policy=policy, masks={"*.*.phone": unless("role = 'staff'", "phone")})
    assert "keeps it in some rows" in refused.value.text()
    masks = {"*.*.phone": "hash", "*.*.note": unless("phone LIKE '+49 1%'", "hash")}
    assert plan_of(source, name, policy=policy, masks=masks)
    with pytest.raises(ApplianceError) as refused:
        plan_of(source, name, policy=policy, masks=masks, origin="cloud")
    assert "the cloud may not choose rows" in refused.value.text()


def test_two_texts_are_compared_whatever_their_collations_and_nothing_fails_on_data(runs: Runs) -> None:
    script = (
        'CREATE TABLE public.pair (id int PRIMARY KEY, one text COLLATE "C", other text COLLATE "POSIX",'
        " secret text); INSERT INTO public.pair VALUES (1, 'a', 'a', 's1'), (2, 'a', 'b', 's2'),"
        " (3, NULL, 'b', 's3'), (4, '', '', ''), (5, 'é', 'é', NULL);"
        " GRANT SELECT ON public.pair TO reader"
    )
    masks = {"*.*.secret": unless("one = other AND length(trim(one)) >= 0 AND left(one, -5) = ''", "hash")}
    run = runs.copied(script, masks, ["*.*.id", "*.*.one", "*.*.other"])
    run.verify()
    found = runs.target.rows(run.next, "SELECT id, secret IN ('s1', 's2', 's3') FROM public.pair ORDER BY id")
    assert found == [(1, True), (2, False), (3, False), (4, False), (5, None)]


def test_rows_that_are_kept_are_looked_at_and_the_receipt_tells_no_condition(runs: Runs) -> None:
    script = (
        "CREATE TABLE public.person (id int PRIMARY KEY, role text, email text);"
        " INSERT INTO public.person SELECT n, CASE n % 2 WHEN 0 THEN 'staff' ELSE 'user' END,"
        " 'someone' || n || '@mail.example' FROM generate_series(1, 400) AS g (n);"
        " GRANT SELECT ON public.person TO reader; ANALYZE public.person"
    )
    entries = [{"when": "role = 'staff'", "mask": "keep"}, "email"]
    run = runs.copied(script, {"*.*.email": entries}, ["*.*.id", "*.*.role"])
    assert any("public.person.email is kept in some rows and looks like" in each for each in run.notices)
    run.verify()
    (column,) = [
        column
        for table in VERIFIED.read(run.run_dir).twins[0].kept
        for column in table.columns
        if column.column == "email"
    ]
    assert (column.values, column.looks_personal, column.because) == (200, 200, False)
    plan = PLAN.read(run.run_dir)
    (table,) = table_facts(bytes(32), run.spec.workflow, plan, VERIFIED.read(run.run_dir).twins[0])
    (masked,) = table.masked
    assert [each.mask for each in masked.alternatives] == [None, "email"]
    assert masked.alternatives[0].when_keyed and masked.look and masked.look.looks_personal == 200
    assert "staff" not in table.model_dump_json()
    (planned,) = [column for column in plan.tables[0].columns if column.name == "email"]
    assert planned.said == "keep where role = 'staff', else email"


def test_types_of_users_arrays_and_rows_without_a_key_are_masked_by_condition_too(runs: Runs) -> None:
    script = (
        "CREATE EXTENSION citext; CREATE DOMAIN mail AS citext CHECK (VALUE LIKE '%@%');"
        " CREATE TYPE kind AS ENUM ('staff', 'user');"
        " CREATE TABLE public.odd (kind kind, mail mail, folded citext, tags varchar(40)[], code char(36));"
        " INSERT INTO public.odd SELECT CASE n % 2 WHEN 0 THEN 'staff' ELSE 'user' END::kind,"
        " 'A' || n || '@b.test', 'Tag' || n, ARRAY['T' || n, NULL], 'c' || n"
        " FROM generate_series(1, 200) AS g (n);"
        " GRANT SELECT ON public.odd TO reader; ANALYZE public.odd"
    )
    masks = {
        "*.*.mail": unless("kind = 'staff'", "email"),
        "*.*.folded": unless("kind = 'staff' AND folded LIKE 'tag%'", "hash"),
        "*.*.tags": unless("kind = 'staff'", "hash"),
        "*.*.code": unless("kind = 'staff'", "hash"),
    }
    run = runs.copied(script, masks, ["*.*.kind"])
    run.verify()
    raw = "mail LIKE 'a%@b.test' AND folded LIKE 'tag%' AND tags[1] LIKE 'T%' AND code LIKE 'c%'"
    found = runs.target.rows(
        run.next, f"SELECT kind::text, {raw}, count(*) FROM odd GROUP BY 1, 2 ORDER BY 1"
    )
    assert found == [("staff", True, 100), ("user", False, 100)]
