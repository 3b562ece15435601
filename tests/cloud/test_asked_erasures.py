"""An erasure asked for from the dashboard: by a number only, done by the owner alone, and answered for."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from appliance.cli.work.copies.asked_erasures import (
    decline_request,
    is_asked_for,
    tell_progress,
    waiting_requests,
)
from appliance.erasure.receipt import sign_erasure
from appliance.errors import WrongRequestError
from appliance.scrubbing.reference import check_reference
from appliance.status.state import State
from appliance.subjects.records import PlaceRecord, PlaceState, TableCount
from tests.cloud.appliance_rig import ApplianceRig, CloudSide
from tests.unit.subject_records import a_record

KEYED = next(iter(a_record().digests.values()))


@pytest.fixture
def owner(enrolled: ApplianceRig, monkeypatch: pytest.MonkeyPatch) -> ApplianceRig:
    """Commands that this process runs are the owner's, on this appliance."""
    for name, value in enrolled.process_environment.items():
        if name.startswith("APPLIANCE_"):
            monkeypatch.setenv(name, value)
    _ = enrolled.settings
    return enrolled


def asked(rig: ApplianceRig, cloud: CloudSide, reference: str) -> str:
    command = cloud.command(kind="erase", reference=reference)
    rig.turn_until(lambda: cloud.command_state(command)["state"] == "accepted")
    return command


def erased(rig: ApplianceRig, reference: str, state: PlaceState) -> str:
    """A pass of the erasure, signed; its receipt's digest."""
    record = a_record()
    counts = (TableCount(table="public.customer", before=2, after=0),)
    places = (
        PlaceRecord(kind="twin", name="staging/shop", state="done", tables=counts),
        PlaceRecord(kind="branch", name="staging/shop__b", state=state),
    )
    ended = None if state == "open" else record.begun_at + timedelta(hours=1)
    record = record.model_copy(update={"reference": reference, "places": places, "ended_at": ended})
    return sign_erasure(rig.settings.state_dir, record, [])[1].digest


def test_it_waits_for_the_owner_and_is_answered_with_counts_and_a_digest(
    owner: ApplianceRig, cloud: CloudSide
) -> None:
    # An erasure of before with the same number answers nothing.
    erased(owner, "REQ-17", "empty")
    command = asked(owner, cloud, "REQ-17")
    assert [each.reference for each in waiting_requests()] == ["REQ-17"]
    assert is_asked_for("REQ-17") and not is_asked_for("REQ-18")
    assert cloud.command_state(command)["erasure"] is None
    (shown_here,) = State(owner.settings).report().erasures or ()
    assert (shown_here.reference, shown_here.begun) == ("REQ-17", False)

    first = erased(owner, "REQ-17", "open")
    assert tell_progress("REQ-17") and tell_progress("REQ-17") is None, (
        "an erasure is reported only when it changed"
    )
    owner.turn_until(lambda: cloud.command_state(command)["erasure"])
    (shown_here,) = State(owner.settings).report().erasures or ()
    assert (shown_here.reference, shown_here.begun) == ("REQ-17", True)
    shown = cloud.command_state(command)
    assert shown["state"] == "accepted"
    reported = shown["erasure"]
    assert (reported["state"], reported["places"], reported["open_places"], reported["rows"]) == (
        "open",
        2,
        1,
        2,
    )
    assert reported["digest"] == first

    second = erased(owner, "REQ-17", "empty")
    assert waiting_requests() == []
    assert State(owner.settings).report().erasures == ()
    owner.turn_until(lambda: cloud.command_state(command)["state"] == "done")
    reported = cloud.command_state(command)["erasure"]
    assert (reported["state"], reported["open_places"], reported["digest"]) == ("done", 0, second)
    rows = owner.db.execute("SELECT payload::text AS text FROM appliance.event").fetchall()
    assert not any("public.customer" in row["text"] or KEYED in row["text"] for row in rows)


def test_the_owner_may_decline_it(owner: ApplianceRig, cloud: CloudSide) -> None:
    command = asked(owner, cloud, "REQ-18")
    assert decline_request("REQ-18") == 1
    owner.turn_until(lambda: cloud.command_state(command)["state"] == "refused")
    assert cloud.command_state(command)["rule"] == "owner"
    with pytest.raises(WrongRequestError, match="No request with the reference"):
        decline_request("REQ-18")


def test_what_waits_for_the_owner_is_never_tidied_away(owner: ApplianceRig, cloud: CloudSide) -> None:
    asked(owner, cloud, "REQ-19")
    owner.db.execute("UPDATE appliance.command SET received_at = now() - interval '1 year'")
    sync = cloud.command(kind="sync")
    owner.turn_until(lambda: cloud.command_state(sync)["state"] == "done")
    assert [each.reference for each in waiting_requests()] == ["REQ-19"]


@pytest.mark.parametrize("value", ["ann@shop.example", "+49 151 12345678", "4915112345678", "Ann Smith", ""])
def test_what_could_name_a_person_is_no_reference(cloud: CloudSide, value: str) -> None:
    with pytest.raises(httpx.HTTPStatusError, match=r"4(00|22)"):
        cloud.command(kind="erase", reference=value)
    with pytest.raises(WrongRequestError, match="no reference number"):
        check_reference(value)


def test_a_reference_may_not_hold_what_was_typed() -> None:
    assert check_reference("REQ-17", "ann") == "REQ-17"
    with pytest.raises(WrongRequestError, match="no reference number"):
        check_reference("REQ-Ann-17", "ann")
