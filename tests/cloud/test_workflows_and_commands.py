"""Workflows and commands from the real dashboard: taken up whole, judged by policy, done exactly once."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import yaml

from appliance.cloud.workflows import CloudSync
from appliance.contract.calls import AssignedWorkflow, WorkflowSet
from appliance.contract.fields import document_digest
from appliance.orchestration.workflow_files import INDEX, read_workflow_files
from appliance.run_folder import SPEC
from appliance.store import outbox
from tests.cloud.appliance_rig import POLICY, WORKFLOW, ApplianceRig, CloudSide
from tests.engine.breakable_proxy import BreakableProxy


def changed(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy(WORKFLOW) | changes


def given(*documents: dict[str, Any], **overrides: Any) -> WorkflowSet:
    """A set as a dashboard sends it, whatever is in it."""
    return WorkflowSet(
        etag=document_digest({"all": list(documents), **overrides}),
        workflows=tuple(
            AssignedWorkflow(
                **{
                    "id": each["id"],
                    "revision": 1,
                    "digest": document_digest(each),
                    "document": each,
                    **overrides,
                }
            )
            for each in documents
        ),
    )


def reported(rig: ApplianceRig) -> list[dict[str, Any]]:
    rows = rig.db.execute("SELECT payload FROM appliance.event WHERE kind = 'workflow_changed' ORDER BY seq")
    return [row["payload"] for row in rows]


def in_force(rig: ApplianceRig) -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in rig.workflow_folder.glob("[!.]*.json")}


@pytest.fixture
def sync(rig: ApplianceRig) -> CloudSync:
    return CloudSync(rig.settings)


def assign(cloud: CloudSide, document: dict[str, Any]) -> None:
    cloud.post("/v1/workflows", {"yaml": yaml.safe_dump(document)})
    body = {"appliance_ids": [cloud.appliance_id]}
    cloud.api.put(f"/v1/workflows/{document['id']}/appliances", json=body).raise_for_status()


def test_a_workflow_written_on_the_dashboard_is_a_file_here_and_shown_there(
    enrolled: ApplianceRig, cloud: CloudSide
) -> None:
    assign(cloud, changed(id="made-there"))
    enrolled.turn_until(lambda: in_force(enrolled))
    assert in_force(enrolled)["made-there"]["source"] == "production"
    files = read_workflow_files(enrolled.settings.config_dir, enrolled.settings.state_dir)
    assert [(file.id, file.origin, file.usable) for file in files] == [("made-there", "cloud", True)]
    enrolled.turn_until(lambda: [each["digest"] for each in cloud.appliance["placements"]] != [None])
    placement = cloud.appliance["placements"][0]
    assert placement["digest"] == placement["wanted_digest"]
    cloud.api.put("/v1/workflows/made-there/appliances", json={"appliance_ids": []}).raise_for_status()
    enrolled.turn_until(lambda: not in_force(enrolled))


def test_a_refused_workflow_is_shown_there_with_the_rule(enrolled: ApplianceRig, cloud: CloudSide) -> None:
    assign(cloud, changed(id="to-elsewhere", deliver=[{"twin": {"connection": "elsewhere"}}]))
    enrolled.turn_until(lambda: cloud.appliance["refusals"])
    assert in_force(enrolled) == {}
    assert [each["rule"] for each in cloud.appliance["refusals"]] == ["write"]


def test_an_invalid_or_refused_version_leaves_the_good_one_in_force(
    rig: ApplianceRig, sync: CloudSync
) -> None:
    sync.take_up(given(changed()), rig.db)
    for bad in (
        changed(deliver=[{"twin": {"connection": "elsewhere"}}]),
        changed(rows={"public.customer": {"where": "true"}}),
        changed(surprise=1),
        changed(masks={"public.customer.email": "no_such_mask"}),
    ):
        sync.take_up(given(bad), rig.db)
        assert in_force(rig) == {"staging-twin": WORKFLOW}
    sync.take_up(given(changed(title="cut off"), digest="0" * 64), rig.db)
    assert in_force(rig) == {"staging-twin": WORKFLOW}
    assert [(each["state"], each.get("rule")) for each in reported(rig)] == [
        ("active", None),
        ("refused", "write"),
        ("refused", "sql_from_cloud"),
        ("invalid", None),
        ("invalid", None),
        ("invalid", None),
    ]
    sync.take_up(given(changed(title="better")), rig.db)
    assert in_force(rig)["staging-twin"]["title"] == "better"


def test_one_bad_workflow_does_not_keep_the_others_out(rig: ApplianceRig, sync: CloudSync) -> None:
    sync.take_up(given(changed(id="bad", unlisted="whatever"), changed(id="good")), rig.db)
    assert list(in_force(rig)) == ["good"]


def test_a_removed_workflow_goes_and_is_told_of_once(rig: ApplianceRig, sync: CloudSync) -> None:
    sync.take_up(given(changed()), rig.db)
    sync.take_up(given(), rig.db)
    CloudSync(rig.settings).take_up(given(), rig.db)
    assert in_force(rig) == {} and [each["state"] for each in reported(rig)] == ["active", "removed"]


def test_a_removed_workflow_stays_until_a_run_that_is_about_to_start_has_its_copy(
    rig: ApplianceRig, sync: CloudSync
) -> None:
    sync.take_up(given(changed(), changed(id="other")), rig.db)
    rig.store.run_queued("twin-1", "staging-twin", airflow_run_id="1", origin="cloud", trigger="command")
    sync.take_up(given(), rig.db)
    assert list(in_force(rig)) == ["staging-twin"], "without its document the run would hang"
    sync.put_away(rig.db)
    assert list(in_force(rig)) == ["staging-twin"]
    again = CloudSync(rig.settings)
    again.put_away(rig.db)
    assert list(in_force(rig)) == ["staging-twin"]
    copy_of_the_run = rig.folder / "state" / "runs" / "twin-1" / SPEC
    copy_of_the_run.parent.mkdir(parents=True)
    copy_of_the_run.write_text("{}")
    again.put_away(rig.db)
    again.put_away(rig.db)
    assert in_force(rig) == {}
    removed = [each["workflow"] for each in reported(rig) if each["state"] == "removed"]
    assert removed == ["other", "staging-twin"]


def test_a_workflow_that_comes_back_meanwhile_stays(rig: ApplianceRig, sync: CloudSync) -> None:
    sync.take_up(given(changed()), rig.db)
    rig.store.run_queued("twin-1", "staging-twin", airflow_run_id="1", origin="cloud", trigger="command")
    sync.take_up(given(), rig.db)
    sync.take_up(given(changed(title="back")), rig.db)
    rig.store.run_started("twin-1")
    rig.store.run_ended("twin-1", "succeeded")
    sync.put_away(rig.db)
    assert in_force(rig)["staging-twin"]["title"] == "back"


def test_what_was_told_is_not_told_again_after_a_restart(rig: ApplianceRig, sync: CloudSync) -> None:
    wanted = given(changed(), changed(id="other", unlisted="keep"))
    sync.take_up(wanted, rig.db)
    again = CloudSync(rig.settings)
    assert again.is_current(wanted.etag)
    again.take_up(wanted, rig.db)
    assert len(reported(rig)) == 2


def test_an_id_of_the_operators_own_is_not_for_the_cloud(rig: ApplianceRig, sync: CloudSync) -> None:
    sync.take_up(given(changed()), rig.db)
    local = rig.folder / "etc" / "workflows" / "mine.yaml"
    local.write_text(yaml.safe_dump(changed(title="the operator's own")))
    assert not sync.is_current(given(changed()).etag)
    sync.take_up(given(changed()), rig.db)
    files = read_workflow_files(rig.settings.config_dir, rig.settings.state_dir)
    assert [(file.path, file.usable) for file in files] == [(str(local), True)]
    assert reported(rig)[-1]["rule"] == "local_workflow"


def test_when_the_policy_changes_what_was_refused_is_judged_again(rig: ApplianceRig, sync: CloudSync) -> None:
    rig.write_policy(POLICY | {"workflows_from_cloud": False})
    wanted = given(changed())
    sync.take_up(wanted, rig.db)
    assert in_force(rig) == {} and reported(rig)[-1]["rule"] == "workflows_from_cloud"
    assert sync.is_current(wanted.etag)
    rig.write_policy(POLICY)
    assert not sync.is_current(wanted.etag)
    (rig.folder / "etc" / "policy.yaml").write_text("workflows_from_cloud: [")
    sync.take_up(wanted, rig.db)
    assert in_force(rig) == {}, "a policy that cannot be read lets nothing in"


def test_a_full_disk_leaves_what_was_there(
    rig: ApplianceRig, sync: CloudSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync.take_up(given(changed()), rig.db)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="space"):
        sync.take_up(given(changed(title="newer")), rig.db)
    assert in_force(rig) == {"staging-twin": WORKFLOW}
    assert [path.name for path in rig.workflow_folder.glob(".*new")] == []


def test_a_run_of_a_workflow_that_is_not_there_fails_with_what_to_do(
    enrolled: ApplianceRig, cloud: CloudSide
) -> None:
    command = cloud.command(kind="run", workflow="not-here")
    enrolled.turn_until(lambda: cloud.command_state(command)["state"] not in {"waiting", "accepted"})
    answer = cloud.command_state(command)
    assert answer["state"] == "failed" and "There is no workflow 'not-here'." in answer["problem"]


def test_sync_update_and_cancel_are_answered_once(enrolled: ApplianceRig, cloud: CloudSide) -> None:
    enrolled.write_policy(POLICY | {"updates": {"pin": "1.0.0"}})
    sync = cloud.command(kind="sync")
    cancel = cloud.command(kind="cancel", run_id="no-such-run")
    update = cloud.command(kind="update", version="9.9.9")
    enrolled.turn_until(
        lambda: all(cloud.command_state(each)["state"] != "waiting" for each in (sync, cancel, update))
    )
    states = [cloud.command_state(each) for each in (sync, cancel, update)]
    assert [(state["state"], state["rule"]) for state in states] == [
        ("done", None),
        ("failed", None),
        ("refused", "updates.pin"),
    ]
    answers = [event for event in cloud.events if event["type"] == "command_changed"]
    assert len(answers) == 3


def test_a_run_that_policy_refuses_does_not_start(enrolled: ApplianceRig, cloud: CloudSide) -> None:
    local = enrolled.folder / "etc" / "workflows" / "mine.yaml"
    local.write_text(yaml.safe_dump(changed(id="mine", deliver=[{"twin": {"connection": "elsewhere"}}])))
    command = cloud.command(kind="run", workflow="mine")
    enrolled.turn_until(lambda: cloud.command_state(command)["state"] == "refused")
    assert cloud.command_state(command)["rule"] == "write"
    assert enrolled.db.execute("SELECT 1 FROM appliance.run").fetchall() == []


def kept_files(rig: ApplianceRig) -> dict[str, bytes]:
    """Everything that lies in the state folder, but the index, which any look at the files may make."""
    found = (path for path in (rig.folder / "state").rglob("*") if path.is_file() and path.name != INDEX)
    return {str(path): path.read_bytes() for path in found}


def test_with_the_cloud_gone_for_a_week_nothing_here_changes(
    enrolled: ApplianceRig, cloud: CloudSide, proxy: BreakableProxy
) -> None:
    assign(cloud, changed(id="stays", schedule="0 2 * * *"))
    enrolled.turn_until(lambda: in_force(enrolled))
    before = kept_files(enrolled)
    proxy.close()
    for day in range(7):
        enrolled.tell_run(f"stays-{day}")
        enrolled.restart()
        for _ in range(3):
            enrolled.is_done_trying()
            enrolled.beat_now()
            enrolled.reporter.turn()
        outbox.trim(enrolled.db)
    assert kept_files(enrolled) == before and in_force(enrolled)["stays"]["schedule"] == "0 2 * * *"
    files = read_workflow_files(enrolled.settings.config_dir, enrolled.settings.state_dir)
    assert [(file.id, file.usable) for file in files] == [("stays", True)]
    kept = enrolled.db.execute("SELECT run_id FROM appliance.event WHERE kind = 'run_finished' ORDER BY seq")
    assert [row["run_id"] for row in kept] == [f"stays-{day}" for day in range(7)]


def test_a_workflow_keeps_its_twin_unless_another_says_that_it_replaces_it(
    rig: ApplianceRig, sync: CloudSync
) -> None:
    sync.take_up(given(changed()), rig.db)
    # Whatever the order in which they are sent.
    sync.take_up(given(changed(id="a-second"), changed()), rig.db)
    assert set(in_force(rig)) == {"staging-twin"}
    assert [(each["state"], each.get("rule")) for each in reported(rig)][1:] == [("refused", "twin_owner")]
    sync.take_up(given(changed(id="a-second", replaces="staging-twin"), changed()), rig.db)
    assert set(in_force(rig)) == {"staging-twin", "a-second"}


def test_a_local_workflow_keeps_its_twin_from_the_cloud(rig: ApplianceRig, sync: CloudSync) -> None:
    (rig.folder / "etc" / "workflows" / "mine.yaml").write_text(yaml.safe_dump(changed(id="mine")))
    sync.take_up(given(changed()), rig.db)
    assert in_force(rig) == {}
    assert "mine" in reported(rig)[0]["problem"]
