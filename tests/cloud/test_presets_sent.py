"""Presets in workflows from the dashboard: under the owner's policy, and after the owner's own files."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.cloud.workflows import CloudSync
from appliance.workflow.loading import load_workflow
from tests.cloud.appliance_rig import ApplianceRig
from tests.cloud.test_workflows_and_commands import changed, given, in_force, reported


@pytest.fixture
def sync(rig: ApplianceRig) -> CloudSync:
    return CloudSync(rig.settings)


def using(**rules: Any) -> dict[str, Any]:
    return changed(use=[{"name": "company-pii", "version": "3", **rules}])


def write(rig: ApplianceRig, text: str) -> None:
    folder = rig.settings.config_dir / "presets"
    folder.mkdir(exist_ok=True)
    (folder / "company-pii.yaml").write_text(f"name: company-pii\n{text}")


def test_a_preset_that_keeps_what_the_owner_has_not_approved_waits(
    rig: ApplianceRig, sync: CloudSync
) -> None:
    sync.take_up(given(using(masks={"*.*.email": "email"})), rig.db)
    assert reported(rig)[-1]["state"] == "active"
    sync.take_up(given(using(keep=["public.customer.religion"])), rig.db)
    assert reported(rig)[-1]["rule"] == "keep_from_cloud"
    assert "keep" not in in_force(rig)["staging-twin"]["use"][0]


def test_a_file_of_the_owners_wins_and_a_name_without_one_is_said_to_be_missing(
    rig: ApplianceRig, sync: CloudSync
) -> None:
    sync.take_up(given(changed(use=["company-pii"])), rig.db)
    last = reported(rig)[-1]
    assert last["state"] == "invalid"
    assert "use[0]: there is no preset `company-pii` here" in last["problem"]
    assert not sync.is_current("another")
    before = sync.etag
    assert before is not None
    write(rig, "masks: {'*.*.email': 'null'}\n")
    # With the file the same set is another one here: it is fetched again.
    assert not sync.is_current(before)
    sync.take_up(given(using(masks={"*.*.email": "email"})), rig.db)
    path = rig.workflow_folder / "staging-twin.json"
    (preset,) = load_workflow(path, rig.settings.config_dir).workflow.presets
    assert (preset.is_of_file, preset.masks["*.*.email"].mask) == (True, "null")
    write(rig, "keep: ['public.customer.religion']\n")
    assert not sync.is_current(sync.etag or "")
    sync.take_up(given(using(masks={"*.*.email": "email"})), rig.db)
    assert reported(rig)[-1]["rule"] == "keep_from_cloud"
