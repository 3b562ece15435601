"""The memory that sorting for an index gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.postgres.building.index_memory import builds_b_tree, limit_sort_memory, sort_memory_kb

MERGE_BUFFER_KB = 264


@given(st.integers(min_value=0, max_value=40 << 30))
def test_one_merge_takes_in_all_the_runs_of_a_table_of_up_to_40_gb(table_bytes: int) -> None:
    memory = sort_memory_kb(table_bytes)
    runs = table_bytes * 3 // 2 // 1024 // memory
    assert runs <= memory // MERGE_BUFFER_KB + 1


@given(st.integers(min_value=0, max_value=1 << 60))
def test_it_is_never_less_than_a_small_cache_nor_more_than_a_server_can_easily_give(table_bytes: int) -> None:
    assert 16 * 1024 <= sort_memory_kb(table_bytes) <= 256 * 1024


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX a ON public.t USING btree (email);",
        'CREATE UNIQUE INDEX "a b" ON "S"."t USING gin" USING btree (lower(email)) WHERE (x > 1);',
        "ALTER TABLE ONLY public.t\n    ADD CONSTRAINT t_pkey PRIMARY KEY (id);",
        'ALTER TABLE ONLY public.t\n    ADD CONSTRAINT "odd name" UNIQUE NULLS NOT DISTINCT (a, b);',
    ],
)
def test_a_b_tree_is_known_by_the_statement_that_builds_it(statement: str) -> None:
    assert builds_b_tree(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX a ON public.t USING gin (payload);",
        "CREATE INDEX a ON public.t USING gist (during);",
        "ALTER TABLE ONLY public.t\n    ADD CONSTRAINT apart EXCLUDE USING gist (during WITH &&);",
        "ALTER TABLE public.t\n    ADD CONSTRAINT positive CHECK ((a > 0)) NOT VALID;",
        "ALTER TABLE ONLY public.t CLUSTER ON t_pkey;",
    ],
)
def test_what_builds_no_b_tree_keeps_all_of_its_memory(statement: str) -> None:
    assert not builds_b_tree(statement)


def test_the_limit_is_the_transaction_s_own_and_never_raises_what_is_set() -> None:
    assert limit_sort_memory(0) == (
        "SELECT set_config('maintenance_work_mem',"
        " least(16384, pg_size_bytes(current_setting('maintenance_work_mem')) / 1024)::text, true); "
    )
