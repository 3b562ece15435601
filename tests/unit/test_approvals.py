"""What the owner has approved: known again, and no more than that."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import WrongRequestError
from appliance.policy.approvals import (
    Approval,
    Choice,
    approvals_mark,
    approved_columns,
    kept_digest,
    load_approval,
    save_approval,
    waits_for_owner,
)
from tests.unit.example_documents import workflow

BEFORE: dict[str, Any] = {
    "tables": {"include": ["public.*", "crm.*"], "exclude": ["public.audit_*"]},
    "keep": ["public.*.id", "crm.lead.*"],
    "masks": {"crm.lead.email": "email", "crm.lead.phone": {"mask": "phone", "keep_prefix": 3}},
}


def approval(**changes: Any) -> Approval:
    return Approval(
        workflow="twin",
        choice=Choice.of(workflow(**BEFORE | changes)),
        columns=("public.a.id",),
        approved_at=datetime(2026, 1, 1, tzinfo=UTC),
        approved_by="root",
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"title": "Another title", "schedule": "0 2 * * *", "limits": {"parallel": 2}},
        {"keep": ["public.*.id"]},
        {"tables": {"include": ["crm.*"], "exclude": ["public.audit_*", "crm.x"]}},
        {"masks": BEFORE["masks"] | {"crm.lead.name": "full_name"}},
    ],
    ids=["nothing", "other things", "keeps less", "selects less", "masks more"],
)
def test_a_version_that_can_keep_no_more_does_not_wait(changes: dict[str, Any]) -> None:
    assert waits_for_owner(workflow(**BEFORE | changes), (), approval()) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"keep": ["public.*.id", "crm.lead.*", "crm.note.*"]},
        {"keep": ["public.*.*", "crm.lead.*"]},
        {"tables": {"include": ["*.*"], "exclude": ["public.audit_*"]}},
        {"tables": {"include": ["public.*", "crm.*"]}},
        {"masks": {"crm.lead.email": "email"}},
        {"masks": BEFORE["masks"] | {"crm.lead.phone": {"mask": "phone", "keep_prefix": 30}}},
        {"masks": BEFORE["masks"] | {"crm.lead.email": "text_scrub"}},
        {"source": "hr"},
    ],
    ids=[
        "keeps more",
        "keeps a wider pattern",
        "selects more",
        "excludes less",
        "masks less",
        "masks a smaller part",
        "masks with what leaves parts",
        "reads elsewhere",
    ],
)
def test_a_version_that_might_keep_more_waits(changes: dict[str, Any]) -> None:
    assert waits_for_owner(workflow(**BEFORE | changes), (), approval()) != ()
    assert waits_for_owner(workflow(**BEFORE | changes), ("*.*.*",), approval()) == ()


def test_a_first_version_waits_unless_all_that_it_keeps_is_allowed() -> None:
    assert [each.column for each in waits_for_owner(workflow(**BEFORE), ("public.*.*",), None)] == [
        "crm.lead.*",
        "crm.lead.phone",
    ]
    assert waits_for_owner(workflow(**BEFORE), ("public.*.*", "crm.*.*"), None) == ()
    assert waits_for_owner(workflow(unlisted="null"), (), None) == ()


def test_an_approval_is_found_again_and_holds_for_its_workflow_and_source_only(tmp_path: Path) -> None:
    before = approvals_mark(tmp_path)
    save_approval(tmp_path, approval())
    assert load_approval(tmp_path, "twin") == approval()
    assert approvals_mark(tmp_path) != before
    assert approved_columns(tmp_path, workflow(**BEFORE)) == ("public.a.id",)
    assert approved_columns(tmp_path, workflow(**BEFORE | {"source": "hr"})) == ()
    assert approved_columns(tmp_path, workflow(**BEFORE | {"id": "other"})) == ()
    (tmp_path / "other.json").write_bytes((tmp_path / "twin.json").read_bytes())
    assert approved_columns(tmp_path, workflow(**BEFORE | {"id": "other"})) == ()
    assert (tmp_path / "twin.json").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("content", ["", "{", "[]", '{"workflow": "twin"}', json.dumps({"columns": ["*"]})])
def test_an_approval_that_cannot_be_read_approves_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "twin.json").write_text(content)
    assert approved_columns(tmp_path, workflow(**BEFORE)) == ()


def test_who_may_not_write_there_is_told_how(tmp_path: Path) -> None:
    (tmp_path / "in-the-way").write_text("")
    with pytest.raises(WrongRequestError, match="sudo appliance workflow approve twin"):
        save_approval(tmp_path / "in-the-way", approval())


def test_the_digest_names_the_set_whatever_its_order() -> None:
    assert kept_digest(("a", "b")) == kept_digest(("b", "a")) != kept_digest(("a",))
