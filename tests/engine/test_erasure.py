"""An erasure reaches every copy, and later runs bring nobody back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.clusters import Cluster
from tests.engine.erasure_shop import GONE, TABLES, ErasureShop
from tests.engine.scenario import Scenario


@pytest.fixture
def shop(
    source: Cluster, target: Cluster, source_database: str, twin_database: str, tmp_path: Path
) -> ErasureShop:
    source.sql(source_database, TABLES)
    return ErasureShop(Scenario(tmp_path, source, source_database, target, twin_database))


def test_a_subject_is_in_no_copy_afterwards_and_in_no_later_one(shop: ErasureShop) -> None:
    shop.delivered()
    shop.delivered()
    others = {name: shop.rows_in(shop.scenario.target, name, "tag = 'other'") for name in shop.databases()}
    assert len(others) == 2
    # The subject is there, in every copy.
    assert len(shop.about_the_subject()) == 2 + len(shop.files())
    ended = shop.erasure("run", "--yes", "--reference", "REQ-17")
    assert ended.code == 0, ended.text
    assert "left to others" in ended.out
    assert shop.about_the_subject() == {}
    for name, counts in others.items():
        assert shop.rows_in(shop.scenario.target, name, "tag = 'other'") == counts
    checked = shop.erasure("verify", *[each["id"] for each in shop.listed()])
    assert checked.code == 0, checked.text
    # The source still has the subject: a run leaves it out, and says so.
    ended = shop.delivered()
    assert "about erased subjects: 15 rows" in ended.text
    assert shop.about_the_subject() == {}
    assert (
        shop.rows_in(shop.scenario.target, shop.scenario.twin, "tag = 'other'") == others[shop.scenario.twin]
    )
    assert shop.scenario.twin_rows("SELECT count(*) FROM customer WHERE referred_by IS NOT NULL") == [(0,)]
    assert shop.scenario.source_rows(f"SELECT count(*) FROM customer WHERE tag = '{GONE}'") == [(1,)]
    again = shop.erasure("run", "--yes")
    assert again.code == 0, again.text
    assert len(shop.listed()) == 1
