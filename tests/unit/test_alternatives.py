"""Masks by conditions in a document: what is read, what is refused with its place, what is said of them."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.datastructures import FormData

from appliance.dashboard.pages.editing import workflow_form
from appliance.dashboard.web.decisions import decide, set_option
from appliance.dashboard.web.masks import explain
from appliance.documents import strict_yaml
from appliance.masking.registry import parameter_models
from appliance.workflow.conditions.alternatives import (
    alternatives_of,
    conditions_read,
    keeps_rows,
    mask_words,
)
from appliance.workflow.document import MaskSpec, Workflow
from appliance.workflow.drift import decision_text
from appliance.workflow.mask_check import check_masks
from appliance.workflow.matching.kept import leaves_parts
from appliance.workflow.matching.rules import Rule

STAFF: list[Any] = [
    {"when": "role = 'staff'", "mask": "keep", "because": "ours"},
    {"when": "country = 'DE'", "mask": "phone", "keep_prefix": 3},
    "hash",
]


def problems(written: str) -> list[str]:
    """What is wrong with the masks of a document."""
    text = f"masks:\n  a.b.c: {written}\n"
    return [each.text() for each in check_masks(strict_yaml.load(text, "twin.yaml"), parameter_models())]


def test_a_list_is_read_and_written_as_it_stands() -> None:
    mask = MaskSpec.model_validate(STAFF)
    assert mask.model_dump() == STAFF
    assert MaskSpec.model_validate(mask.model_dump()) == mask
    first, second, last = alternatives_of(mask)
    assert first.keeps and first.reads == ("role",) and last.when is None
    assert second.mask == MaskSpec(mask="phone", params={"keep_prefix": 3})
    assert keeps_rows(mask) and leaves_parts(mask) and conditions_read(mask) == ("role", "country")
    assert mask_words(mask) == "keep, phone or hash, by condition"


def test_a_list_that_cannot_be_read_counts_as_keeping() -> None:
    broken = MaskSpec.model_validate([{"when": 3, "mask": "hash"}, "hash"])
    assert alternatives_of(broken) == () and keeps_rows(broken)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[{when: x = (SELECT 1), mask: keep}, hash]", '"a.b.c"[0].when: has a subquery'),
        ("[{when: x =, mask: keep}, hash]", '"a.b.c"[0].when: cannot be read'),
        ("[{when: pg_sleep(9) > x, mask: keep}, hash]", '"a.b.c"[0].when: calls a function'),
        ("[{when: x = 1, mask: keep}, {when: x = 2, mask: hash}]", '"a.b.c"[1].when: is the last'),
        ("[hash, email]", '"a.b.c"[0]: has no condition'),
        ("[{when: x = 1, mask: keep}, keep]", "keeps the rows whatever"),
        ("[{when: x = 1, mask: keep}, emial]", "did you mean email?"),
        ("[{when: x = 1, mask: phone, keep_prefx: 2}, hash]", '"a.b.c"[0].keep_prefx: is not a known key'),
        ("[{when: x = 1, mask: keep, digits: 2}, hash]", '"a.b.c"[0]: keep has no parameters'),
        ("[{when: x = 1, mask: hash, because: so}, hash]", '"a.b.c"[0].because: says why'),
        ("[{when: x = 1, mask: [email, hash]}, hash]", "conditions within conditions"),
        ("[{when: x = 1}, hash]", "is missing"),
        ("[hash]", "has no two entries"),
        ("[]", "has no two entries"),
        ("{mask: json, paths: {a: [{when: x = 1, mask: hash}, email]}}", "a: is a list"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_place(written: str, said: str) -> None:
    found = problems(written)
    assert any(said in each and each.startswith("twin.yaml:2: ") for each in found), found


@pytest.mark.parametrize("written", ["{mask: email, when: x = 1}", "{mask: when}"])
def test_a_condition_without_the_other_rows_is_no_mask(written: str) -> None:
    with pytest.raises(ValueError, match="says nothing of the other rows"):
        MaskSpec.model_validate(strict_yaml.load(f"m: {written}", "x").data["m"])


def test_no_condition_is_told_elsewhere() -> None:
    """Drift crosses to the dashboard, and authors write values into conditions."""
    outcome, said = decision_text(Rule(MaskSpec.model_validate(STAFF), "a.b.c"))
    assert outcome == "masked" and "staff" not in said and "by condition" in said


def test_the_form_and_the_columns_screen_leave_it_as_it_is() -> None:
    before: dict[str, Any] = {"masks": {"a.b.c": STAFF, "a.b.*": STAFF, "a.b.d": "hash"}}
    shown = workflow_form.view(before)
    assert [row.pattern for row in shown.masks] == ["a.b.d"]
    assert shown.by_condition == ["a.b.c", "a.b.*"]
    sent = [("mask_row", "0"), ("mask_pattern", "a.b.d"), ("mask_name", "email")]
    made = workflow_form.document(FormData(sent), before)["masks"]
    assert made == {"a.b.c": STAFF, "a.b.*": STAFF, "a.b.d": "email"}
    apart = workflow_form.document(FormData([("columns_apart", "yes")]), before)["masks"]
    assert apart == {"a.b.c": STAFF, "a.b.*": STAFF, "a.b.d": "hash"}
    assert set_option(before, "a.b.c", "digits", 3) == before
    assert decide(before, "a.b.c", "mask:when") == before
    assert decide(before, "a.b.d", "keep")["masks"] == {"a.b.c": STAFF, "a.b.*": STAFF}


def test_it_is_explained_entry_by_entry() -> None:
    (row,) = explain({"a.b.c": STAFF})
    assert row.mask == "by condition"
    assert list(row.params.values()) == [
        "keep where role = 'staff'",
        "phone (keep_prefix: 3) where country = 'DE'",
        "hash",
    ]


def test_a_whole_workflow_keeps_it_from_document_to_document() -> None:
    document = {
        "id": "twin",
        "source": "production",
        "tables": {"include": ["a.*"]},
        "masks": {"a.b.c": STAFF},
        "deliver": [{"twin": {"connection": "staging"}}],
    }
    workflow = Workflow.model_validate(document)
    again = Workflow.model_validate_json(workflow.model_dump_json())
    assert again == workflow and again.model_dump(mode="json")["masks"] == {"a.b.c": STAFF}
