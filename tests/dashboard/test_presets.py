"""Presets of the dashboard: their versions, and what becomes of the workflows that use them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from appliance.contract.fields import document_digest
from appliance.workflow.document import Workflow
from tests.dashboard.conftest import Dashboard
from tests.dashboard.seeds import STAGING
from tests.dashboard.test_second_person import Asking

PII = "name: company-pii\ntitle: Personal everywhere\nmasks:\n  '*.*.email': email\n  '*.*.iban': iban\n"
USING = STAGING.replace("masks:\n", "use: [company-pii]\nmasks:\n", 1)


class Desk:
    """A dashboard with a preset, a workflow that uses it, and an appliance that has the workflow."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.api, self.dashboard = dashboard.api, dashboard
        self.api.post("/v1/presets", json={"yaml": PII}).raise_for_status()
        self.api.post("/v1/workflows", json={"yaml": USING}).raise_for_status()
        self.appliance_id, self.appliance = dashboard.enrolled()
        body = {"appliance_ids": [self.appliance_id]}
        self.api.put("/v1/workflows/staging-twin/appliances", json=body).raise_for_status()

    def save(self, yaml: str, **more: Any) -> dict[str, Any]:
        answer = self.api.put("/v1/presets/company-pii", json={"yaml": yaml, **more})
        return dict(answer.raise_for_status().json())

    def delivered(self) -> dict[str, Any]:
        self.appliance.fetch()
        (found,) = self.appliance.workflows.workflows
        assert document_digest(found.document) == found.digest
        Workflow.model_validate(found.document)
        return dict(found.document)


@pytest.fixture
def desk(dashboard: Dashboard) -> Desk:
    return Desk(dashboard)


def test_a_workflow_is_sent_with_the_rules_of_its_presets_and_again_when_they_change(
    stored: Dashboard,
) -> None:
    desk = Desk(stored)
    (sent,) = desk.delivered()["use"]
    assert (sent["name"], sent["version"], sent["masks"]["*.*.iban"]) == ("company-pii", "1", "iban")
    assert desk.appliance.fetch() is False
    assert desk.save(PII)["changed"] == []
    assert desk.appliance.fetch() is False
    saved = desk.save(PII + "  '*.*.phone': phone\n", note="telephones")
    assert (saved["revision"], saved["changed"], saved["proposed"]) == (2, ["staging-twin"], [])
    (sent,) = desk.delivered()["use"]
    assert (sent["version"], sent["masks"]["*.*.phone"]) == ("2", "phone")
    versions = desk.api.get("/v1/workflows/staging-twin/versions").json()
    assert [each["note"] for each in versions] == ["company-pii has version 2", ""]
    # What people wrote is as they wrote it.
    assert desk.api.get("/v1/workflows/staging-twin").json()["yaml"] == USING
    back = desk.api.post("/v1/presets/company-pii/roll-back", json={"version": 1}).raise_for_status()
    assert back.json()["revision"] == 3
    assert "*.*.phone" not in desk.delivered()["use"][0]["masks"]


def test_a_draft_is_planned_with_the_rules_and_an_unknown_name_is_left_to_the_appliance(desk: Desk) -> None:
    answer = desk.api.post("/v1/workflows/check", json={"yaml": USING.replace("company-pii", "of-a-file")})
    assert answer.json() == {"valid": True, "problems": []}
    desk.api.put(
        "/v1/workflows/staging-twin", json={"yaml": USING.replace("company-pii", "of-a-file")}
    ).raise_for_status()
    assert desk.delivered()["use"] == ["of-a-file"]
    page = desk.dashboard.signed_in().get("/workflows/staging-twin").text
    assert "of-a-file" in page and "a file of each appliance" in page


def test_a_preset_that_is_used_is_not_archived_and_one_that_is_not_is(desk: Desk) -> None:
    refused = desk.api.delete("/v1/presets/company-pii")
    assert refused.status_code == 409
    assert "staging-twin" in refused.text
    desk.api.put("/v1/workflows/staging-twin", json={"yaml": STAGING}).raise_for_status()
    assert desk.api.delete("/v1/presets/company-pii").status_code == 204
    assert desk.api.get("/v1/presets").json() == []
    assert desk.api.post("/v1/presets", json={"yaml": PII}).json()["revision"] == 2


