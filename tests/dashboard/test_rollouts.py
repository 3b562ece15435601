"""A release for a group in waves, as the API and the pages show it."""

from __future__ import annotations

import time

import pytest

from appliance.contract.events import UpdateChanged
from appliance.dashboard.rollouts.advancing import SILENT_BEATS, advance, stop_revoked
from tests.dashboard.conftest import Dashboard
from tests.dashboard.simulated_appliance import SimulatedAppliance

WANTED = "1.1.0"
BEGIN = {"version": WANTED, "shares": [20, 50, 100], "watch_s": 0, "stop_percent": 20}


class Fleet:
    """Ten appliances of one dashboard."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard
        self.appliances = dict(dashboard.enrolled(f"Site {number}") for number in range(10))
        for each in self.appliances.values():
            each.heartbeat()

    def begin(self, **changes: object) -> str:
        answer = self.dashboard.api.post("/v1/rollouts", json=BEGIN | changes).raise_for_status().json()
        return str(answer["id"])

    def shown(self, rollout_id: str) -> dict[str, object]:
        found: dict[str, object] = (
            self.dashboard.api.get(f"/v1/rollouts/{rollout_id}").raise_for_status().json()
        )
        return found

    def asked(self) -> list[SimulatedAppliance]:
        """Those that their heartbeat's answer wishes on the release."""
        return [each for each in self.appliances.values() if wished(each) == WANTED]

    def advance(self, later: float = 0) -> None:
        context = self.dashboard.context
        advance(context.database, context.settings.heartbeat_seconds, time.time() + later)


def wished(appliance: SimulatedAppliance) -> str | None:
    wanted = appliance.heartbeat(**appliance.state).wanted_release
    return wanted.version if wanted else None


def move(appliance: SimulatedAppliance) -> None:
    appliance.state["version"] = WANTED
    appliance.heartbeat()


def go_back(appliance: SimulatedAppliance) -> None:
    appliance.tell(UpdateChanged(version=WANTED, state="failed"))
    appliance.send()


@pytest.fixture
def ten(stored: Dashboard) -> Fleet:
    return Fleet(stored)


def test_a_release_reaches_all_in_waves(ten: Fleet) -> None:
    rollout = ten.begin()
    sizes = []
    for _ in range(3):
        asked = ten.asked()
        sizes.append(len(asked))
        for each in asked:
            move(each)
        ten.advance()
        ten.advance()
    assert sizes == [2, 5, 10]
    assert ten.shown(rollout)["state"] == "done"
    assert {"rollout.begin", "rollout.next_wave", "rollout.done"} <= set(ten.dashboard.audit())


def test_a_wave_waits_for_the_last_of_the_one_before(ten: Fleet) -> None:
    rollout = ten.begin()
    first, second = ten.asked()
    move(first)
    ten.advance()
    assert ten.shown(rollout)["wave"] == 1 and len(ten.asked()) == 2
    move(second)
    ten.advance()
    assert ten.shown(rollout)["wave"] == 2 and len(ten.asked()) == 5


def test_it_stops_by_itself_and_takes_the_wish_back(ten: Fleet) -> None:
    rollout = ten.begin()
    first, second = ten.asked()
    move(first)
    go_back(second)
    ten.advance()
    shown = ten.shown(rollout)
    assert (shown["state"], shown["why"]) == ("stopped", "Of 2 asked, 1 went back and 0 fell silent.")
    assert wished(second) is None
    assert wished(first) == WANTED
    assert len(ten.asked()) == 1


def test_a_wave_that_falls_silent_stops_it(ten: Fleet) -> None:
    rollout = ten.begin()
    for each in ten.asked():
        each.heartbeat()
    ten.advance(later=(SILENT_BEATS + 1) * ten.dashboard.context.settings.heartbeat_seconds)
    assert ten.shown(rollout)["state"] == "stopped"
    assert "2 fell silent" in str(ten.shown(rollout)["why"])


def test_what_was_wished_before_is_wished_again_after_a_stop(ten: Fleet) -> None:
    for appliance_id in ten.appliances:
        ten.dashboard.api.patch(f"/v1/appliances/{appliance_id}", json={"wanted_version": "1.0.5"})
    rollout = ten.begin()
    assert len(ten.asked()) == 2
    ten.dashboard.api.post(f"/v1/rollouts/{rollout}/stop").raise_for_status()
    assert {wished(each) for each in ten.appliances.values()} == {"1.0.5"}
    assert ten.dashboard.api.post(f"/v1/rollouts/{rollout}/stop").status_code == 409


