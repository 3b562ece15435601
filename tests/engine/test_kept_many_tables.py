"""Originals of many tables are looked for by statements that the source's lock table has room for."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import psycopg
import pytest

from appliance.discovery.kept.many_originals import NAMES_SETTING, many_originals
from appliance.discovery.kept.originals_query import (
    VALUES_PLACE,
    KeptTexts,
    MaskedOriginals,
    OriginalsQuery,
    originals_queries,
)
from appliance.discovery.name_list import known_names
from appliance.masking.compiled import CompiledColumn
from appliance.postgres.proof.kept import KeptOnSource, OriginalsMet, counted_together
from appliance.postgres.source.lock_room import LockRoom, read_lock_room
from tests.engine.clusters import Cluster
from tests.engine.masking_lab import Lab, make_lab, remove_lab

TABLES = 12
EACH = 3
"""Each table with its two indexes."""
MADE = "".join(
    f"CREATE TABLE lab.m{n} (id int PRIMARY KEY, email text, said text); CREATE INDEX ON lab.m{n} (email);"
    f"INSERT INTO lab.m{n} SELECT i, 'p' || i || '@m{n}.example',"
    f" 'ask p' || i || '@m{(n + 5) % TABLES}.example' FROM generate_series(1, 4) AS i;"
    for n in range(TABLES)
)


@pytest.fixture(scope="module")
def lab(source: Cluster) -> Iterator[Lab]:
    made = make_lab(source)
    made.script(MADE)
    yield made
    remove_lab(made)


def queries(lab: Lab, most: int, root: str | None = None) -> list[OriginalsQuery]:
    """All e-mail addresses, looked for in all that is said; with ``root`` the tables are its partitions."""
    room = LockRoom(most, read_lock_room(lab.session()).indexes)
    return originals_queries(*columns(lab, root), "UTF8", 1, room)


def columns(lab: Lab, root: str | None = None) -> tuple[list[KeptTexts], list[MaskedOriginals]]:
    """Which those are."""
    kept, originals = [], []
    for table in (lab.catalog_table(f"m{n}") for n in range(TABLES)):
        by_name, name = {each.name: each for each in table.columns}, root or table.qualified
        made = CompiledColumn(name="email", type="text", sql="''", mask="email")
        kept.append(KeptTexts(table, name, (by_name["said"],), None))
        originals.append(MaskedOriginals(table, name, ((by_name["email"], made),)))
    return kept, originals


def locked(session: psycopg.Connection[object]) -> int:
    """The locks on tables and indexes that the session holds."""
    (locks,) = session.execute(
        "SELECT count(*) FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation"
        " WHERE l.pid = pg_backend_pid() AND c.relnamespace = 'lab'::regnamespace"
    ).fetchone()
    return locks


def asked(
    session: psycopg.Connection[object], query: OriginalsQuery
) -> tuple[dict[tuple[str, str], int], int]:
    """Places by kept table and masked column, and the locks on tables and indexes that it took."""
    with session.transaction():
        rows = session.execute(query.sql.encode(), {"names": known_names("UTF8")}).fetchall()
        locks = locked(session)
    met = {
        (query.kept[place][0], query.masked[masked]): telling
        for place, masked, telling, *_ in rows
        if masked != VALUES_PLACE
    }
    return met, locks


@pytest.mark.parametrize("most", [TABLES * EACH, 8 * EACH, 2 * EACH])
def test_what_stands_in_which_table_is_found_with_as_many_locks_as_there_are(lab: Lab, most: int) -> None:
    found: dict[tuple[str, str], int] = {}
    for query in queries(lab, most):
        met, locks = asked(lab.session(), query)
        assert 0 < locks <= most
        assert not found.keys() & met.keys()
        found |= met
    assert found == {(f"lab.m{n}", f"lab.m{(n + 5) % TABLES}.email"): 4 for n in range(TABLES)}


def test_each_table_is_held_against_each_other_once(lab: Lab) -> None:
    pairs = [
        pair
        for query in queries(lab, 6 * EACH)
        for pair in itertools.product((table for table, _ in query.kept), query.masked)
    ]
    assert len(pairs) == len(set(pairs)) == TABLES * TABLES
    assert len(queries(lab, TABLES * EACH)) == 1


@pytest.mark.parametrize("most", [8 * EACH, 2 * EACH])
def test_what_is_gathered_first_is_found_as_well_and_each_table_is_read_twice(lab: Lab, most: int) -> None:
    room = LockRoom(most, read_lock_room(lab.session()).indexes, blocks=True)
    (many,) = many_originals(*columns(lab), "UTF8", 1, room)
    reads = -(-TABLES * EACH // most)
    assert len(many.gatherings) == len(many.countings) == reads
    found: dict[tuple[str, str], int] = {}
    session = lab.session()
    with session.transaction():
        session.execute("SET TRANSACTION READ ONLY")
        session.execute("SELECT set_config(%s, %s, true)", (NAMES_SETTING, known_names("UTF8")))
        for gathering in many.gatherings:
            session.execute(gathering.sql.encode())
            assert locked(session) == 0
        for counting in many.countings:
            with session.transaction(force_rollback=True):
                rows = session.execute(counting.sql.encode()).fetchall()
                assert 0 < locked(session) <= most
            texts = {many.kept[place]: n for place, masked, n, *_ in rows if masked == VALUES_PLACE}
            assert texts == {(f"lab.m{n}", "said"): 4 for n in range(TABLES)}
            found |= {
                (many.kept[place][0], counting.masked[masked]): telling
                for place, masked, telling, *_ in rows
                if masked != VALUES_PLACE
            }
    assert found == {(f"lab.m{n}", f"lab.m{(n + 5) % TABLES}.email"): 4 for n in range(TABLES)}


def test_nothing_is_gathered_where_one_statement_does_or_no_block_may_run(lab: Lab) -> None:
    indexes = read_lock_room(lab.session()).indexes
    for room in (LockRoom(TABLES * EACH, indexes, blocks=True), LockRoom(EACH, indexes)):
        assert many_originals(*columns(lab), "UTF8", 1, room) is None


def test_of_more_partitions_than_can_be_locked_some_are_compared(lab: Lab) -> None:
    (query,) = queries(lab, 8 * EACH, root="lab.parted")
    _, locks = asked(lab.session(), query)
    assert EACH < locks <= 8 * EACH
    assert query.kept == (("lab.parted", "said"),)


def test_what_there_is_room_for_follows_from_the_servers_settings(lab: Lab) -> None:
    room = read_lock_room(lab.session())
    # These servers take fewer connections than one that nobody has configured.
    assert 1_000 < room.most < LockRoom().most
    assert room.of(lab.catalog_table("m0").oid) == EACH
    assert room.blocks


def test_a_column_that_several_statements_have_compared_is_said_once() -> None:
    def counted(original: str, why: str | None = None) -> KeptOnSource:
        met = (OriginalsMet(masked=original, telling=1, texts=4),) if why is None else ()
        return KeptOnSource(table="t", column="c", texts=4 if met else 0, met=met, not_compared=why)

    (both,) = counted_together([counted("a"), counted("b")])
    assert both.texts == 4 and [each.masked for each in both.met] == ["a", "b"]
    (half,) = counted_together([counted("a"), counted("b", "it took too long")])
    assert half.not_compared == "it took too long" and [each.masked for each in half.met] == ["a"]
