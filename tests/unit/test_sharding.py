"""Cutting the copying into shards."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from appliance.postgres.plan import Shard
from appliance.postgres.planning.sharding import TableSize, make_shards

MIB = 1 << 20
PAGE = 8192


def size(mib: float, *, cut: bool = True) -> TableSize:
    return TableSize(cost=int(mib * MIB), pages=max(int(mib * MIB) // PAGE, 1), may_be_cut=cut)


def costs(shards: list[Shard]) -> list[int]:
    return [shard.estimated_bytes for shard in shards]


def test_no_tables_make_no_shards() -> None:
    assert make_shards([], parallel=4) == []


def test_a_few_small_tables_are_one_shard() -> None:
    (shard,) = make_shards([size(0.01)] * 12, parallel=4)
    assert [item.table for item in shard.items] == list(range(12))


def test_thousands_of_small_tables_keep_every_worker_busy() -> None:
    shards = make_shards([size(0.02)] * 5000, parallel=4)
    assert len(shards) >= 4
    assert max(costs(shards)) < 1.1 * min(costs(shards))


def test_a_large_table_is_cut_and_the_pieces_are_about_equal() -> None:
    shards = make_shards([size(3000)], parallel=4)
    assert len(shards) == 12
    assert max(costs(shards)) < 1.1 * min(costs(shards))


def test_a_table_that_may_not_be_cut_is_one_piece() -> None:
    (shard,) = make_shards([size(3000, cut=False)], parallel=4)
    assert (shard.items[0].first_page, shard.items[0].end_page) == (None, None)


def test_the_largest_shard_comes_first() -> None:
    shards = make_shards([size(10), size(900), size(200, cut=False)], parallel=2)
    assert costs(shards) == sorted(costs(shards), reverse=True)


def test_terabytes_do_not_make_thousands_of_shards() -> None:
    assert len(make_shards([size(20_000_000)], parallel=8)) <= 512


def test_shards_of_several_targets_are_numbered_on() -> None:
    shards = make_shards([size(1)], parallel=2, target=1, first_number=7)
    assert [(shard.number, shard.target) for shard in shards] == [(7, 1)]


TABLES = st.lists(
    st.builds(size, st.floats(min_value=0, max_value=40_000), cut=st.booleans()), min_size=1, max_size=60
)


@given(TABLES, st.integers(min_value=1, max_value=64))
def test_every_page_of_every_table_is_read_exactly_once(tables: list[TableSize], parallel: int) -> None:
    shards = make_shards(tables, parallel=parallel)
    assert [shard.number for shard in shards] == list(range(len(shards)))
    items = sorted(
        (item for shard in shards for item in shard.items), key=lambda item: (item.table, item.part)
    )
    assert len({item.key for item in items}) == len(items)
    for number in range(len(tables)):
        own = [item for item in items if item.table == number]
        assert [item.part for item in own] == list(range(len(own)))
        assert {item.parts for item in own} == {len(own)}
        assert own[0].first_page is None
        assert own[-1].end_page is None
        for before, after in pairwise(own):
            assert before.end_page == after.first_page is not None
            assert (before.first_page or 0) < before.end_page