def test_a_person_may_begin_the_next_wave_at_once(ten: Fleet) -> None:
    rollout = ten.begin(watch_s=86400)
    assert ten.dashboard.api.post(f"/v1/rollouts/{rollout}/next-wave").json()["wave"] == 2
    assert ten.dashboard.api.post(f"/v1/rollouts/{rollout}/next-wave").json()["wave"] == 3
    assert len(ten.asked()) == 10
    assert ten.dashboard.api.post(f"/v1/rollouts/{rollout}/next-wave").status_code == 409


def test_an_appliance_that_somebody_wishes_elsewhere_leaves_the_rollout(ten: Fleet) -> None:
    rollout = ten.begin()
    members = ten.shown(rollout)["members"]
    assert isinstance(members, list)
    first = next(each for each in members if each["wave"] == 1)
    ten.dashboard.api.patch(f"/v1/appliances/{first['appliance_id']}", json={"wanted_version": None})
    ten.advance()
    members = ten.shown(rollout)["members"]
    assert isinstance(members, list)
    assert [each["outcome"] for each in members if each["appliance_id"] == first["appliance_id"]] == ["left"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"version": "newest"}, 422),
        ({"shares": [50, 20, 100]}, 422),
        ({"shares": [5, 25]}, 422),
        ({"shares": [0, 100]}, 422),
        ({"appliance_ids": []}, 422),
        ({"appliance_ids": ["no-such-appliance"]}, 404),
        ({"stop_percent": 101}, 422),
        ({"watch_s": -1}, 422),
    ],
    ids=str,
)
def test_what_cannot_be_rolled_out_is_refused(
    dashboard: Dashboard, changes: dict[str, object], status: int
) -> None:
    dashboard.enrolled()
    assert dashboard.api.post("/v1/rollouts", json=BEGIN | changes).status_code == status


def test_a_rollout_of_what_was_revoked_since_stops_by_itself(ten: Fleet) -> None:
    rollout = ten.begin()
    stop_revoked(ten.dashboard.context.database, {"1.0.0": "Other.", WANTED: "It loses rows."})
    shown = ten.shown(rollout)
    assert (shown["state"], shown["why"]) == ("stopped", "1.1.0 was revoked: It loses rows.")
    assert ten.asked() == []


def test_an_appliance_is_in_one_rollout_at_a_time(ten: Fleet) -> None:
    ten.begin()
    answer = ten.dashboard.api.post("/v1/rollouts", json=BEGIN | {"version": "1.2.0"})
    assert answer.status_code == 409 and "Site 0" in answer.text


def test_the_page_begins_shows_and_stops_one(dashboard: Dashboard) -> None:
    fleet = Fleet(dashboard)
    browser = dashboard.signed_in()
    form = {
        "version": WANTED,
        "shares": "20, 50, 100",
        "watch_min": "0",
        "stop_percent": "20",
        "name": "Site",
    }
    assert browser.post("/releases/rollouts", form).status_code == 303
    page = browser.get("/releases").text
    assert "1.1.0 in waves" in page and "2 waiting" in page and "5 not asked yet" in page
    assert "Wished, not there yet" in page
    (rollout,) = dashboard.api.get("/v1/rollouts").json()
    going_on = f"/releases/rollouts/{rollout['id']}/next-wave"
    assert 'name="wave" value="1"' in page
    assert browser.post(going_on, {"wave": "1"}).status_code == 303
    assert browser.post(going_on, {"wave": "1"}).status_code == 409, "a second click is no second wave"
    assert len(fleet.asked()) == 5
    assert browser.post(f"/releases/rollouts/{rollout['id']}/stop").status_code == 303
    page = browser.get("/releases").text
    assert "Stopped by ada." in page and "Wished, not there yet" not in page


def test_a_wish_is_withdrawn_by_its_button(dashboard: Dashboard) -> None:
    appliance_id, appliance = dashboard.enrolled()
    appliance.heartbeat()
    dashboard.api.patch(f"/v1/appliances/{appliance_id}", json={"wanted_version": WANTED})
    browser = dashboard.signed_in()
    assert "Withdraw the wish for Hospital West" in browser.get("/releases").text
    assert browser.post(f"/releases/wishes/{appliance_id}/withdraw").status_code == 303
    assert wished(appliance) is None


def test_a_form_with_a_word_for_a_number_says_so(dashboard: Dashboard) -> None:
    dashboard.enrolled()
    form = {"version": WANTED, "shares": "5, all", "watch_min": "0", "stop_percent": "20"}
    answer = dashboard.signed_in().post("/releases/rollouts", form)
    assert answer.status_code == 422 and "whole number" in answer.text
