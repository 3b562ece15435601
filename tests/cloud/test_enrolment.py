"""Enrolling: one token, used once, exchanged for another that only its owner can read; and rotating that."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.cloud.client import DashboardAwayError, DashboardClient, TokenRefusedError, checked_url
from appliance.cloud.enrolment import load_identity, rotate
from appliance.errors import WrongRequestError
from tests.cloud.appliance_rig import ApplianceRig, CloudSide
from tests.cloud.faithless_proxy import faithless_proxy
from tests.dashboard.running import RunningDashboard


def cli(rig: ApplianceRig, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    _ = rig.settings
    return subprocess.run(
        [sys.executable, "-m", "appliance", *arguments],
        env=rig.process_environment,
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_token_goes_in_by_standard_input_and_its_successor_is_for_the_owner_only(
    rig: ApplianceRig, cloud: CloudSide, dashboard: RunningDashboard
) -> None:
    done = cli(rig, "enrol", dashboard.url, "-", given=cloud.enrolment_token + "\n")
    assert done.returncode == 0, done.stderr
    assert "Enrolled with" in done.stdout and cloud.enrolment_token not in done.stdout
    path = rig.settings.identity_file
    assert path.stat().st_mode & 0o777 == 0o600
    identity = load_identity(path)
    assert identity is not None and identity.appliance_id == cloud.appliance_id
    assert cloud.enrolment_token not in path.read_text() and identity.token not in repr(identity)
    again = cli(rig, "enrol", dashboard.url, cloud.enrolment_token)
    assert again.returncode in (0, 2)
    rig.turn_until(lambda: rig.reporter.describe().last_contact_at)
    used = cli(rig, "enrol", dashboard.url, cloud.enrolment_token)
    assert used.returncode == 2 and "does not accept that enrolment token" in used.stderr
    assert load_identity(path) is not None, "a failed attempt must not take the identity away"


def test_the_machine_can_be_set_up_with_a_token_in_a_file(
    rig: ApplianceRig, cloud: CloudSide, dashboard: RunningDashboard
) -> None:
    rig.environment["APPLIANCE_DASHBOARD_URL"] = dashboard.url
    (rig.folder / "etc" / "enrolment-token").write_text(cloud.enrolment_token + "\n")
    rig.restart()
    rig.turn_until(lambda: rig.reporter.describe().last_contact_at)
    assert cloud.appliance["appliance"]["condition"] in {"healthy", "unhealthy"}


def test_a_lost_answer_is_asked_for_again(
    rig: ApplianceRig, cloud: CloudSide, dashboard: RunningDashboard
) -> None:
    with faithless_proxy(int(dashboard.url.rsplit(":", 1)[1])) as way:
        way.habit = "lost"
        with pytest.raises(DashboardAwayError):
            rig.enrol(f"http://127.0.0.1:{way.port}", cloud.enrolment_token)
    assert rig.enrol(dashboard.url, cloud.enrolment_token).appliance_id == cloud.appliance_id


def test_a_rotated_token_replaces_the_old_one_at_its_first_use(enrolled: ApplianceRig) -> None:
    path = enrolled.settings.identity_file
    old = load_identity(path)
    assert old is not None
    client = DashboardClient(old.url, version="1", token=old.token)
    new = rotate(client, old, path)
    assert new.token != old.token and load_identity(path) == new and new.former == old.token
    client.call("POST", "/v1/appliance/token")
    client.token = old.token
    with pytest.raises(TokenRefusedError):
        client.call("POST", "/v1/appliance/token")
    client.close()


def test_a_new_token_that_a_delayed_request_made_void_is_given_up_for_the_one_before_it(
    enrolled: ApplianceRig, cloud: CloudSide
) -> None:
    path = enrolled.settings.identity_file
    old = load_identity(path)
    assert old is not None
    client, overtaken = (DashboardClient(old.url, version="1", token=old.token) for _ in range(2))
    new = rotate(client, old, path)
    # The request before it, whose answer never came, reaches the dashboard only now.
    assert overtaken.call("POST", "/v1/appliance/token").status == 200
    client.close(), overtaken.close()
    enrolled.restart()
    enrolled.tell_run("staging-twin-1")
    enrolled.send_all()
    assert cloud.runs["staging-twin-1"]["state"] == "succeeded"
    kept = load_identity(path)
    assert kept is not None and (kept.token, kept.former) == (old.token, "") and kept.token != new.token
    with contextlib.closing(sqlite3.connect(cloud.store, timeout=300)) as store:
        store.execute("UPDATE appliance SET token_at = 1 WHERE id = ?", [cloud.appliance_id])
        store.commit()

    def renewed() -> bool:
        kept = load_identity(path)
        return kept is not None and kept.token not in (old.token, new.token) and not kept.former

    enrolled.turn_until(renewed)
    assert enrolled.reporter.describe().problem is None


def test_an_old_token_is_renewed_by_itself_also_where_the_answer_is_lost_at_first(
    rig: ApplianceRig, cloud: CloudSide, dashboard: RunningDashboard
) -> None:
    with faithless_proxy(int(dashboard.url.rsplit(":", 1)[1])) as way:
        old = rig.enrol(f"http://127.0.0.1:{way.port}", cloud.enrolment_token)
        rig.turn_until(lambda: rig.reporter.describe().last_contact_at)
        with contextlib.closing(sqlite3.connect(cloud.store, timeout=300)) as store:
            store.execute("UPDATE appliance SET token_at = 1 WHERE id = ?", [cloud.appliance_id])
            store.commit()
        way.lose = "/v1/appliance/token"
        command = cloud.command(kind="sync")
        rig.turn_until(lambda: cloud.command_state(command)["state"] == "done")
        assert any(request.path == way.lose for request in way.heard)
        assert load_identity(rig.settings.identity_file) == old, "a token that never came is not used"
        way.lose = ""
        rig.turn_until(lambda: load_identity(rig.settings.identity_file) != old)
        asked = [request.path for request in way.heard].count("/v1/appliance/token")
        rig.tell_run("staging-twin-1")
        rig.send_all()
        assert [request.path for request in way.heard].count("/v1/appliance/token") == asked, "asked once"
    assert cloud.runs["staging-twin-1"]["state"] == "succeeded"
    audited = [
        entry["action"] for entry in cloud.get(f"/v1/audit?search={cloud.appliance['appliance']['name']}")
    ]
    assert audited.count("appliance.token_rotated") == 1
    client = DashboardClient(
        old.url.replace(str(way.port), dashboard.url.rsplit(":", 1)[1]), version="1", token=old.token
    )
    with pytest.raises(TokenRefusedError):
        client.call("POST", "/v1/appliance/token")
    client.close()


def test_a_revoked_appliance_goes_on_and_says_why_nothing_is_reported(
    enrolled: ApplianceRig, cloud: CloudSide
) -> None:
    cloud.api.delete(f"/v1/appliances/{cloud.appliance_id}").raise_for_status()
    enrolled.tell_run("staging-twin-1")
    enrolled.turn_until(lambda: enrolled.reporter.describe().problem)
    assert "revoked" in (enrolled.reporter.describe().problem or "") and enrolled.waiting == 5


@pytest.mark.parametrize(
    "url",
    [
        "http://dashboard.example.com",
        "ftp://x",
        "dashboard.example.com",
        "https://user:pw@x",
        "https://",
        "https://x?a=b",
    ],
)
def test_an_address_that_would_give_the_token_away_is_refused(url: str) -> None:
    with pytest.raises(WrongRequestError):
        checked_url(url)


def test_an_identity_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "dashboard.json"
    path.write_text("{}")
    path.chmod(0o644)
    with pytest.raises(WrongRequestError, match="chmod 600"):
        load_identity(path)
