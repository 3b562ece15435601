"""The vendor's people are notified of what goes wrong in the fleet: once, and once that it is over."""

from __future__ import annotations

import hashlib
import hmac
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from appliance.contract.calls import ComponentReport, FailureReport, ScrubbedText
from appliance.contract.events import RunFinished, RunStarted, UpdateChanged
from appliance.dashboard.notifying.conditions import fleet_conditions
from appliance.dashboard.notifying.looking import look
from appliance.dashboard.notifying.notifier import FleetNotifier
from appliance.dashboard.notifying.settings import FleetNotifySettings, read_notify
from appliance.documents.problems import WrongDocumentError
from appliance.status.notifications.condition import Condition
from tests.dashboard import seeds
from tests.dashboard.conftest import Dashboard
from tests.dashboard.running import running_dashboard
from tests.dashboard.simulated_appliance import SimulatedAppliance, now
from tests.dashboard.test_drift_checks import HALTS
from tests.unit.notification_receiver import Receiver, receiving

URL = "https://appliances.example.com"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as received:
        yield received


def written(folder: Path, receiver: Receiver, **more: Any) -> Path:
    (folder / "key").write_text("geheim\n")
    hook = {
        "name": "on-call",
        "by": "webhook",
        "url": f"{receiver.url}/hook",
        "secret_file": str(folder / "key"),
    }
    path = folder / "notify.yaml"
    path.write_text(yaml.safe_dump({"addresses": [hook], **more}))
    return path


def notifier(dashboard: Dashboard, path: Path) -> FleetNotifier:
    settings = replace(dashboard.context.settings, public_url=URL)
    return FleetNotifier(settings, read_notify(path), dashboard.context.database)


def found(dashboard: Dashboard, later: float = 0, **settings: Any) -> dict[str, Condition]:
    address = {"name": "a", "by": "ntfy", "url": "https://ntfy.example.com/fleet"}
    notify = FleetNotifySettings.model_validate({"addresses": [address], **settings})
    seen = look(dashboard.context.database)
    conditions = fleet_conditions(seen, notify, URL, time.time() + later)
    return {each.kind: each for each in conditions.present}


def placed(dashboard: Dashboard, name: str = "Hospital West") -> tuple[str, SimulatedAppliance]:
    """An appliance with the workflow of the seeds, which has a schedule, after a heartbeat."""
    appliance_id, simulated = dashboard.enrolled(name)
    dashboard.api.post("/v1/workflows", json={"yaml": seeds.STAGING}).raise_for_status()
    assigned = {"appliance_ids": [appliance_id]}
    dashboard.api.put("/v1/workflows/staging-twin/appliances", json=assigned).raise_for_status()
    simulated.heartbeat()
    simulated.heartbeat()
    return appliance_id, simulated


def hours_ago(hours: float) -> datetime:
    return now() - timedelta(hours=hours)


def halt(simulated: SimulatedAppliance, started: datetime) -> None:
    run_id = "staging-twin-that-halts"
    said = FailureReport(rule="unlisted", what=ScrubbedText.mark("A column is new."))
    simulated.tell(
        RunStarted(run_id=run_id, workflow="staging-twin", trigger="schedule", origin="cloud"), started
    )
    ended = RunFinished(run_id=run_id, workflow="staging-twin", outcome="refused", seconds=1, failure=said)
    simulated.tell(ended, started + timedelta(seconds=1))
    simulated.send()


def test_a_run_that_fails_and_works_again_is_said_once_each_and_signed(
    stored: Dashboard, tmp_path: Path, receiver: Receiver
) -> None:
    appliance_id, simulated = placed(stored)
    notifies = notifier(stored, written(tmp_path, receiver))
    notifies.turn()
    assert receiver.taken == [], "all is well"
    run_id = seeds.tell_run(simulated, "staging-twin", outcome="failed", started=hours_ago(3))
    notifies.turn()
    notifies.turn()
    notifier(stored, tmp_path / "notify.yaml").turn()
    (failed,) = receiver.messages()
    assert (failed["kind"], failed["state"], failed["appliance"]) == ("run_failed", "firing", "Hospital West")
    assert failed["title"] == "staging-twin on Hospital West has failed"
    assert failed["text"].endswith("The twin is as it was.") and len(failed["text"]) > 30
    assert failed["next"] == f"{URL}/runs/{appliance_id}/{run_id}"
    _, headers, body = receiver.taken[0]
    fields = dict(part.split("=", 1) for part in headers["x-appliance-signature"].split(","))
    assert fields["v1"] == hmac.new(b"geheim", f"{fields['t']}.".encode() + body, hashlib.sha256).hexdigest()
    # One that goes on has not come to an end: the failure stands.
    next(simulated.run("staging-twin", started=hours_ago(2)))
    simulated.send()
    notifies.turn()
    assert len(receiver.taken) == 1
    seeds.tell_run(simulated, "staging-twin", started=hours_ago(1))
    notifies.turn()
    assert [each["state"] for each in receiver.messages()] == ["firing", "resolved"]
    assert receiver.messages()[1]["appliance"] == "Hospital West"


