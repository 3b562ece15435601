"""Policy: what the customer forbids stays forbidden, on every way of asking."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from appliance.documents.problems import WrongDocumentError
from appliance.errors import RefusedError
from appliance.policy.policy import (
    Policy,
    Refusal,
    check_update,
    check_workflow,
    enforce,
    load_policy,
)
from appliance.releases.window import update_may_start
from appliance.workflow.catalog import Catalog
from appliance.workflow.matching.rules import match_rules
from tests.unit.example_documents import catalog, column, partition, table, workflow

SHOP = catalog(table("person", ["id", "ssn", "name"]), table("audit_log", ["id"]))

WHOLE_POLICY = """\
workflows_from_cloud: true
keep_from_cloud: ["public.*.id"]
snapshot_max_min: 120
min_interval_min: 60
max_parallel: 4
always_mask: ["*.*.ssn", "*.*.password*"]
never_copy: ["public.audit_*"]
read: [production]
write: [staging]
sql_from_cloud: false
destinations: []
updates: {channel: stable, pin: null, window: "Sat 02:00-05:00"}
"""


def refusals(
    policy: dict[str, Any], changes: dict[str, Any], *, origin: Any = "local", source: Catalog | None = None
) -> list[tuple[str, str]]:
    asked = workflow(**changes)
    matching = match_rules(asked, source) if source else None
    found = check_workflow(Policy.model_validate(policy), asked, matching, origin=origin)
    return [(each.rule, each.what) for each in found]


def test_a_whole_policy_is_read(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(WHOLE_POLICY)
    policy = load_policy(path)
    assert (policy.read, policy.write, policy.updates.window) == (
        ("production",),
        ("staging",),
        "Sat 02:00-05:00",
    )


def test_an_empty_policy_is_the_default_one_but_a_lost_one_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    with pytest.raises(WrongDocumentError, match="cannot be read"):
        load_policy(path)
    path.write_text("# nothing yet\n\n")
    assert load_policy(path) == load_policy(None) == Policy()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("alway_mask: []", "alway_mask: is not a known key (did you mean always_mask?)"),
        ("always_mask: [ssn]", "always_mask[0]: the pattern `ssn` has 1 part"),
        ("never_copy: ['public.a.b']", "never_copy[0]: the pattern `public.a.b` has 3 parts"),
        ("workflows_from_cloud: yes", "workflows_from_cloud: `yes` is not true or false"),
        ("sql_from_cloud: 1", "sql_from_cloud: `1` is not true or false"),
        ("read: production", "read: `production` is not a list"),
        ("updates: {window: Saturday}", "updates.window: `Saturday` is not an update window"),
        ("updates: {window: 'Sat 25:00-26:00'}", "updates.window: `Sat 25:00-26:00` is not an update window"),
    ],
)
def test_a_wrong_policy_is_refused_with_its_line(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(f"# ours\n{line}\n")
    with pytest.raises(WrongDocumentError) as caught:
        load_policy(path)
    assert f"policy.yaml:2: {problem}" in str(caught.value)


def test_without_a_policy_local_work_is_free_and_the_cloud_may_do_nothing() -> None:
    assert refusals({}, {}) == []
    assert [rule for rule, _ in refusals({}, {}, origin="cloud")] == ["read", "write", "workflows_from_cloud"]


def test_only_listed_connections_may_be_read_and_written_by_anyone() -> None:
    policy = {"read": ["production"], "write": ["staging"], "workflows_from_cloud": True}
    elsewhere = {
        "source": "hr",
        "deliver": [{"twin": {"connection": "staging"}}, {"twin": {"connection": "attic"}}],
    }
    for origin in ("local", "cloud"):
        assert refusals(policy, {}, origin=origin) == []
        assert refusals(policy, elsewhere, origin=origin) == [
            ("read", "The connection `hr` may not be read from."),
            ("write", "The connection `attic` may not be written to."),
        ]
    assert refusals({"read": [], "write": []}, {}) != []


def test_sql_from_the_cloud_needs_leave_and_local_sql_does_not() -> None:
    with_sql = {
        "rows": {
            "public.person": {"where": "id IN (SELECT id FROM crm.secret)"},
            "public.audit_log": {"last_days": 1, "by": "at"},
            "public.event": {"where": "kind <> 'debug' AND NOT (size BETWEEN 1 AND 2 OR note IS NULL)"},
        }
    }
    policy = {"workflows_from_cloud": True, "read": ["production"], "write": ["staging"]}
    assert refusals(policy, with_sql) == []
    assert refusals(policy, with_sql, origin="cloud") == [
        ("sql_from_cloud", "SQL from the cloud is not allowed here: rows of public.person (has a subquery).")
    ]
    assert refusals({**policy, "sql_from_cloud": True}, with_sql, origin="cloud") == []


@pytest.mark.parametrize("origin", ["local", "cloud"])
def test_files_need_leave_whoever_asks_for_them(origin: str) -> None:
    cloud = {"workflows_from_cloud": True, "read": ["production"], "write": ["staging"]}
    asked = {"deliver": [{"twin": {"connection": "staging"}}, {"files": {"format": "csv"}}]}
    said = ("destinations", "Files may not be exported here: destinations does not name `files`.")
    assert refusals(cloud, asked, origin=origin) == [said]
    assert refusals({**cloud, "destinations": ["s3://files"]}, asked, origin=origin) == [said]
    assert refusals({**cloud, "destinations": ["files"]}, asked, origin=origin) == []


def test_a_table_that_is_never_copied_may_not_be_selected_under_any_of_its_names() -> None:
    policy = {"never_copy": ["public.audit_*", "public.event"]}
    keep = {"keep": ["*.*.*"]}
    assert refusals(policy, keep, source=SHOP) == [
        ("never_copy", "The table public.audit_log may not be copied: public.audit_*.")
    ]
    parts = catalog(partition("event_2024", "event"), table("note"))
    assert [rule for rule, _ in refusals(policy, keep, source=parts)] == ["never_copy"]
    without = {"tables": {"include": ["*.*"], "exclude": ["public.audit_*"]}, **keep}
    assert refusals(policy, without, source=SHOP) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"keep": ["public.*.*"]}, "the workflow keeps it (public.*.*)"),
        ({"unlisted": "keep"}, "the workflow keeps it (unlisted: keep)"),
        ({"keep": ["public.*.id"]}, "nothing in the workflow masks it"),
    ],
)
def test_a_column_that_is_always_masked_may_be_neither_kept_nor_forgotten(
    changes: dict[str, Any], reason: str
) -> None:
    found = refusals({"always_mask": ["*.*.ssn"]}, changes, source=SHOP)
    assert found == [("always_mask", f"The column public.person.ssn must be masked (*.*.ssn); {reason}.")]


@pytest.mark.parametrize("changes", [{"masks": {"*.*.ssn": "hash"}, "keep": ["*.*.*"]}, {"unlisted": "null"}])
def test_any_mask_of_a_local_author_satisfies_the_policy(changes: dict[str, Any]) -> None:
    assert refusals({"always_mask": ["*.*.ssn"]}, changes, source=SHOP) == []


def test_a_partition_is_protected_by_a_pattern_for_what_is_above_it() -> None:
    parts = catalog(
        table("event", ["ssn"], kind="partitioned"),
        partition("event_2024_01", "event", ["ssn"], ancestors=(("public", "event_2024"),)),
    )
    for pattern in ("public.event.ssn", "public.event_2024.ssn", "public.event_2024_01.ssn"):
        found = refusals({"always_mask": [pattern]}, {"keep": ["*.*.*"]}, source=parts)
        assert [rule for rule, _ in found] == ["always_mask"]


@pytest.mark.parametrize(
    ("computed_from", "masks", "refused"),
    [
        (("ssn",), {"*.*.ssn": "hash"}, False),
        (("tax_id",), {"*.*.ssn": "hash"}, True),
        (("ssn", "tax_id"), {"*.*.ssn": "hash"}, True),
        ((), {"*.*.ssn": "hash"}, False),
        (None, {"*.*.ssn": "hash"}, True),
    ],
)
def test_a_generated_column_is_masked_if_all_it_is_computed_from_is(
    computed_from: tuple[str, ...] | None, masks: dict[str, str], refused: bool
) -> None:
    last4 = column("ssn_last4", generated=True, generated_from=computed_from)
    source = catalog(table("person", ["ssn", "tax_id", last4]))
    policy = {"always_mask": ["*.*.ssn_last4"]}
    found = refusals(policy, {"masks": masks, "keep": ["*.*.tax_id"]}, source=source)
    assert bool(found) is refused


@pytest.mark.parametrize(
    ("mask", "refused"),
    [
        ("hash", False),
        ("null", False),
        ({"mask": "phone", "keep_prefix": 0}, False),
        ({"mask": "phone", "keep_prefix": 30}, True),
        ({"mask": "constant", "value": "x", "keep_null": True}, False),
        ({"mask": "partial", "keep_first": 1}, True),
        ("partial", True),
        ("text_scrub", True),
        ({"mask": "json", "path": "$.nothing"}, True),
        ({"mask": "number_noise", "percent": 0}, True),
        ({"mask": "date_shift", "days": 0}, True),
        ("a_mask_of_tomorrow", True),
    ],
)
def test_the_cloud_cannot_mask_an_always_masked_column_with_something_that_changes_nothing(
    mask: object, refused: bool
) -> None:
    policy = {
        "always_mask": ["*.*.ssn"],
        "workflows_from_cloud": True,
        "keep_from_cloud": ["*.*.*"],
        "read": ["production"],
        "write": ["staging"],
    }
    changes = {"masks": {"*.*.ssn": mask}, "keep": ["*.*.*"]}
    found = refusals(policy, changes, origin="cloud", source=SHOP)
    assert [rule for rule, _ in found] == (["always_mask"] if refused else [])


def test_the_cloud_cannot_choose_rows_by_a_column_that_is_always_masked() -> None:
    source = catalog(table("person", ["id", column("born", "date"), column("seen", "date")]))
    policy = {
        "always_mask": ["*.*.born"],
        "workflows_from_cloud": True,
        "keep_from_cloud": ["*.*.*"],
        "read": ["production"],
        "write": ["staging"],
    }

    def asked(by: str, origin: str) -> list[tuple[str, str]]:
        rows = {"public.*": {"last_days": 6574, "by": by}}
        changes = {"masks": {"*.*.born": "null"}, "keep": ["*.*.*"], "rows": rows}
        return refusals(policy, changes, origin=origin, source=source)

    what = "The column public.person.born must be masked (*.*.born), so the cloud may not choose rows by it."
    assert asked("born", "cloud") == [("always_mask", what)]
    assert asked("seen", "cloud") == asked("born", "local") == []


def test_a_refusal_names_every_rule_and_exits_with_3() -> None:
    enforce(())
    with pytest.raises(RefusedError) as caught:
        enforce((Refusal("read", "No reading."), Refusal("write", "No writing.")))
    assert caught.value.exit_code == 3
    assert caught.value.rule == "read"
    assert caught.value.what == "No reading. (policy rule read)\nNo writing. (policy rule write)"


def test_every_key_of_the_policy_is_described_with_an_example() -> None:
    schema = Policy.model_json_schema()
    for model in (schema, *schema["$defs"].values()):
        for name, described in model["properties"].items():
            assert described.get("description"), name
            assert described.get("examples"), name


@pytest.mark.parametrize(
    ("window", "moment", "may"),
    [
        (None, "2026-01-05 12:00", True),
        ("02:00-05:00", "2026-01-05 02:00", True),
        ("02:00-05:00", "2026-01-05 05:00", False),
        ("Sat 02:00-05:00", "2026-01-03 03:00", True),
        ("Sat 02:00-05:00", "2026-01-04 03:00", False),
        ("Sat 23:00-02:00", "2026-01-03 23:30", True),
        ("Sat 23:00-02:00", "2026-01-04 01:59", True),
        ("Sat 23:00-02:00", "2026-01-03 01:00", False),
        ("Sat 23:00-02:00", "2026-01-04 23:30", False),
        ("22:00-06:00", "2026-01-05 12:00", False),
    ],
)
def test_an_update_starts_only_within_its_window(window: str | None, moment: str, may: bool) -> None:
    policy = Policy.model_validate({"updates": {"window": window}})
    assert update_may_start(policy, datetime.fromisoformat(moment)) is may


@pytest.mark.parametrize("version", ["v2.0", "latest", "1:2.0", "2.0~rc1", "2_0", "2.0/..", ""])
def test_a_version_that_no_release_can_have_is_refused_on_every_channel(version: str) -> None:
    """The updater could not make anything of it, and the wish would wait for ever."""
    for updates in ({}, {"channel": "edge"}, {"pin": version or None}):
        (refusal,) = check_update(Policy.model_validate({"updates": updates}), version)
        assert "names no release: versions begin with a digit" in refusal.what
    assert check_update(Policy.model_validate({"updates": {"channel": "edge"}}), "2.0.0rc1") == ()
