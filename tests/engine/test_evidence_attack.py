"""Who sees the evidence of a verification, in a killed run's ``__next`` or in its log, learns nothing.

The attacker administers the target, and has the code, the rows of the twin and lists of guesses.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from appliance.keys.keys import binding_value
from appliance.postgres.proof import evidence
from tests.engine.clusters import Cluster
from tests.engine.stepwise_run import StepwiseRun

PEOPLE = """
CREATE TABLE public.person (
    id int PRIMARY KEY, first_name text, born date, phone text, salary int, email text, ssn text
);
INSERT INTO public.person SELECT i, (ARRAY['Anna', 'Luis', 'Mia', 'Noa'])[1 + i % 4],
    date '1980-01-01' + i * 7, '+49 170 55' || lpad(i::text, 5, '0'), 40000 + i * 100,
    'p' || i || '@raw.test', '078-05-' || lpad(i::text, 4, '0') FROM generate_series(1, 8) AS i;
CREATE TABLE public.visit (place text, nr int, born date, PRIMARY KEY (place, nr));
INSERT INTO public.visit SELECT 'Graz', i, date '1980-01-01' + i FROM generate_series(1, 4) AS i;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
"""
DOCUMENT: dict[str, Any] = {
    "masks": {
        "*.*.first_name": "first_name",
        "*.*.born": {"mask": "date_shift", "max_days": 900},
        "*.*.phone": "phone",
        "*.*.salary": "number_noise",
        "*.*.email": "email",
        "*.*.ssn": "hash",
    },
    "keep": ["*.*.id", "*.*.place", "*.*.nr"],
}
# The dictionaries: what somebody who knows the column's kind would try.
GUESSES = """
CREATE SCHEMA attacker;
CREATE TABLE attacker.guess AS
    SELECT DISTINCT guess FROM (
        SELECT unnest(ARRAY['Anna', 'Luis', 'Mia', 'Noa', 'Bob', 'Eve']) AS guess
        UNION ALL SELECT (date '1970-01-01' + d)::text FROM generate_series(0, 6000) AS d
        UNION ALL SELECT '+49 170 55' || lpad(n::text, 5, '0') FROM generate_series(1, 1000) AS n
        UNION ALL SELECT n::text FROM generate_series(40000, 42000) AS n
        UNION ALL SELECT 'p' || n || '@raw.test' FROM generate_series(1, 100) AS n
        UNION ALL SELECT '078-05-' || lpad(n::text, 4, '0') FROM generate_series(1, 1000) AS n
    ) AS g;
"""
SEEN = "CREATE TABLE attacker.seen (evidence_row text, number bigint)"
KEYS = """
CREATE TABLE attacker.key AS
    SELECT DISTINCT evidence_row, number FROM attacker.seen
    UNION SELECT DISTINCT evidence_row, fixed FROM attacker.seen, unnest(ARRAY[0, 1, -1]::bigint[]) AS fixed