def test_each_thing_that_is_wrong_is_a_condition_of_its_kind(dashboard: Dashboard) -> None:
    appliance_id, simulated = placed(dashboard)
    seeds.tell_run(simulated, "staging-twin", started=hours_ago(3))
    assert found(dashboard) == {}
    late = found(dashboard, later=27 * 3600)
    assert set(late) == {"appliance_offline", "twin_stale"}
    assert late["appliance_offline"].title == "Hospital West does not report"
    assert "nothing fresh for 26 hours" in late["twin_stale"].title
    assert found(dashboard, later=27 * 3600, stale_after_h=None, offline_after_min=10_080) == {}
    halt(simulated, hours_ago(2))
    wish = {"wanted_version": "2.0.0"}
    dashboard.api.patch(f"/v1/appliances/{appliance_id}", json=wish).raise_for_status()
    simulated.tell(UpdateChanged(version="2.0.0", state="refused", rule="updates.pin"))
    simulated.tell(HALTS)
    simulated.send()
    broken = ComponentReport(name="docker", state="down", problem=ScrubbedText.mark("It does not answer."))
    simulated.heartbeat(healthy=False, components=(broken,))
    wrong = found(dashboard)
    assert set(wrong) == {"appliance_unhealthy", "run_halted", "run_would_halt", "update_refused"}
    assert wrong["appliance_unhealthy"].text == "docker: It does not answer."
    assert "updates.pin" in wrong["update_refused"].text
    assert {each.appliance for each in wrong.values()} == {"Hospital West"}
    simulated.tell(UpdateChanged(version="2.0.0", state="failed"))
    simulated.send()
    assert "update_failed" in found(dashboard)


def test_who_asks_for_one_kind_hears_of_no_other(
    dashboard: Dashboard, tmp_path: Path, receiver: Receiver
) -> None:
    _, simulated = placed(dashboard)
    seeds.tell_run(simulated, "staging-twin", outcome="failed", started=hours_ago(3))
    path = written(tmp_path, receiver)
    document = yaml.safe_load(path.read_text())
    document["addresses"][0]["events"] = ["appliance_offline"]
    path.write_text(yaml.safe_dump(document))
    notifier(dashboard, path).turn()
    assert receiver.taken == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("addresses: []", "addresses"),
        ("addresses:\n  - {name: a, by: ntfy}", "url"),
        ("addresses:\n  - {name: a, by: ntfy, url: 'https://x.example/t', events: [disk_low]}", "events"),
        ("addresses:\n  - {name: a, by: ntfy, url: 'http://x.example/t'}", "https"),
        ("adresses: []", "addresses"),
    ],
)
def test_a_file_that_is_wrong_says_where_and_what_was_expected(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "notify.yaml"
    path.write_text(text + "\n")
    with pytest.raises(WrongDocumentError) as caught:
        read_notify(path)
    assert f"{path}:" in str(caught.value) and said in str(caught.value)


def test_a_dashboard_that_runs_notifies_by_itself_and_can_be_tried(
    tmp_path: Path, receiver: Receiver
) -> None:
    path = written(tmp_path, receiver)
    with running_dashboard(tmp_path, DASHBOARD_NOTIFY=str(path)) as dashboard:
        assert dashboard.command("notify-test") == "on-call: sent"
        assert receiver.messages()[0]["state"] == "test"
        api = dashboard.client(dashboard.command("create-token", "vendor", "--role", "admin"))
        created = api.post("/v1/appliances", json={"name": "Hospital West"}).raise_for_status().json()
        simulated = SimulatedAppliance(dashboard.client())
        simulated.enrol(created["enrolment_token"])
        simulated.heartbeat(healthy=False)
        while len(receiver.taken) < 2:
            time.sleep(0.2)
        assert receiver.messages()[1]["kind"] == "appliance_unhealthy"
        wrong = dashboard.environment
    path.write_text("addresses: 5\n")
    command = [sys.executable, "-m", "appliance.dashboard", "notify-test", "nobody-here"]
    done = subprocess.run(command, env=wrong, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"{path}:1" in done.stderr
