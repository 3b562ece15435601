"""Two workflows do not share a twin, unless one of them says that it takes the other's place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from appliance.cli.work.workflows.validate import validate_files
from appliance.documents.problems import WrongDocumentError
from appliance.workflow.loading import parse_workflow
from appliance.workflow.twin_owners import TwinClaim, shared_twins

WORKFLOW: dict[str, Any] = {
    "id": "first",
    "source": "production",
    "tables": {"include": ["public.*"]},
    "deliver": [{"twin": {"connection": "staging"}}],
}
NAMES = st.sampled_from(["a", "b", "c"])
CLAIMS = st.builds(TwinClaim, NAMES, st.lists(NAMES, max_size=3, unique=True).map(tuple), st.none() | NAMES)


@given(CLAIMS, CLAIMS)
def test_a_shared_twin_is_seen_from_both_sides(one: TwinClaim, other: TwinClaim) -> None:
    here, there = shared_twins(one, [other]), shared_twins(other, [one])
    assert {each.connection for each in here} == {each.connection for each in there}
    same = set(one.connections) & set(other.connections)
    settled = other.workflow in (one.workflow, one.replaces) or one.workflow == other.replaces
    assert bool(here) == (bool(same) and not settled)


def written(folder: Path, name: str, **changes: object) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(WORKFLOW | {"id": name} | changes))
    return path


def test_validate_says_so_of_both_files(tmp_path: Path) -> None:
    files = [written(tmp_path, "first"), written(tmp_path, "second")]
    outcomes = validate_files(files)
    assert ["replaces: second" in outcomes[0].problems[0].expected] == [True]
    assert ["replaces: first" in outcomes[1].problems[0].expected] == [True]
    files[1] = written(tmp_path, "second", replaces="first")
    assert [each.problems for each in validate_files(files)] == [(), ()]


def test_a_workflow_does_not_replace_itself() -> None:
    with pytest.raises(WrongDocumentError, match="replaces itself"):
        parse_workflow(yaml.safe_dump(WORKFLOW | {"replaces": WORKFLOW["id"]}), "workflow")