@pytest.mark.parametrize(
    ("yaml", "status", "said"),
    [
        (PII.replace("email\n", "emial\n"), 422, "there is no mask `emial`"),
        ("name: Company\n", 422, "is not allowed"),
        (PII.replace("company-pii", "other"), 422, "The name must stay company-pii"),
        (PII + "use: [x]\n", 422, "is not a known key"),
    ],
)
def test_a_wrong_preset_changes_nothing(desk: Desk, yaml: str, status: int, said: str) -> None:
    answer = desk.api.put("/v1/presets/company-pii", json={"yaml": yaml})
    assert (answer.status_code, said in answer.text) == (status, True), answer.text
    assert desk.api.get("/v1/presets/company-pii").json()["revision"] == 1


def test_two_changes_of_one_preset_are_a_conflict(desk: Desk) -> None:
    desk.save(PII + "keep: ['*.*.id']\n", based_on=1)
    late = desk.api.put("/v1/presets/company-pii", json={"yaml": PII + "keep: []\n", "based_on": 1})
    assert late.status_code == 409


def test_the_pages_show_and_save_a_preset(desk: Desk) -> None:
    browser = desk.dashboard.signed_in()
    listed = browser.get("/presets").text
    assert "Personal everywhere" in listed and "2 masked, 0 kept" in listed and "staging-twin" in listed
    assert "use: [company-pii]" in browser.get("/presets/company-pii").text
    assert "/preset-schema.json" in browser.get("/presets/company-pii/edit").text
    wrong = browser.post("/presets/company-pii/edit", {"yaml": PII + "keep: [id]\n", "based_on": "1"})
    assert wrong.status_code == 422
    assert "Line 6" in wrong.text
    saved = browser.post(
        "/presets/company-pii/edit", {"yaml": PII + "keep: ['*.*.id']\n", "based_on": "1", "note": "ids"}
    )
    assert saved.headers["location"].startswith("/presets/company-pii?note=")
    late = browser.post("/presets/company-pii/edit", {"yaml": PII, "based_on": "1"})
    assert (late.status_code, "Version 2 was saved meanwhile" in late.text) == (409, True)
    assert 'class="added"' in browser.get("/presets/company-pii/history/2").text
    assert browser.post("/presets/company-pii/history/1", {}).status_code == 303
    assert browser.get("/workflow-schema.json").json()["properties"]["use"]["items"]["enum"] == [
        "company-pii"
    ]
    assert browser.post("/presets", {"yaml": "name: other\nkeep: ['*.*.id']\n"}).status_code == 303
    shown = browser.get("/workflows/staging-twin").text
    assert "Preset <b>company-pii</b>" in shown and "version 3" in shown


def test_a_preset_that_keeps_more_waits_for_a_second_person_in_each_workflow(
    make_dashboard: Callable[..., Dashboard],
) -> None:
    asking = Asking(make_dashboard(second_person="editor"))
    api = asking.dashboard.api
    api.post("/v1/presets", json={"yaml": PII}).raise_for_status()
    proposal_id = asking.proposed(asking.eva, USING)
    asking.accept(asking.otto, proposal_id)
    assert asking.delivered()["use"][0]["version"] == "1"
    answer = asking.eva.post(
        "/presets/company-pii/edit", {"yaml": PII + "keep: ['*.*.note']\n", "based_on": "1"}
    )
    assert "proposed" in answer.headers["location"]
    assert asking.delivered()["use"][0]["version"] == "1"
    (waiting,) = [each for each in api.get("/v1/proposals").json() if each["state"] == "waiting"]
    assert waiting["note"] == "company-pii has version 2"
    assert "keeps *.*.note" in asking.otto.get(f"/proposals/{waiting['id']}").text
    assert asking.accept(asking.otto, waiting["id"]).status_code == 303
    assert asking.delivered()["use"][0]["keep"] == ["*.*.note"]
