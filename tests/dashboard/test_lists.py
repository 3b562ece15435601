"""The lists of appliances and workflows: tags, order, and the same change for those that are ticked."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.dashboard.pages.fleet import SORTED_BY as FLEET_ORDERS
from appliance.dashboard.pages.listing import Shown, ordered
from appliance.dashboard.pages.workflow import SORTED_BY as WORKFLOW_ORDERS
from tests.dashboard import seeds
from tests.dashboard.conftest import Browser, Dashboard
from tests.dashboard.seeds import ANALYTICS, ON_DEMAND, STAGING, tell_run


def names(browser: Browser, address: str) -> list[str]:
    return re.findall(r'<a class="main" href="[^"]+"[^>]*>([^<]+)</a>', browser.get(address).text)


def several(dashboard: Dashboard, *wanted: str) -> list[str]:
    return [
        dashboard.api.post("/v1/appliances", json={"name": name}).json()["appliance_id"] for name in wanted
    ]


def ticked(browser: Browser, path: str, ids: list[str], **form: str) -> Any:
    data = {"csrf": browser.csrf("/account"), "id": ids, **form}
    return browser.client.post(path, data=data)


def test_tags_are_kept_without_case_and_found_by(stored: Dashboard) -> None:
    west, _ = several(stored, "West", "East")
    given_tags = {"tags": ["  North ", "north", "High  Care"]}
    answer = stored.api.put(f"/v1/appliances/{west}/tags", json=given_tags)
    assert answer.json() == {"tags": ["high care", "north"]}
    found = stored.api.get("/v1/appliances", params={"tag": "north"}).json()
    assert [row["name"] for row in found] == ["West"]
    browser = stored.signed_in()
    assert names(browser, "/?tag=high+care") == ["West"]
    assert names(browser, "/?tag=nowhere") == []
    stored.api.put(f"/v1/appliances/{west}/tags", json={"tags": []}).raise_for_status()
    assert stored.api.get(f"/v1/appliances/{west}").json()["tags"] == []
    (entry, *_) = stored.api.get("/v1/audit").json()
    assert entry["detail"] == {"removed": "high care, north"}


@pytest.mark.parametrize("word", ["a,b", "x" * 41, "a\u0000b"])
def test_what_can_be_no_tag_is_refused(dashboard: Dashboard, word: str) -> None:
    (west,) = several(dashboard, "West")
    assert dashboard.api.put(f"/v1/appliances/{west}/tags", json={"tags": [word]}).status_code == 422
    assert dashboard.api.get(f"/v1/appliances/{west}").json()["tags"] == []


def test_one_has_twenty_tags_at_the_most(dashboard: Dashboard) -> None:
    (west,) = several(dashboard, "West")
    tags = [f"t{number}" for number in range(20)]
    dashboard.api.put(f"/v1/appliances/{west}/tags", json={"tags": tags}).raise_for_status()
    more = {"ids": [west], "action": "tag", "tags": ["one-more"]}
    (outcome,) = dashboard.api.post("/v1/appliances/bulk", json=more).json()
    assert "21 tags" in outcome["problem"]
    assert len(dashboard.api.get(f"/v1/appliances/{west}").json()["tags"]) == 20


def test_a_column_sorts_upwards_then_downwards_and_what_is_not_known_is_last(dashboard: Dashboard) -> None:
    several(dashboard, "charlie", "Alpha")
    dashboard.enrolled("Bravo")
    browser = dashboard.signed_in()
    assert names(browser, "/?sort=name") == ["Alpha", "Bravo", "charlie"]
    assert names(browser, "/?sort=-name") == ["charlie", "Bravo", "Alpha"]
    _, beating = dashboard.enrolled("Delta")
    beating.heartbeat()
    assert names(browser, "/?sort=seen")[0] == names(browser, "/?sort=-seen")[0] == "Delta"
    page = browser.get("/?sort=name").text
    assert 'aria-sort="ascending"><a href="/?sort=-name"' in page
    assert page.count('aria-sort="none"') == len(FLEET_ORDERS) - 1


def test_every_column_of_both_lists_sorts(dashboard: Dashboard) -> None:
    seeds.fleet(dashboard.api, dashboard.client)
    browser = dashboard.signed_in()
    for path, orders in (("/", FLEET_ORDERS), ("/workflows", WORKFLOW_ORDERS)):
        everything = sorted(names(browser, path))
        for column in orders:
            upwards = names(browser, f"{path}?sort={column}")
            assert sorted(upwards) == sorted(names(browser, f"{path}?sort=-{column}")) == everything
    assert browser.get("/?sort=nothing&show=nothing&p=-3").status_code == 200


@given(st.lists(st.one_of(st.none(), st.integers())), st.booleans())
def test_sorting_loses_no_row_and_puts_what_is_not_known_last(values: list[int | None], down: bool) -> None:
    rows = [{"value": value} for value in values]
    found = ordered(rows, "-v" if down else "v", {"v": lambda row: row["value"]})
    known = [value for value in values if value is not None]
    missing = len(values) - len(known)
    assert [row["value"] for row in found] == [*sorted(known, reverse=down), *[None] * missing]


def test_addresses_keep_what_was_asked_for() -> None:
    here = Shown("/", q="a&b", show="offline", tag="high care", sort="-name", p=3)
    assert here.link() == "/?q=a%26b&show=offline&tag=high+care&sort=-name"
    assert here.link(p=4) == "/?q=a%26b&show=offline&tag=high+care&sort=-name&p=4"
    assert here.link(tag="", q="", show="", sort="") == "/"


def test_several_appliances_are_tagged_and_untagged_together(dashboard: Dashboard) -> None:
    ids = several(dashboard, "West", "East", "South")
    browser = dashboard.signed_in()
    answer = ticked(
        browser, "/appliances/bulk", ids[:2], action="tag", tags="North, high care", back="sort=name"
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/?sort=name&note=all-done")
    assert names(browser, "/?tag=north&sort=name") == ["East", "West"]
    ticked(browser, "/appliances/bulk", ids, action="untag", tags="north")
    assert names(browser, "/?tag=north") == []
    assert sorted(names(browser, "/?tag=high+care")) == ["East", "West"]


def test_a_workflow_is_assigned_to_those_ticked_and_stays_with_the_others(stored: Dashboard) -> None:
    west, east, south = several(stored, "West", "East", "South")
    stored.api.post("/v1/workflows", json={"yaml": STAGING}).raise_for_status()
    stored.api.put("/v1/workflows/staging-twin/appliances", json={"appliance_ids": [south]})

    def assigned() -> set[str]:
        rows = stored.api.get("/v1/workflows/staging-twin").json()["appliances"]
        return {row["name"] for row in rows}

    change = {"ids": [west, east], "action": "assign", "workflow": "staging-twin"}
    outcomes = stored.api.post("/v1/appliances/bulk", json=change).raise_for_status().json()
    assert [(each["name"], each["problem"]) for each in outcomes] == [("West", None), ("East", None)]
    assert assigned() == {"West", "East", "South"}
    stored.api.post("/v1/appliances/bulk", json={**change, "ids": [east, south], "action": "unassign"})
    assert assigned() == {"West"}


def test_one_that_cannot_be_changed_stops_no_other_and_is_named(dashboard: Dashboard) -> None:
    west, east = several(dashboard, "West", "East")
    dashboard.api.post("/v1/workflows", json={"yaml": STAGING}).raise_for_status()
    dashboard.api.delete(f"/v1/appliances/{west}").raise_for_status()
    answer = ticked(
        dashboard.signed_in(), "/appliances/bulk", [west, east], action="assign", workflow="staging-twin"
    )
    assert answer.status_code == 200
    assert "Done for 1 of 2" in answer.text and "West is revoked." in answer.text


def test_a_release_is_wished_for_those_ticked_and_asked_for(dashboard: Dashboard) -> None:
    west, appliance = dashboard.enrolled("West")
    (east,) = several(dashboard, "East")
    browser = dashboard.signed_in()
    assert ticked(browser, "/appliances/bulk", [west], action="release", version="2.1.0").status_code == 303
    assert dashboard.api.get(f"/v1/appliances/{west}").json()["appliance"]["wanted_version"] == "2.1.0"
    assert dashboard.api.get(f"/v1/appliances/{east}").json()["appliance"]["wanted_version"] is None
    assert "update" in str(appliance.heartbeat())


def test_a_token_that_is_to_be_changed_is_changed_once(stored: Dashboard) -> None:
    west, appliance = stored.enrolled("West")
    (new,) = several(stored, "Never enrolled")
    change = {"ids": [west, new], "action": "rotate"}
    outcomes = stored.api.post("/v1/appliances/bulk", json=change).json()
    assert [each["problem"] is None for each in outcomes] == [True, False]
    # The simulated appliance takes a new token as soon as it is asked to, as a real one does.
    assert appliance.heartbeat().rotate_token
    assert not appliance.heartbeat().rotate_token
    assert not appliance.heartbeat().rotate_token
    assert "appliance.token_rotated" in stored.audit()


def test_several_workflows_are_tagged_assigned_run_and_archived(dashboard: Dashboard) -> None:
    west, appliance = dashboard.enrolled("West")
    for yaml in (STAGING, ANALYTICS, ON_DEMAND):
        dashboard.api.post("/v1/workflows", json={"yaml": yaml}).raise_for_status()
    browser = dashboard.signed_in()
    two = ["staging-twin", "analytics-copy"]
    ticked(browser, "/workflows/bulk", two, action="tag", tags="nightly")
    assert sorted(names(browser, "/workflows?tag=nightly")) == ["Analytics copy", "Nightly staging twin"]
    none_yet = ticked(browser, "/workflows/bulk", two, action="run")
    assert "Done for 0 of 2" in none_yet.text
    ticked(browser, "/workflows/bulk", two, action="assign", appliance=west)
    assert ticked(browser, "/workflows/bulk", two, action="run").status_code == 303
    asked = [command.request.kind for command in appliance.heartbeat().commands]
    assert asked == ["run", "run"]
    ticked(browser, "/workflows/bulk", two, action="archive")
    assert names(browser, "/workflows") == ["Support sandbox"]


@pytest.mark.parametrize(
    "form",
    [
        {"action": "tag", "tags": " , "},
        {"action": "tag", "tags": "a" * 60},
        {"action": "remove everything"},
        {"action": "assign", "workflow": "no-such"},
    ],
)
def test_what_can_be_done_for_none_is_refused_at_once(dashboard: Dashboard, form: dict[str, str]) -> None:
    ids = several(dashboard, "West")
    assert ticked(dashboard.signed_in(), "/appliances/bulk", ids, **form).status_code in {404, 422}
    assert ticked(dashboard.signed_in(), "/appliances/bulk", [], action="sync").status_code == 422


def test_the_way_back_leads_to_the_list_and_nowhere_else(dashboard: Dashboard) -> None:
    ids = several(dashboard, "West")
    for back in ("//evil.example", "https://evil.example/", "q=//evil.example&note=x", "\r\nset-cookie: x"):
        answer = ticked(dashboard.signed_in(), "/appliances/bulk", ids, action="tag", tags="x", back=back)
        assert answer.status_code == 303
        assert re.match(r"/\?(q=[^&/]+&)?note=all-done$", answer.headers["location"])


def test_an_appliance_with_a_failing_workflow_is_not_plainly_healthy(dashboard: Dashboard) -> None:
    west, appliance = dashboard.enrolled("West")
    dashboard.api.post("/v1/workflows", json={"yaml": STAGING}).raise_for_status()
    dashboard.api.put("/v1/workflows/staging-twin/appliances", json={"appliance_ids": [west]})
    tell_run(appliance, "staging-twin", outcome="failed")
    appliance.heartbeat()
    browser = dashboard.signed_in()
    for address in ("/", f"/appliances/{west}"):
        page = browser.get(address).text
        assert "Works, runs fail" in page and ">Healthy<" not in page
    assert names(browser, "/workflows?show=failing") == ["Nightly staging twin"]
