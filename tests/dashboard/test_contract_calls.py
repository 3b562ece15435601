"""Enrolment, heartbeats, workflows and commands, as an appliance meets them."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from appliance.contract.calls import ComponentReport, ScrubbedText, WorkflowReport
from appliance.contract.events import CommandChanged, UpdateChanged
from appliance.contract.fields import WorkflowId, document_digest
from appliance.dashboard.store.appliances import commands, fleet
from appliance.dashboard.store.database import StoreAwayError
from tests.dashboard.conftest import Dashboard
from tests.dashboard.seeds import STAGING
from tests.dashboard.simulated_appliance import SimulatedAppliance, now


def new_token(dashboard: Dashboard, name: str = "Hospital West") -> str:
    token: str = dashboard.api.post("/v1/appliances", json={"name": name}).json()["enrolment_token"]
    return token


def assign(dashboard: Dashboard, appliance_id: str, text: str = STAGING) -> str:
    created = dashboard.api.post("/v1/workflows", json={"yaml": text}).raise_for_status().json()
    path = f"/v1/workflows/{created['id']}/appliances"
    dashboard.api.put(path, json={"appliance_ids": [appliance_id]}).raise_for_status()
    return str(created["id"])


def test_a_one_time_token_becomes_an_identity_once(stored: Dashboard) -> None:
    token = new_token(stored)
    first, second = SimulatedAppliance(stored.client()), SimulatedAppliance(stored.client())
    enrolled = first.enrol(token)
    assert enrolled.name == "Hospital West" and enrolled.token.startswith("apl_")
    first.heartbeat()
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        second.enrol(token)
    assert "appliance.enrol" in stored.audit()


def test_a_lost_answer_to_enrolment_can_be_asked_for_again(stored: Dashboard) -> None:
    token, attempt = new_token(stored), "a" * 40
    appliance = SimulatedAppliance(stored.client())
    lost = appliance.enrol(token, attempt).token
    again = appliance.enrol(token, attempt).token
    assert again != lost
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        SimulatedAppliance(stored.client(), lost).heartbeat()
    appliance.heartbeat()
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        appliance.enrol(token, attempt)
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        appliance.enrol(token, "b" * 40)


def test_no_token_is_stored_as_it_is(dashboard: Dashboard) -> None:
    token = new_token(dashboard)
    appliance = SimulatedAppliance(dashboard.client())
    appliance.enrol(token)
    appliance.rotate()
    with dashboard.context.database.read() as session:
        tables = ("appliance", "enrolment", "api_token", "session", "audit", "person")
        kept = "".join(str(session.all(dict, f"SELECT * FROM {table}")) for table in tables)
    assert token not in kept and appliance.token not in kept
    assert "apl_" not in kept and "ape_" not in kept and "apd_" not in kept


def test_a_new_enrolment_token_makes_the_earlier_one_useless(dashboard: Dashboard) -> None:
    created = dashboard.api.post("/v1/appliances", json={"name": "West"}).json()
    newer = dashboard.api.post(f"/v1/appliances/{created['appliance_id']}/enrolment").json()
    appliance = SimulatedAppliance(dashboard.client())
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        appliance.enrol(created["enrolment_token"])
    appliance.enrol(newer["enrolment_token"])


def test_an_enrolment_token_expires(dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "ENROLMENT_SECONDS", -1)
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        SimulatedAppliance(dashboard.client()).enrol(new_token(dashboard))


def test_a_rotated_token_retires_the_old_one_on_first_use(stored: Dashboard) -> None:
    _, appliance = stored.enrolled()
    old = appliance.token
    appliance.rotate()
    lost = appliance.token
    SimulatedAppliance(stored.client(), old).heartbeat()
    appliance.token = old
    appliance.rotate()
    appliance.heartbeat()
    for useless in (old, lost):
        with pytest.raises(httpx.HTTPStatusError, match="401"):
            SimulatedAppliance(stored.client(), useless).heartbeat()
    assert stored.audit().count("appliance.retired_token_used") == 1


def test_an_old_token_is_asked_to_rotate(dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    _, appliance = dashboard.enrolled()
    monkeypatch.setattr("appliance.dashboard.store.appliances.heartbeats.ROTATE_AFTER_SECONDS", -1)
    before = appliance.token
    assert appliance.heartbeat().rotate_token
    assert appliance.token != before
    appliance.heartbeat()


def test_a_revoked_appliance_is_told_to_enrol_again(dashboard: Dashboard) -> None:
    appliance_id, appliance = dashboard.enrolled()
    dashboard.api.delete(f"/v1/appliances/{appliance_id}").raise_for_status()
    response = appliance.call("POST", "/v1/appliance/heartbeat", appliance.report().to_wire())
    assert response.status_code == 401
    assert "Enrol it again" in response.json()["next_step"]


def test_a_heartbeat_is_what_the_dashboard_shows(stored: Dashboard) -> None:
    appliance_id, appliance = stored.enrolled()
    problem = ScrubbedText.mark("The Docker engine does not answer.")
    appliance.heartbeat(
        healthy=False,
        components=(ComponentReport(name="docker", state="down", problem=problem),),
        sent_at=now() + timedelta(minutes=5),
    )
    shown = stored.api.get(f"/v1/appliances/{appliance_id}").json()
    assert shown["appliance"]["condition"] == "unhealthy"
    assert shown["report"]["components"][0]["problem"] == problem
    assert 290 < shown["appliance"]["clock_offset"] < 310
    appliance.heartbeat()
    assert stored.api.get(f"/v1/appliances/{appliance_id}").json()["appliance"]["condition"] == "healthy"


def test_silence_turns_into_offline(dashboard: Dashboard) -> None:
    appliance_id, appliance = dashboard.enrolled()
    appliance.heartbeat()
    with dashboard.context.database.write() as session:
        session.run("UPDATE appliance SET last_seen = last_seen - 300")
    assert dashboard.api.get(f"/v1/appliances/{appliance_id}").json()["appliance"]["condition"] == "offline"


def test_an_appliance_that_somebody_looks_at_is_asked_to_report_more_often(dashboard: Dashboard) -> None:
    appliance_id, appliance = dashboard.enrolled()
    assert appliance.heartbeat().heartbeat_seconds == 30
    dashboard.signed_in().get(f"/appliances/{appliance_id}")
    assert appliance.heartbeat().heartbeat_seconds == 3


def test_workflows_are_fetched_when_they_changed_and_only_then(stored: Dashboard) -> None:
    appliance_id, appliance = stored.enrolled()
    appliance.heartbeat()
    assert appliance.workflows.workflows == ()
    workflow_id = assign(stored, appliance_id)
    appliance.heartbeat()
    (got,) = appliance.workflows.workflows
    assert got.id == workflow_id and got.document["masks"]["public.customer.phone"]["keep_prefix"] == 3
    assert got.digest == document_digest(got.document)
    assert not appliance.fetch()
    changed = {"yaml": STAGING.replace("parallel: 4", "parallel: 2"), "based_on": 1}
    stored.api.put(f"/v1/workflows/{workflow_id}", json=changed).raise_for_status()
    etag = appliance.etag
    appliance.heartbeat()
    assert appliance.etag != etag and appliance.workflows.workflows[0].revision == 2
    stored.api.delete(f"/v1/workflows/{workflow_id}").raise_for_status()
    appliance.heartbeat()
    assert appliance.workflows.workflows == ()


def test_an_edit_of_a_comment_is_no_change_for_the_appliance(dashboard: Dashboard) -> None:
    appliance_id, appliance = dashboard.enrolled()
    workflow_id = assign(dashboard, appliance_id)
    appliance.heartbeat()
    etag = appliance.etag
    dashboard.api.put(
        f"/v1/workflows/{workflow_id}", json={"yaml": f"# nightly\n{STAGING}"}
    ).raise_for_status()
    assert appliance.heartbeat().workflows_etag == etag


def test_what_the_appliance_says_of_a_workflow_is_shown_with_the_rule(stored: Dashboard) -> None:
    appliance_id, appliance = stored.enrolled()
    workflow_id = assign(stored, appliance_id)
    problem = ScrubbedText.mark("The policy always masks *.*.ssn.")
    refused = WorkflowReport(
        id=workflow_id, origin="cloud", state="refused", rule="always_mask", problem=problem
    )
    appliance.heartbeat(workflows=(refused, refused))
    (shown,) = stored.api.get(f"/v1/workflows/{workflow_id}").json()["appliances"]
    assert (shown["placed_state"], shown["placed_rule"]) == ("refused", "always_mask")
    appliance.heartbeat(workflows=())
    (shown,) = stored.api.get(f"/v1/workflows/{workflow_id}").json()["appliances"]
    assert shown["placed_state"] is None


def test_a_workflow_s_page_says_which_version_runs_where_the_new_one_was_refused(
    dashboard: Dashboard,
) -> None:
    appliance_id, appliance = dashboard.enrolled()
    workflow_id = assign(dashboard, appliance_id)
    refused = WorkflowReport(id=workflow_id, origin="cloud", state="refused", rule="always_mask")
    page = f"/workflows/{workflow_id}"
    appliance.heartbeat(workflows=(refused,))
    assert "stays in force" not in dashboard.signed_in().get(page).text
    appliance.heartbeat(workflows=(refused.model_copy(update={"digest": "a" * 64}),))
    assert "before stays in force, and Run now starts that one" in dashboard.signed_in().get(page).text


def test_a_report_that_the_store_could_not_take_is_taken_the_next_time(
    stored: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    appliance_id, appliance = stored.enrolled()
    workflow_id = assign(stored, appliance_id)
    active = WorkflowReport(id=workflow_id, origin="cloud", state="active")

    def break_off(*_: object) -> None:
        raise StoreAwayError("SQLITE_FULL")

    with monkeypatch.context() as broken:
        broken.setattr("appliance.dashboard.store.appliances.heartbeats.commands.mark_offered", break_off)
        report = appliance.report(workflows=(active,)).to_wire()
        assert appliance.call("POST", "/v1/appliance/heartbeat", report).status_code == 503
    appliance.heartbeat(workflows=(active,))
    (shown,) = stored.api.get(f"/v1/workflows/{workflow_id}").json()["appliances"]
    assert shown["placed_state"] == "active"


def send(dashboard: Dashboard, appliance_id: str, **request: str) -> str:
    sent = dashboard.api.post(f"/v1/appliances/{appliance_id}/commands", json=request)
    return str(sent.raise_for_status().json()["id"])


def test_a_command_is_offered_until_it_is_acknowledged(stored: Dashboard) -> None:
    appliance_id, appliance = stored.enrolled()
    command_id = send(stored, appliance_id, kind="run", workflow="staging-twin")
    assert send(stored, appliance_id, kind="run", workflow="staging-twin") == command_id
    offered = [appliance.heartbeat().commands for _ in range(3)]
    assert [[str(command.id) for command in commands] for commands in offered] == [[command_id]] * 3
    assert 0 < offered[0][0].expires_in <= 900
    (command,) = appliance.take_commands(appliance.heartbeat())
    assert appliance.take_commands(appliance.heartbeat()) == []
    appliance.tell(CommandChanged(command_id=command.id, state="accepted", run_id="staging-twin-1"))
    appliance.send()
    assert appliance.heartbeat().commands == ()
    shown = stored.api.get(f"/v1/commands/{command_id}").json()
    assert (shown["state"], shown["run_id"]) == ("accepted", "staging-twin-1")


def test_a_refused_command_shows_the_rule(dashboard: Dashboard) -> None:
    appliance_id, appliance = dashboard.enrolled()
    command_id = send(dashboard, appliance_id, kind="update", version="2.0.0")
    answer = appliance.heartbeat()
    assert answer.wanted_release is not None and answer.wanted_release.version == "2.0.0"
    why = ScrubbedText.mark("Updates are pinned to 1.0.0.")
    appliance.tell(
        CommandChanged(command_id=answer.commands[0].id, state="refused", rule="updates.pin", problem=why)
    )
    appliance.send()
    page = dashboard.signed_in().get(f"/commands/{command_id}").text
    assert "updates.pin" in page and why in page
    assert dashboard.api.get(f"/v1/appliances/{appliance_id}").json()["refusals"][0]["rule"] == "updates.pin"


def test_how_an_update_goes_is_shown(stored: Dashboard) -> None:
    appliance_id, appliance = stored.enrolled()
    browser = stored.signed_in()
    assert "<dt>Update</dt>" not in browser.get(f"/appliances/{appliance_id}").text
    why = ScrubbedText.mark("The new release did not prove itself.")
    appliance.tell(UpdateChanged(version="2.0.0", state="waiting"))
    appliance.tell(UpdateChanged(version="2.0.0", state="failed", problem=why))
    appliance.send()
    update = stored.api.get(f"/v1/appliances/{appliance_id}").json()["update"]
    assert (update["data"]["version"], update["data"]["state"]) == ("2.0.0", "failed")
    page = browser.get(f"/appliances/{appliance_id}").text
    assert "<dt>Update</dt>" in page and why in page


def test_a_late_acknowledgement_does_not_undo_a_newer_one(stored: Dashboard) -> None:
    appliance_id, appliance = stored.enrolled()
    command_id = send(stored, appliance_id, kind="run", workflow="staging-twin")
    (command,) = appliance.heartbeat().commands
    early = appliance.tell(CommandChanged(command_id=command.id, state="accepted", run_id="r-1"))
    late = appliance.tell(CommandChanged(command_id=command.id, state="done", run_id="r-1"))
    appliance.send([late])
    appliance.send([early])
    assert stored.api.get(f"/v1/commands/{command_id}").json()["state"] == "done"


def test_a_run_that_was_asked_for_does_not_surprise_anybody_later(
    dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    appliance_id, appliance = dashboard.enrolled()
    monkeypatch.setitem(commands.LIFETIME_SECONDS, "run", 0)
    command_id = send(dashboard, appliance_id, kind="run", workflow="staging-twin")
    assert appliance.heartbeat().commands == ()
    assert dashboard.api.get(f"/v1/commands/{command_id}").json()["state"] == "expired"


def test_one_appliance_cannot_answer_for_another(dashboard: Dashboard) -> None:
    west_id, west = dashboard.enrolled("West")
    _, east = dashboard.enrolled("East")
    command_id = send(dashboard, west_id, kind="sync")
    (command,) = west.heartbeat().commands
    assert east.heartbeat().commands == ()
    east.tell(CommandChanged(command_id=command.id, state="done"))
    east.send()
    assert dashboard.api.get(f"/v1/commands/{command_id}").json()["state"] == "waiting"


def test_the_contract_and_the_documents_agree_on_names() -> None:
    from pydantic import TypeAdapter, ValidationError

    from appliance.contract.fields import ConnectionName
    from appliance.documents import named_types as names

    pairs = ((WorkflowId, names.WorkflowId), (ConnectionName, names.ConnectionName))
    for wire, document in pairs:
        for text in (
            "a",
            "a-b",
            "-a",
            "a-",
            "A",
            "a_b",
            "_a",
            "9",
            "a" * 63,
            "a" * 64,
            "",
            "a.b",
            "ä",
            "a\n",
        ):
            verdicts = []
            for kind in (wire, document):
                try:
                    TypeAdapter(kind).validate_python(text)
                    verdicts.append(True)
                except ValidationError:
                    verdicts.append(False)
            assert verdicts[0] == verdicts[1], (wire, text)
