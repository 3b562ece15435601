"""The dashboard's page of an erasure: asked for by a number, shown in counts."""

from __future__ import annotations

from uuid import UUID

from appliance.contract.erasures import ErasureReported
from appliance.contract.events import CommandChanged
from tests.dashboard.conftest import Dashboard
from tests.dashboard.simulated_appliance import now


def test_an_erasure_is_asked_for_by_its_number_and_its_receipt_is_shown(stored: Dashboard) -> None:
    appliance_id, appliance = stored.enrolled()
    browser = stored.signed_in()
    refused = browser.post(f"/appliances/{appliance_id}/erasures", {"reference": "ann@shop.example"})
    assert refused.status_code == 422 and "no reference number" in refused.text
    sent = browser.post(f"/appliances/{appliance_id}/erasures", {"reference": " REQ-17 "})
    assert sent.status_code == 303
    command = UUID(sent.headers["location"].rpartition("/")[2])
    appliance.tell(CommandChanged(command_id=command, state="accepted"), now())
    appliance.send(appliance.outbox)
    page = browser.get(f"/commands/{command}").text
    assert "waits for the owner" in page and "--reference REQ-17" in page

    reported = ErasureReported(
        command_id=command,
        state="open",
        places=5,
        open_places=2,
        rows=31,
        number=7,
        digest="a" * 64,
        key="b" * 64,
        signature="c" * 128,
    )
    appliance.tell(reported, now())
    appliance.tell(reported.model_copy(update={"state": "done", "open_places": 0, "number": 8}), now())
    older, newer = appliance.outbox[-2:]
    # Out of order: the newer one stands.
    appliance.send([newer])
    appliance.send([older])
    page = browser.get(f"/commands/{command}").text
    assert "0 of 5 places are open" in page and "Receipt 8" in page and "a" * 64 in page
    assert "command.erase" in stored.audit()


def test_whoever_may_only_look_asks_for_no_erasure(stored: Dashboard) -> None:
    appliance_id, _ = stored.enrolled()
    token = stored.api.post("/v1/tokens", json={"name": "looks", "role": "viewer"}).raise_for_status().json()
    answer = stored.client().post(
        f"/v1/appliances/{appliance_id}/commands",
        json={"kind": "erase", "reference": "REQ-17"},
        headers={"authorization": f"Bearer {token['token']}"},
    )
    assert answer.status_code == 403
