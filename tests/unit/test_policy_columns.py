"""Columns that may not leave, whatever they are called, whatever else holds them, whatever a mask leaves."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.policy.policy import Policy, check_workflow, notices
from appliance.workflow.catalog import Catalog, ForeignKey, ViewColumn
from appliance.workflow.matching.folded_patterns import folded_pattern
from appliance.workflow.matching.kept import Kept, kept_columns, not_covered
from appliance.workflow.matching.rules import match_rules
from tests.unit.example_documents import catalog, column, partition, table, workflow

FROM_CLOUD = {"workflows_from_cloud": True, "read": ["production"], "write": ["staging"]}
PERSON = catalog(table("person", ["id", "ssn", "phone"]))


def refused(
    source: Catalog, policy: dict[str, Any], *, origin: Any = "local", approved: Any = (), **changes: Any
) -> list[tuple[str, str]]:
    asked = workflow(**{"keep": ["*.*.*"], **changes})
    found = check_workflow(
        Policy.model_validate(FROM_CLOUD | policy),
        asked,
        match_rules(asked, source),
        origin=origin,
        catalog=source,
        approved=approved,
    )
    return [(each.rule, each.what) for each in found]


@pytest.mark.parametrize(
    "name", ["ssn", "SSN", "Ssn", "ssn ", " ssn", "ssn\u00a0", "\uff53\uff53\uff4e", "s\u200bsn", "s\u00adsn"]
)
def test_a_column_is_always_masked_however_its_name_is_written(name: str) -> None:
    source = catalog(table("person", ["id", name]))
    for pattern in ("*.*.ssn", '*.*."SSN "', "*.*.s*n", "PUBLIC.Person.ssn"):
        assert [rule for rule, _ in refused(source, {"always_mask": [pattern]})] == ["always_mask"]
    assert refused(source, {"always_mask": ["*.*.ssn2"]}) == []


@pytest.mark.parametrize("name", ["audit_log", "Audit_Log", "audit_log ", "\uff41udit_log"])
def test_a_table_is_never_copied_however_its_name_is_written(name: str) -> None:
    source = catalog(table(name), table("note"))
    assert [rule for rule, _ in refused(source, {"never_copy": ["public.AUDIT_*"]})] == ["never_copy"]


def test_a_pattern_holds_exactly_for_what_it_names() -> None:
    for pattern, name, matches in (
        ("*.*.pass*", "passport", True),
        ("*.*.pass*", "bypass", False),
        ('*.*."a b"', "a b", True),
        ('*.*."a b"', "ab", False),
        ("*.*.straße", "STRASSE", True),
        ("*.*.name", "name_2", False),
    ):
        assert folded_pattern(pattern, 3).matches("public", "person", name) is matches


def inherits(name: str, *of: str, columns: tuple[str, ...] = ("id", "ssn")) -> Any:
    above = [{"schema_name": "public", "name": each, "distance": 1} for each in of]
    return table(name, [column(each, inherited_from=above) for each in columns])


@pytest.mark.parametrize("named", ["person", "employee"])
def test_a_pattern_for_a_table_holds_for_what_inherits_from_it_and_the_reverse(named: str) -> None:
    source = catalog(table("person", ["id", "ssn"]), inherits("employee", "person"), table("other", ["ssn"]))
    found = refused(source, {"always_mask": [f"public.{named}.ssn"]})
    assert [what.split()[2] for _, what in found] == ["public.person.ssn", "public.employee.ssn"]


def test_a_table_that_inherits_from_one_that_is_never_copied_is_not_copied_either() -> None:
    source = catalog(table("person"), inherits("employee", "person"))
    without = {"tables": {"include": ["*.*"], "exclude": ["public.person"]}}
    found = refused(source, {"never_copy": ["public.person"]}, **without)
    assert [rule for rule, _ in found] == ["never_copy"]


def test_both_ends_of_a_foreign_key_are_always_masked() -> None:
    key = ForeignKey(
        name="k", columns=("holder",), to_schema="public", to_table="person", to_columns=("ssn",)
    )
    source = catalog(table("person", ["ssn"]), table("card", ["holder"], foreign_keys=(key,)))
    always = {"always_mask": ["*.*.ssn"]}
    assert refused(source, always, masks={"public.person.ssn": "hash"}) == []
    found = refused(source, always, masks={"public.person.ssn": "hash"}, keep=["public.card.holder"])
    assert [what.split()[2] for _, what in found] == ["public.card.holder"]


def test_a_pattern_for_a_views_column_holds_for_the_tables_column_that_it_shows() -> None:
    shown = ViewColumn(
        schema_name="report", view_name="people", name="SSN", reads=(("public", "person", "ssn"),)
    )
    renamed = shown.model_copy(update={"name": "tax_number"})
    source = PERSON.model_copy(update={"view_columns": (shown, renamed)})
    assert [what.split()[2] for _, what in refused(source, {"always_mask": ["report.*.ssn"]})] == [
        "public.person.ssn"
    ]
    assert refused(source, {"always_mask": ["*.*.tax_number"]}) == []
    (said,) = notices(Policy(always_mask=("*.*.tax_number",)), source)
    assert "report.people" in said and "public.person.ssn" in said


def test_a_prohibition_that_matches_nothing_is_named() -> None:
    policy = Policy(always_mask=("*.*.snn", "*.*.SSN"), never_copy=("public.adit_*", "public.PERSON"))
    found = notices(policy, PERSON)
    assert [line.split("pattern ")[1].split()[0] for line in found] == ["*.*.snn", "public.adit_*"]


def test_the_cloud_keeps_nothing_that_the_owner_has_not_allowed() -> None:
    ((rule, what),) = refused(PERSON, {}, origin="cloud")
    assert rule == "keep_from_cloud"
    for name in ("public.person.id", "public.person.ssn", "appliance workflow approve twin"):
        assert name in what
    assert refused(PERSON, {}) == [], "a user who may write here may keep"
    assert refused(PERSON, {"keep_from_cloud": ["*.*.*"]}, origin="cloud") == []
    ((_, what),) = refused(PERSON, {"keep_from_cloud": ["*.*.id", "*.*.PHONE"]}, origin="cloud")
    assert "2 columns" in what and "public.person.id" not in what, "allowing is exact"


def test_what_is_approved_is_columns_so_that_tomorrows_column_waits() -> None:
    approved = ("public.person.id", "public.person.ssn", "public.person.phone")
    assert refused(PERSON, {}, origin="cloud", approved=approved) == []
    grown = catalog(table("person", ["id", "ssn", "phone", "religion"]))
    ((rule, what),) = refused(grown, {}, origin="cloud", approved=approved)
    assert rule == "keep_from_cloud" and "1 column would be kept" in what and "religion" in what


def test_tomorrows_partition_of_what_is_approved_is_no_news() -> None:
    event = table("event", ["id", "kind"], kind="partitioned")
    first = partition("event_1", "event", ["id", "kind"])
    second = partition("event_2", "event", ["id", "kind"])
    kept = kept_columns(match_rules(workflow(keep=["*.*.*"]), catalog(event, first)))
    assert [each.text for each in kept] == ["public.event.id", "public.event.kind"]
    approved = tuple(each.text for each in kept)
    assert refused(catalog(event, first, second), {}, origin="cloud", approved=approved) == []
    one = {"masks": {"public.event_2.kind": "null"}}
    assert refused(catalog(event, first, second), {}, origin="cloud", approved=approved, **one) == []
    of_one = ("public.event.id", "public.event_1.kind")
    assert refused(catalog(event, first, second), {}, origin="cloud", approved=of_one, **one) == []
    assert refused(catalog(event, first, second), {}, origin="cloud", approved=of_one) != []


def test_unlisted_keep_from_the_cloud_is_refused_whatever_is_allowed() -> None:
    changes = {"keep": [], "unlisted": "keep"}
    found = refused(PERSON, {"keep_from_cloud": ["*.*.*"]}, origin="cloud", **changes)
    assert [rule for rule, _ in found] == ["keep_from_cloud"]
    assert refused(PERSON, {}, **changes) == []


@pytest.mark.parametrize(
    ("mask", "keeps"),
    [
        ("phone", False),
        ({"mask": "phone", "keep_prefix": 30}, True),
        ({"mask": "partial", "keep_first": 100}, True),
        ("text_scrub", True),
        ({"mask": "json", "paths": {"a": "null"}}, True),
        ({"mask": "number_noise", "percent": 0.001}, True),
        ({"mask": "constant", "value": "x"}, False),
        ("null", False),
    ],
)
def test_a_mask_that_leaves_parts_of_a_value_keeps_them(mask: object, keeps: bool) -> None:
    changes = {"keep": ["*.*.id", "*.*.ssn"], "masks": {"*.*.phone": mask}}
    allowed = {"keep_from_cloud": ["*.*.id", "*.*.ssn"]}
    found = refused(PERSON, allowed, origin="cloud", **changes)
    assert [rule for rule, _ in found] == (["keep_from_cloud"] if keeps else [])
    if keeps:
        assert "public.person.phone {" in found[0][1]


def test_another_parameter_of_an_approved_mask_keeps_something_new() -> None:
    def keeping(prefix: int) -> dict[str, Any]:
        return {"keep": [], "masks": {"*.*.*": {"mask": "phone", "keep_prefix": prefix}}}

    source = catalog(table("person", ["phone"]))
    approved = [each.text for each in kept_columns(match_rules(workflow(**keeping(3)), source))]
    assert refused(source, {}, origin="cloud", approved=approved, **keeping(3)) == []
    assert refused(source, {}, origin="cloud", approved=approved, **keeping(4)) != []
    assert refused(source, {}, origin="cloud", approved=["public.person.phone"], **keeping(4)) == []


def test_a_generated_column_is_not_hidden_by_a_mask_of_the_clouds_that_leaves_parts() -> None:
    last4 = column("last4", generated=True, generated_from=("ssn",))
    source = catalog(table("person", ["ssn", last4]))
    policy = {"always_mask": ["*.*.last4"], "keep_from_cloud": ["*.*.*"]}
    changes = {"keep": [], "masks": {"*.*.ssn": "text_scrub"}}
    assert [rule for rule, _ in refused(source, policy, origin="cloud", **changes)] == ["always_mask"]
    assert refused(source, policy, **changes) == []


@pytest.mark.parametrize(
    ("pattern", "allowed", "covered"),
    [
        ("public.person.id", "*.*.id", True),
        ("public.*.id", "public.*.*", True),
        ("*.*.id", "public.*.id", False),
        ("public.*.*_id", "*.*.*_id", True),
        ("public.*.*id", "*.*.*_id", False),
        ('public."*".id', "public.*.id", True),
        ("public.*.id", 'public."*".id', False),
    ],
)
def test_a_pattern_is_allowed_if_all_that_it_could_match_is(
    pattern: str, allowed: str, covered: bool
) -> None:
    assert (not_covered([Kept(pattern)], [allowed]) == ()) is covered


def test_a_name_that_shows_the_sex_is_no_way_around_what_is_masked() -> None:
    source = catalog(table("person", ["id", "first_name", "sex"]))
    names = {"mask": "first_name", "locale": "en_US", "gender_column": "sex"}
    asked = {"keep": ["*.*.id"], "masks": {"public.person.sex": "null", "public.person.first_name": names}}
    policy = {"always_mask": ["*.*.sex"], "keep_from_cloud": ["*.*.id"]}
    found = [rule for rule, _ in refused(source, policy, origin="cloud", **asked)]
    assert found == ["always_mask", "keep_from_cloud"]
    assert refused(source, policy, **asked) == []
