"""Who sees the evidence of a verification learns nothing of the originals, with the run's key or without it.

The attacker administers the target, and has the code, the rows of the twin and lists of guesses; or owns a
function in the source's schema, which runs in the sessions of the target too.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from appliance.keys.keys import run_key
from appliance.masking.bindings import secret_settings
from appliance.postgres.proof import evidence
from appliance.postgres.proof.hashes import tagged
from tests.engine.clusters import Cluster
from tests.engine.engine_run import EngineRun

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
# The dictionaries: what an attacker who knows the column's kind would try.
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
) -> Iterator[EngineRun]:
    """A run that was killed after the copying: its ``__next`` is there."""
    source.sql(source_database, PEOPLE)
    yield EngineRun(source, source_database, target, twin_database, run_folder, DOCUMENT).copied()


def test_the_evidence_of_a_killed_run_gives_no_value_back(killed: EngineRun) -> None:
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


def test_the_runs_key_stands_nowhere_on_the_target(killed: EngineRun) -> None:
    killed.verify()
    plan = killed.context.plan()
    (key,) = secret_settings(run_key(bytes(range(32)), plan.run_id), evidence.bindings(plan)).values()
    assert len(key) == 64
    for path in (*killed.target.folder.rglob("pg_wal/*"), *killed.target.folder.rglob("base/*/*")):
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            held = path.read_bytes()
            assert key.encode() not in held and bytes.fromhex(key) not in held, path


# Comes with the source's schema, and says on the target what the session there has bound, and what it sees.
LEAK = """
CREATE SCHEMA attacker;
CREATE TABLE attacker.leaked (settings jsonb, evidence jsonb);
CREATE FUNCTION attacker.write_down() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass('appliance_ledger.evidence') IS NOT NULL THEN
        INSERT INTO attacker.leaked SELECT
            (SELECT jsonb_object_agg(n, current_setting(n, true)) FROM unnest(ARRAY[{settings}]) AS n),
            (SELECT jsonb_agg(e) FROM appliance_ledger.evidence AS e);
    END IF;
END $$;
CREATE FUNCTION attacker.leak(integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    PERFORM attacker.write_down();
    RETURN $1;
END $$;
CREATE INDEX person_leak ON public.person (id) WHERE attacker.leak(1) = 1;
GRANT USAGE ON SCHEMA attacker TO reader; GRANT SELECT ON attacker.leaked TO reader;
"""
SETTINGS = ("appliance.evidence_key", "appliance.evidence_value_key", "appliance.evidence_row_key")


def tries(key: bytes, row: bytes, guess: bytes) -> Iterator[bytes]:
    """All that the evidence of a guess can be, by the code: with the row and without it, in each place."""
    for relation, part, place in itertools.product(range(3), range(2), range(9)):
        tag = bytes.fromhex(tagged(relation, part, place))
        for message in (key + tag + row + guess, key + tag + guess, key + row + guess, key + guess):
            yield hashlib.sha256(message).digest()[:8]


def test_code_in_the_session_of_verify_finds_no_original_with_the_key_and_the_evidence(
    source: Cluster, source_database: str, target: Cluster, twin_database: str, run_folder: Any
) -> None:
    source.sql(source_database, PEOPLE)
    source.sql(source_database, LEAK.replace("{settings}", ", ".join(f"'{name}'" for name in SETTINGS)))
    run = EngineRun(source, source_database, target, twin_database, run_folder, DOCUMENT).copied()
    run.verify()
    leaked = target.rows(
        run.next, "SELECT settings, evidence FROM attacker.leaked WHERE settings::text LIKE '%: \"%'"
    )
    assert leaked, "the function ran in a session of the target that has the key"
    settings, seen = leaked[-1]
    keys = [bytes.fromhex(value) for value in settings.values() if value]
    shown = [each for each in seen if each["hashes"]]
    hashes = {bytes.fromhex(value[2:]) for each in shown for value in each["hashes"]}
    rows = {int(each["by_number"]).to_bytes(8, "big", signed=True) for each in shown if each["by_number"]}
    assert len(rows) == 8

    def found(guesses: list[str]) -> list[str]:
        return [
            guess
            for guess in guesses
            if any(hashes.intersection(tries(key, row, guess.encode())) for key in keys for row in rows)
        ]

    (masked,) = target.rows(run.next, "SELECT email, ssn FROM public.person WHERE id = 3")
    assert found(list(masked)) == list(masked), "the attacker knows how the evidence is made"
    numbers = range(1, 9)
    assert found([f"p{n}@raw.test" for n in numbers] + [f"078-05-{n:04}" for n in numbers]) == []


def test_a_row_of_evidence_has_a_hash_of_each_output_and_of_nothing_else(killed: EngineRun) -> None:
    shown = "SELECT DISTINCT cardinality(hashes) FROM appliance_ledger.evidence WHERE by_number IS NOT NULL"
    assert killed.target.rows(killed.next, shown) == [(len(DOCUMENT["masks"]),)]


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
    run = EngineRun(source, source_database, target, twin_database, run_folder, document).copied()
    shown = "SELECT count(h), count(DISTINCT h) FROM appliance_ledger.evidence, unnest(hashes) AS h"
    assert run.target.rows(run.next, shown) == [(100, 100)]


def test_the_evidence_goes_when_verification_is_over_and_a_second_attempt_needs_none(
    killed: EngineRun,
) -> None:
    first = killed.verify()
    there = "SELECT to_regclass('appliance_ledger.evidence') IS NOT NULL"
    assert killed.target.value(killed.next, there) is False
    again = killed.verify()
    assert (again.tables, again.rows, again.values_equal) == (first.tables, first.rows, first.values_equal)


def test_the_evidence_goes_when_verification_fails(killed: EngineRun) -> None:
    killed.spoil("UPDATE public.person SET born = '1980-01-08'")
    with pytest.raises(Exception, match="Verification failed"):
        killed.verify()
    there = "SELECT to_regclass('appliance_ledger.evidence') IS NOT NULL"
    assert killed.target.value(killed.next, there) is False
