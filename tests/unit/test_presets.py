"""Presets: which rule wins, where they are found, what they change about approvals, every way to be wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from appliance.cli.workflows import preset as preset_commands
from appliance.cli.workflows import workflow as workflow_commands
from appliance.dashboard.widening import widening
from appliance.documents.problems import WrongDocumentError
from appliance.masking.registry import parameter_models
from appliance.orchestration.workflow_files import read_workflow_files
from appliance.policy.approvals import Approval, Choice, waits_for_owner
from appliance.workflow.document import Workflow
from appliance.workflow.loading import document_yaml, load_workflow, parse_workflow
from appliance.workflow.mask_check import check_masks
from appliance.workflow.matching.rules import Keep, Matching, Rule, Uncovered, match_rules
from tests.unit.example_documents import catalog, table, workflow
from tests.unit.test_matching_references import key

SHOP = catalog(table("customer", ["id", "email", "phone", "note"]), table("track", ["id", "title"]))


def preset(name: str = "company-pii", **rules: Any) -> dict[str, Any]:
    return {"name": name, **rules}


def used(*presets: dict[str, Any], **changes: Any) -> Workflow:
    return workflow(**{"tables": {"include": ["public.customer"]}, "use": list(presets), **changes})


def decided(matching: Matching) -> dict[str, str]:
    assert [problem.text() for problem in matching.problems] == []
    said = {}
    for selected in matching.tables:
        for column, decision in selected.columns:
            match decision:
                case Rule(mask=mask, preset=preset):
                    said[column.name] = f"{mask.mask} by {preset.name if preset else 'own'}"
                case Keep(preset=preset):
                    said[column.name] = f"keep by {preset.name if preset else 'own'}"
                case _:
                    said[column.name] = type(decision).__name__
    return said


def test_what_the_workflow_says_itself_wins_over_a_preset_however_specific() -> None:
    matching = match_rules(
        used(
            preset(masks={"public.customer.email": "email", "*.*.phone": "phone"}, keep=["*.*.id"]),
            masks={"*.*.email": "hash"},
            keep=["*.*.note"],
        ),
        SHOP,
    )
    assert decided(matching) == {
        "id": "keep by company-pii",
        "email": "hash by own",
        "phone": "phone by company-pii",
        "note": "keep by own",
    }


def test_of_two_presets_that_which_is_named_first_wins() -> None:
    one = preset("one", masks={"*.*.email": "email"}, keep=["*.*.phone"])
    two = preset("two", masks={"public.customer.email": "hash", "*.*.phone": "phone"}, keep=["*.*.id"])
    rest = {"masks": {"*.*.note": "text_scrub"}}
    assert decided(match_rules(used(one, two, **rest), SHOP)) == {
        "id": "keep by two", "email": "email by one", "phone": "keep by one", "note": "text_scrub by own",
    }  # fmt: skip
    assert decided(match_rules(used(two, one, **rest), SHOP)) == {
        "id": "keep by two", "email": "hash by two", "phone": "phone by two", "note": "text_scrub by own",
    }  # fmt: skip


def test_what_is_kept_by_a_wildcard_gives_way_to_a_mask_of_a_preset_and_what_is_named_does_not() -> None:
    pii = preset(masks={"*.*.email": "email", "*.*.phone": "phone"})
    by_wildcard = decided(match_rules(used(pii, keep=["public.customer.*"]), SHOP))
    assert by_wildcard == {
        "id": "keep by own", "email": "email by company-pii", "phone": "phone by company-pii",
        "note": "keep by own",
    }  # fmt: skip
    named = decided(match_rules(used(pii, keep=["public.customer.*", "*.*.email"]), SHOP))
    assert named["email"] == "keep by own"


def test_a_preset_that_matches_nothing_is_a_notice_and_one_of_its_patterns_nothing_at_all() -> None:
    idle, busy = preset("idle", masks={"*.*.iban": "iban"}), preset("busy", masks={"*.*.email": "email"})
    busy["keep"] = ["*.*.id", "hr.*.salary"]
    matching = match_rules(used(idle, busy, keep=["*.*.phone", "*.*.note"]), SHOP)
    assert matching.problems == ()
    assert matching.notices == ("use: no rule of the preset idle matches a column that is copied.",)


def test_two_rules_of_one_preset_with_the_same_right_are_an_error_at_their_place_in_it() -> None:
    tied = preset(masks={"*.cust*.email": "email", "*.*omer.email": "hash"})
    problems = match_rules(used(tied, keep=["*.*.id", "*.*.phone", "*.*.note"]), SHOP).problems
    assert [problem.path[:3] for problem in problems] == [("use", 0, "masks")]


def test_a_mask_of_the_workflow_is_followed_whatever_a_preset_says_of_the_column_that_refers() -> None:
    customer = table("customer", ["id"])
    refers = key("orders_customer", "customer_id", "customer", "id")
    orders = table("orders", ["id", "customer_id"], foreign_keys=(refers,))
    rules = preset(masks={"*.*.customer_id": "hash"}, keep=["public.orders.id"])
    both = used(rules, masks={"public.customer.id": "number_key"}, tables={"include": ["public.*"]})
    matching = match_rules(both, catalog(customer, orders))
    assert matching.problems == ()
    (selected,) = [each for each in matching.tables if each.table.name == "orders"]
    decision = {column.name: each for column, each in selected.columns}["customer_id"]
    assert isinstance(decision, Rule)
    assert (decision.mask.mask, decision.preset) == ("number_key", None)


def test_what_no_preset_covers_still_stops_the_run() -> None:
    matching = match_rules(used(preset(masks={"*.*.email": "email"}), keep=["*.*.id", "*.*.phone"]), SHOP)
    assert [column.name for _, column in matching.uncovered] == ["note"]
    assert decided(matching)["note"] == Uncovered.__name__


@given(
    own=st.dictionaries(st.sampled_from(["*.*.email", "public.customer.email", "*.*.*"]), st.just("hash")),
    first=st.sampled_from(["*.*.email", "public.customer.email", "*.customer.*", "*.*.phone"]),
)
def test_any_rule_of_the_workflow_beats_any_of_a_preset(own: dict[str, str], first: str) -> None:
    matching = match_rules(used(preset(masks={first: "email"}), masks=own, unlisted="keep"), SHOP)
    said = {column.name: each for selected in matching.tables for column, each in selected.columns}
    decision = said["email"]
    if own:
        assert isinstance(decision, Rule)
        assert decision.preset is None
        assert decision.mask.mask == "hash"
    elif first != "*.*.phone":
        assert isinstance(decision, Rule)
        assert decision.preset is not None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "presets").mkdir()
    (tmp_path / "shop.yaml").write_text(
        "id: shop\nsource: production\ntables: {include: ['public.*']}\nuse:\n  - company-pii\n"
        "deliver: [{twin: {connection: staging}}]\n"
    )
    write(tmp_path, "company-pii", "masks:\n  '*.*.email': email\nkeep: ['*.*.id']\n")
    return tmp_path


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / "presets" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(f"name: {name}\n{text}")
    return path


def test_a_workflow_has_the_rules_of_its_presets_once_it_is_read(folder: Path) -> None:
    loaded = load_workflow(folder / "shop.yaml")
    (found,) = loaded.workflow.presets
    assert found.name == "company-pii"
    assert found.is_of_file
    assert list(found.masks) == ["*.*.email"]
    assert loaded.document.data["use"][0]["masks"] == {"*.*.email": "email"}
    assert loaded.as_written.data["use"] == ["company-pii"]


def test_a_resolved_workflow_needs_no_preset_any_more(folder: Path) -> None:
    workflow = load_workflow(folder / "shop.yaml").workflow
    assert Workflow.model_validate_json(workflow.model_dump_json()) == workflow
    number_three = workflow.presets[0].model_copy(update={"version": "3"})
    text = document_yaml(
        workflow.model_copy(update={"use": (number_three,)}).model_dump(mode="json", exclude_unset=True)
    )
    assert parse_workflow(text, "sent").workflow.presets[0].said == "company-pii 3"


def test_the_version_of_a_file_changes_with_its_rules(folder: Path) -> None:
    before = load_workflow(folder / "shop.yaml").workflow.presets[0].version
    write(folder, "company-pii", "# a remark\nmasks:\n  '*.*.email': email\nkeep: ['*.*.id']\n")
    assert load_workflow(folder / "shop.yaml").workflow.presets[0].version == before
    write(folder, "company-pii", "masks:\n  '*.*.email': hash\nkeep: ['*.*.id']\n")
    assert load_workflow(folder / "shop.yaml").workflow.presets[0].version != before


def test_a_file_beside_the_workflow_comes_before_the_appliances_own(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "etc", "company-pii", "masks: {'*.*.email': 'null'}\n")
    write(tmp_path / "etc", "other", "masks: {'*.*.phone': phone}\n")
    (folder / "shop.yaml").write_text(
        (folder / "shop.yaml").read_text().replace("  - company-pii\n", "  - company-pii\n  - other\n")
    )
    first, other = load_workflow(folder / "shop.yaml", tmp_path / "etc").workflow.presets
    assert first.masks["*.*.email"].mask == "email"
    assert other.name == "other"


def test_a_file_wins_over_the_preset_of_its_name_that_a_document_brings_along(folder: Path) -> None:
    brought = {"name": "company-pii", "version": "7", "masks": {"*.*.email": "hash"}}
    document = {
        "id": "shop",
        "source": "production",
        "tables": {"include": ["public.*"]},
        "use": [brought],
        "deliver": [{"twin": {"connection": "staging"}}],
    }
    (folder / "sent.json").write_text(json.dumps(document))
    (mine,) = load_workflow(folder / "sent.json").workflow.presets
    assert (mine.is_of_file, mine.masks["*.*.email"].mask) == (True, "email")
    (folder / "presets" / "company-pii.yaml").unlink()
    (theirs,) = load_workflow(folder / "sent.json").workflow.presets
    assert theirs.said == "company-pii 7"
    brought["version"] = mine.version or ""
    (folder / "sent.json").write_text(json.dumps(document))
    with pytest.raises(WrongDocumentError, match="says that it is the file"):
        load_workflow(folder / "sent.json")


def validate(file: Path) -> tuple[int, list[str]]:
    result = CliRunner().invoke(workflow_commands.app, ["validate", str(file)], catch_exceptions=False)
    return result.exit_code, result.stderr.splitlines()


def test_a_preset_that_is_not_there_is_an_error_with_line_and_key_path(folder: Path) -> None:
    (folder / "shop.yaml").write_text(
        (folder / "shop.yaml").read_text().replace("- company-pii", "- company-pi")
    )
    code, lines = validate(folder / "shop.yaml")
    assert code == 2
    (line,) = lines
    assert line.startswith(
        f"{folder / 'shop.yaml'}:5: use[0]: there is no preset `company-pi` here (did you mean company-pii?);"
        f" expected the file {folder / 'presets' / 'company-pi.yaml'}"
    )


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("masks:\n  '*.*.email': emial\n", '3: use[0].masks."*.*.email": there is no mask `emial`'),
        ("masks:\n  '*.*.email': {mask: phone, keep_prefx: 3}\n", "keep_prefx: is not a known key"),
        ("masks:\n  '*.*.email':\n", '3: masks."*.*.email": has no value'),
        ("masks:\n  'email': email\n", "3: masks.email: the pattern `email`"),
        ("use: [other]\n", "2: use: is not a known key"),
        ("version: '3'\n", "2: version: is not a known key"),
        ("keep: ['*.*.id']\nkeep: ['*.*.x']\n", "3: keep: "),
        ("masks:\n  '*.*.a': [{when: \"a = (SELECT 1)\", mask: keep}, email]\n", "[0].when: "),
    ],
)
def test_what_is_wrong_in_a_preset_is_said_with_its_own_file_and_line(
    folder: Path, rules: str, expected: str
) -> None:
    file = write(folder, "company-pii", rules)
    code, lines = validate(folder / "shop.yaml")
    assert code == 2
    (line,) = lines
    assert line.startswith(f"{file}:")
    assert expected in line


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        ("company-pii", "use: `company-pii` is not a list"),
        ("[company-pii, company-pii]", "uses the preset company-pii twice"),
        ("[3]", "use[0]: `3` is not a preset"),
        ("[Company PII]", "use[0]: there is no preset `Company PII` here"),
        ("[../../etc/passwd]", "use[0]: there is no preset"),
    ],
)
def test_what_is_no_list_of_presets_is_refused(folder: Path, use: str, expected: str) -> None:
    text = (folder / "shop.yaml").read_text().replace("use:\n  - company-pii\n", f"use: {use}\n")
    (folder / "shop.yaml").write_text(text)
    code, lines = validate(folder / "shop.yaml")
    assert code == 2
    assert any(expected in line for line in lines)


def test_a_file_that_has_another_name_inside_is_refused(folder: Path) -> None:
    (folder / "presets" / "company-pii.yaml").write_text("name: other\nmasks: {}\n")
    _, (line,) = validate(folder / "shop.yaml")
    assert "name: the preset is called `other`, and its file company-pii" in line


def test_masks_of_presets_that_came_with_a_document_are_checked_too() -> None:
    sent = used(preset(masks={"*.*.email": "emial"}))
    loaded = parse_workflow(document_yaml(sent.model_dump(mode="json", exclude_unset=True)), "sent")
    (problem,) = check_masks(loaded.document, parameter_models())
    assert problem.path == ("use", 0, "masks", "*.*.email")


def approved(of: Workflow) -> Approval:
    return Approval.model_validate(
        {
            "workflow": of.id,
            "choice": Choice.of(of),
            "columns": [],
            "approved_at": "2026-01-01T00:00:00Z",
            "approved_by": "owner",
        }
    )


@pytest.mark.parametrize(
    ("before", "after", "waits"),
    [
        (preset(keep=["*.*.id"]), preset(keep=["*.*.id"]), False),
        (preset(keep=["*.*.id"]), preset(keep=["*.*.id", "*.*.email"]), True),
        (preset(keep=["*.*.id"]), preset(keep=["*.*.id"], masks={"*.*.email": "email"}), False),
        (preset(keep=["*.*.id"], masks={"*.*.email": "email"}), preset(keep=["*.*.id"]), True),
        (preset("one", keep=["*.*.id"]), preset("two", keep=["*.*.id"]), True),
    ],
)
def test_a_preset_that_keeps_more_waits_for_the_owner_again(
    before: dict[str, Any], after: dict[str, Any], waits: bool
) -> None:
    was, now = used(before), used(after)
    assert bool(waits_for_owner(now, (), approved(was))) is waits
    assert bool(widening(was, now)) is waits


def test_a_rule_that_moves_from_the_workflow_to_a_preset_waits_for_the_owner_too() -> None:
    own = used(masks={"public.customer.email": "hash"}, keep=["*.*.email"])
    moved = used(preset(masks={"public.customer.email": "hash"}), keep=["*.*.email"])
    assert isinstance(dict(_decisions(own))["email"], Rule)
    assert isinstance(dict(_decisions(moved))["email"], Keep)
    assert waits_for_owner(moved, (), approved(own))
    assert widening(own, moved)


def _decisions(of: Workflow) -> list[tuple[str, object]]:
    matching = match_rules(of, SHOP)
    return [(column.name, each) for selected in matching.tables for column, each in selected.columns]


def test_a_changed_preset_is_found_when_workflow_files_are_looked_at_again(tmp_path: Path) -> None:
    config, state = tmp_path / "etc", tmp_path / "state"
    state.mkdir()
    for name, use in (("shop", "use: [company-pii]\n"), ("plain", "")):
        file = config / "workflows" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(
            f"id: {name}\nsource: production\ntables: {{include: ['a.*']}}\n{use}"
            f"deliver: [{{twin: {{connection: {name}}}}}]\n"
        )
    found = {file.id or Path(file.path).stem: file for file in read_workflow_files(config, state)}
    assert found["plain"].usable
    assert "there is no preset `company-pii`" in str(found["shop"].problem)
    path = write(config, "company-pii", "masks: {'*.*.email': email}\n")
    assert all(file.usable for file in read_workflow_files(config, state))
    path.write_text("name: company-pii\nmasks: {'*.*.email': emial}\n")
    wrong = [file.problem for file in read_workflow_files(config, state) if not file.usable]
    assert len(wrong) == 1
    assert "emial" in str(wrong[0])


def run_preset(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(preset_commands.app, list(arguments), catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


def test_presets_are_listed_shown_and_checked(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPLIANCE_CONFIG_DIR", str(tmp_path / "etc"))
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "state" / "workflows").mkdir(parents=True)
    (tmp_path / "etc" / "workflows").mkdir(parents=True)
    (tmp_path / "etc" / "workflows" / "shop.yaml").write_text((folder / "shop.yaml").read_text())
    write(tmp_path / "etc", "company-pii", "masks: {'*.*.email': email}\n")
    write(tmp_path / "etc", "unused", "keep: ['*.*.id']\n")
    sent = used(preset("cloud-rules", version="4", masks={"*.*.email": "email"}), id="sent")
    (tmp_path / "state" / "workflows" / "sent.json").write_text(sent.model_dump_json(exclude_unset=True))
    code, out, _ = run_preset("list", "--json")
    assert code == 0
    listed = {each["name"]: each for each in json.loads(out)}
    assert listed["company-pii"]["used_by"] == ["shop"]
    assert listed["company-pii"]["masks"] == 1
    assert listed["unused"]["used_by"] == []
    assert (listed["cloud-rules"]["from"], listed["cloud-rules"]["version"]) == ("the dashboard", "4")
    code, out, _ = run_preset("show", "cloud-rules")
    assert code == 0
    assert "used by sent" in out
    assert "'*.*.email': email" in out
    assert run_preset("validate")[0] == 0
    write(tmp_path / "etc", "unused", "keep: [id]\n")
    code, _, errors = run_preset("validate")
    assert code == 2
    assert "unused.yaml:2: keep[0]: the pattern `id`" in errors
