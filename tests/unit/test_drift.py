"""What has changed since the last run, and which line of the workflow caught it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.workflow.catalog import Catalog
from appliance.workflow.drift import Drift, DriftItem, FormerCatalog, drift, drift_notes, shape_of_catalog
from appliance.workflow.matching.rules import match_rules
from tests.unit.example_documents import catalog, column, partition, table, workflow

WORKFLOW = workflow(
    tables={"include": ["public.*"], "exclude": ["public.audit_*"]},
    masks={"public.*.email": "email"},
    keep=["public.*.id"],
    rows={},
    unlisted="halt",
)
TABLES = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.dictionaries(st.sampled_from(["id", "email", "note"]), st.sampled_from(["text", "integer"])),
    max_size=3,
)


def changed(before: Catalog, now: Catalog) -> dict[tuple[str, str, str], DriftItem]:
    former = FormerCatalog(run_id="last", shape=shape_of_catalog(before))
    found = drift(former, now, match_rules(WORKFLOW, now))
    assert found.since == "last"
    return {(item.change, item.table, item.name): item for item in found.items}


def test_each_new_column_says_what_caught_it() -> None:
    before = catalog(table("person", ["id"]))
    now = catalog(table("person", ["id", "email", "nickname"]), table("audit_log", ["id"]))
    items = changed(before, now)
    assert items["added", "person", "email"].outcome == "masked"
    assert items["added", "person", "email"].decision == "masked with email by the pattern public.*.email"
    assert items["added", "person", "nickname"].outcome == "halted"
    assert items["added", "audit_log", ""].outcome == "not selected"
    assert len(items) == 3


def test_types_tables_and_constraints() -> None:
    before = catalog(table("person", [column("id", "integer")], unique_keys=(("id",),)), table("old"))
    now = catalog(table("person", [column("id", "bigint")]), table("fresh"))
    items = changed(before, now)
    assert items["changed", "person", "id"].text.startswith(
        "type public.person.id (integer → bigint) changed"
    )
    assert items["gone", "old", ""].outcome == "gone"
    assert items["added", "fresh", ""].outcome == "kept"
    assert items["gone", "person", "UNIQUE (id)"].kind == "constraint"


def test_a_new_partition_is_no_news() -> None:
    root = table("visit", ["id"], kind="partitioned")
    before = catalog(root, partition("visit_1", "visit"))
    assert changed(before, catalog(root, partition("visit_1", "visit"), partition("visit_2", "visit"))) == {}


@given(TABLES, TABLES)
def test_what_is_added_one_way_is_gone_the_other(
    one: dict[str, dict[str, str]], other: dict[str, dict[str, str]]
) -> None:
    first, second = (
        catalog(
            *(
                table(name, [column(each, kind) for each, kind in columns.items()])
                for name, columns in tables.items()
            )
        )
        for tables in (one, other)
    )
    there, back = changed(first, second), changed(second, first)
    added = {key[1:] for key in there if key[0] == "added" and key[1] in one and key[2]}
    assert added == {key[1:] for key in back if key[0] == "gone" and key[1] in one and key[2]}
    assert changed(first, first) == {}


def test_without_a_former_run_nothing_is_said() -> None:
    now = catalog(table("person", ["id"]))
    assert drift(None, now, match_rules(WORKFLOW, now)) == Drift()
    assert drift_notes(Drift()) == []