"""
# A hash that is no secret, or one whose key stands beside it, as it is or in the row of another column.
TRIES = {
    "hashtextextended": "hashtextextended(g.guess, k.number)",
    "hashint8extended": "hashint8extended(hashtext(g.guess)::bigint, k.number)",
    "sha256": "('x' || substr(sha256(g.guess::bytea)::text, 3, 16))::bit(64)::bigint",
    "md5": "('x' || left(md5(g.guess), 16))::bit(64)::bigint",
    "keyed sha256": (
        "('x' || substr(sha256(int8send(k.number) || g.guess::bytea)::text, 3, 16))::bit(64)::bigint"
    ),
}


def eight_byte_numbers(shown: Any) -> list[int]:
    """All that stands in a row of evidence as numbers of eight bytes, whatever its columns are called."""
    if isinstance(shown, dict):
        return [number for inside in shown.values() for number in eight_byte_numbers(inside)]
    if isinstance(shown, list):
        return [number for inside in shown for number in eight_byte_numbers(inside)]
    if isinstance(shown, int):
        return [shown]
    if isinstance(shown, str) and shown.startswith("\\x") and len(shown) == 18:
        return [int.from_bytes(bytes.fromhex(shown[2:]), "big", signed=True)]
    return []


@pytest.fixture
def killed(
    source: Cluster, source_database: str, target: Cluster, twin_database: str, run_folder: Any
) -> Iterator[StepwiseRun]:
    """A run that was killed after the copying: its ``__next`` is there."""
    source.sql(source_database, PEOPLE)
    yield StepwiseRun(source, source_database, target, twin_database, run_folder, DOCUMENT).copied()


def test_the_evidence_of_a_killed_run_gives_no_value_back(killed: StepwiseRun) -> None:
    with killed.target.connect(killed.next) as attacker:
        attacker.execute(GUESSES.encode())
        attacker.execute(SEEN.encode())
        rows = attacker.execute(
            "SELECT ctid::text, to_jsonb(e) FROM appliance_ledger.evidence AS e"
        ).fetchall()
        for row, shown in rows:
            for number in eight_byte_numbers(shown):
                attacker.execute("INSERT INTO attacker.seen VALUES (%s, %s)", [row, number])
        attacker.execute(KEYS.encode())
        assert len(rows) >= 12, "the attacker sees the evidence"
        for name, hashed in TRIES.items():
            found = attacker.execute(
                "SELECT DISTINCT g.guess FROM attacker.guess AS g CROSS JOIN attacker.key AS k"
                f" JOIN attacker.seen AS s USING (evidence_row) WHERE s.number = {hashed}".encode()
            ).fetchall()
            assert found == [], f"{name} gives {len(found)} values back"


def test_neither_of_the_runs_keys_stands_anywhere_on_the_target(killed: StepwiseRun) -> None:
    killed.verify()
    keys = [binding_value(bytes(range(32)), binding) for binding in evidence.bindings(killed.context.plan())]
    assert len({*keys}) == 2 and all(len(key) == 64 for key in keys)
    for path in (*killed.target.folder.rglob("pg_wal/*"), *killed.target.folder.rglob("base/*/*")):
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            held = path.read_bytes()
            for key in keys:
                assert key.encode() not in held and bytes.fromhex(key) not in held, path


def test_equal_values_in_two_rows_or_columns_do_not_look_alike(
    source: Cluster, source_database: str, target: Cluster, twin_database: str, run_folder: Any
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE public.person (id int PRIMARY KEY, a text, b text);"
        " INSERT INTO public.person SELECT i, 'Anna', 'Anna' FROM generate_series(1, 50) AS i;"
        " GRANT SELECT ON public.person TO reader",
    )
    document = {"masks": {"*.*.a": "first_name", "*.*.b": "first_name"}, "keep": ["*.*.id"]}
    run = StepwiseRun(source, source_database, target, twin_database, run_folder, document).copied()
    shown = "SELECT count(h), count(DISTINCT h) FROM appliance_ledger.evidence, unnest(hashes) AS h"
    assert run.target.rows(run.next, shown) == [(100, 100)]


def test_the_evidence_goes_when_verification_is_over_and_a_second_attempt_needs_none(
    killed: StepwiseRun,
) -> None:
    first = killed.verify()
    there = "SELECT to_regclass('appliance_ledger.evidence') IS NOT NULL"
    assert killed.target.value(killed.next, there) is False
    again = killed.verify()
    assert (again.tables, again.rows, again.values_equal) == (first.tables, first.rows, first.values_equal)


def test_the_evidence_goes_when_verification_fails(killed: StepwiseRun) -> None:
    killed.spoil("UPDATE public.person SET born = '1980-01-08'")
    with pytest.raises(Exception, match="Verification failed"):
        killed.verify()
    there = "SELECT to_regclass('appliance_ledger.evidence') IS NOT NULL"
    assert killed.target.value(killed.next, there) is False
