"""The columns screen says that there is more in a source than it can list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from appliance.contract.catalog import ReportedTable
from appliance.dashboard.pages.editing.columns import ColumnsPart, columns_html
from appliance.dashboard.store.appliances.catalogs import SourceCatalog
from appliance.dashboard.web.columns import Asked, screen
from appliance.dashboard.web.sources import Place, Sources
from tests.dashboard.catalogs import column, table

DECIDED: dict[str, Any] = {
    "id": "twin",
    "source": "production",
    "tables": {"include": ["public.*"]},
    "keep": ["*.*.*"],
    "deliver": [{"twin": {"connection": "staging"}}],
}
EVERYTHING = "Every column is masked, kept or computed."


def shown(tables: Sequence[ReportedTable], total: int, **decided: Any) -> str:
    source = SourceCatalog("a" * 36, "production", 0.0, tuple(tables), total)
    asked = Asked()
    place = Place("a" * 36, "clinic", "production", shares=True, scanned_at=1.0, request=None)
    sources = Sources(("production",), (place,), place, source, 0.0)
    return columns_html(ColumnsPart(sources, screen(DECIDED | decided, source, asked), asked))


def test_where_all_is_reported_and_decided_it_says_so() -> None:
    html = shown([table("lead", column("source"))], 1)
    assert EVERYTHING in html and "Not in this list" not in html


@pytest.mark.parametrize(
    ("unnamed", "total", "said"),
    [(2, 1, "2 columns of the tables below"), (0, 3, "2 tables."), (1, 2, "1 table and 1 column")],
)
def test_what_is_not_in_the_list_is_counted_and_never_called_decided(
    unnamed: int, total: int, said: str
) -> None:
    html = shown([table("lead", column("source"), unnamed=unnamed)], total)
    assert f"Not in this list: {said}" in " ".join(html.split())
    assert EVERYTHING not in html


def test_a_mask_that_draws_from_a_subject_says_whose() -> None:
    tables = [
        table("customer", column("name")),
        table("lead", column("customer_id", "integer"), column("name")),
    ]
    subjects = {"customer": {"table": "public.customer", "key": "id", "also": ["public.lead.customer_id"]}}
    html = shown(tables, 2, masks={"public.*.name": "full_name"}, subjects=subjects)
    assert "of <code>customer by id</code>" in html and "of <code>customer by customer_id</code>" in html
    wrong = {"customer": {"table": "public.customer", "key": "name"}}
    html = shown(tables, 2, masks={"public.*.name": "full_name"}, subjects=wrong)
    assert "subjects.customer.key: public.customer (name) is not unique" in html
