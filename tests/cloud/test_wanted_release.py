"""A release that the dashboard wants: judged by policy, handed to the updater in a file, and answered."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import appliance
from appliance.releases.held import Held, write_held
from appliance.status.state import State
from tests.cloud.appliance_rig import POLICY, ApplianceRig, CloudSide

NEXT = "9.9.9"


def wanted(rig: ApplianceRig) -> dict[str, Any] | None:
    path = rig.folder / "state" / "update" / "wanted.json"
    return json.loads(path.read_text()) if path.exists() else None


def answer(
    rig: ApplianceRig, version: str = NEXT, result: str = "done", message: str = "", **more: Any
) -> None:
    """What the updater does when it has finished."""
    folder = rig.folder / "state" / "update"
    folder.mkdir(exist_ok=True)
    at = datetime.now(UTC).isoformat()
    answers_reported = {"version": version, "result": result, "message": message, "at": at, **more}
    (folder / "outcome.json").write_text(json.dumps(answers_reported))


def answers_reported(cloud: CloudSide) -> list[tuple[str, str]]:
    """(version, state) of every event about updates, oldest first."""
    events = [event["data"] for event in cloud.events if event["type"] == "update_changed"]
    return [(data["version"], data["state"]) for data in reversed(events)]


def want(cloud: CloudSide, version: str | None) -> None:
    """The standing wish alone, without a command."""
    path = f"/v1/appliances/{cloud.appliance_id}"
    cloud.api.patch(path, json={"wanted_version": version}).raise_for_status()


def turns(rig: ApplianceRig, count: int = 4) -> None:
    for _ in range(count):
        rig.is_done_trying()
        rig.beat_now()
        rig.reporter.turn()


def test_an_allowed_command_is_handed_to_the_updater_and_answered_with_its_answer(
    enrolled: ApplianceRig, cloud: CloudSide
) -> None:
    command = cloud.command(kind="update", version=NEXT)
    enrolled.turn_until(lambda: cloud.command_state(command)["state"] == "accepted")
    asked = wanted(enrolled)
    assert asked is not None and set(asked) == {"version", "requested_at", "command_id"}
    assert (asked["version"], asked["command_id"]) == (NEXT, command)
    assert datetime.fromisoformat(asked["requested_at"]) <= datetime.now(UTC)
    assert answers_reported(cloud) == [(NEXT, "waiting")], (
        "the wish that every heartbeat repeats is the same one"
    )
    enrolled.restart()
    turns(enrolled)
    answer(enrolled, command_id=command)
    enrolled.turn_until(lambda: cloud.command_state(command)["state"] == "done")
    turns(enrolled)
    assert answers_reported(cloud) == [(NEXT, "waiting"), (NEXT, "done")]
    assert [event["type"] for event in cloud.events].count("command_changed") == 2


def test_a_wish_is_acted_on_once_and_a_failure_is_not_tried_again_by_itself(
    enrolled: ApplianceRig, cloud: CloudSide
) -> None:
    want(cloud, NEXT)
    enrolled.turn_until(lambda: wanted(enrolled))
    asked = wanted(enrolled)
    assert asked is not None and asked["command_id"] is None
    (enrolled.folder / "state" / "update" / "wanted.json").unlink()
    secret = "postgresql://reader:s3cr3tz@db.canary.internal/shop"
    answer(enrolled, result="failed", message=f"The new release did not prove itself: {secret}")
    enrolled.turn_until(lambda: answers_reported(cloud)[-1:] == [(NEXT, "failed")])
    turns(enrolled)
    assert wanted(enrolled) is None and len(answers_reported(cloud)) == 2
    shown = json.dumps([cloud.events, cloud.appliance])
    assert "did not prove itself" in shown and "s3cr3tz" not in shown and "canary.internal" not in shown
    command = cloud.command(kind="update", version=NEXT)
    enrolled.turn_until(lambda: cloud.command_state(command)["state"] == "accepted")
    asked = wanted(enrolled)
    assert asked is not None and asked["command_id"] == command, "who asks again gets another try"


@pytest.mark.parametrize(
    ("updates", "version", "rule"),
    [
        ({"pin": "1.0.0"}, NEXT, "updates.pin"),
        ({}, "2.0.0rc1", "updates.channel"),
        ({"channel": "stable"}, "2.0.0.dev3", "updates.channel"),
    ],
)
def test_what_policy_refuses_is_told_with_the_rule_once_and_handed_to_nobody(
    enrolled: ApplianceRig, cloud: CloudSide, updates: dict[str, str], version: str, rule: str
) -> None:
    enrolled.write_policy(POLICY | {"updates": updates})
    command = cloud.command(kind="update", version=version)
    enrolled.turn_until(lambda: cloud.command_state(command)["state"] == "refused")
    turns(enrolled, 8)
    assert cloud.command_state(command)["rule"] == rule and wanted(enrolled) is None
    assert answers_reported(cloud) == [(version, "refused")]
    assert {refusal["rule"] for refusal in cloud.appliance["refusals"]} == {rule}
    report = State(enrolled.settings).report()
    assert report.refused is not None and report.wanted_release is not None
    assert [refused.rule for refused in report.refused] == [rule]
    assert (report.wanted_release.state, report.wanted_release.rule) == ("refused", rule)
    enrolled.write_policy(POLICY | {"updates": {"channel": "edge"}})
    turns(enrolled)
    asked = wanted(enrolled)
    assert asked is not None and asked["version"] == version, "allowed since, and still wished for"


def test_a_newer_wish_takes_the_place_of_one_that_waits(enrolled: ApplianceRig, cloud: CloudSide) -> None:
    first = cloud.command(kind="update", version="9.0.0")
    enrolled.turn_until(lambda: cloud.command_state(first)["state"] == "accepted")
    second = cloud.command(kind="update", version=NEXT)
    enrolled.turn_until(lambda: cloud.command_state(second)["state"] == "accepted")
    enrolled.send_all()
    assert cloud.command_state(first)["state"] == "failed"
    assert "since" in cloud.command_state(first)["problem"]
    asked = wanted(enrolled)
    assert asked is not None and asked["version"] == NEXT
    want(cloud, None)
    turns(enrolled)
    assert wanted(enrolled) is not None, "a command stands whatever the wish"
    back = cloud.command(kind="update", version=appliance.__version__)
    enrolled.turn_until(lambda: cloud.command_state(back)["state"] == "done")
    assert wanted(enrolled) is None and cloud.command_state(second)["state"] == "failed"


def test_a_wish_that_is_taken_back_is_asked_of_nobody(enrolled: ApplianceRig, cloud: CloudSide) -> None:
    want(cloud, NEXT)
    enrolled.turn_until(lambda: wanted(enrolled))
    want(cloud, None)
    enrolled.turn_until(lambda: not wanted(enrolled))


def test_an_answer_to_something_else_is_not_believed(enrolled: ApplianceRig, cloud: CloudSide) -> None:
    command = cloud.command(kind="update", version=NEXT)
    enrolled.turn_until(lambda: cloud.command_state(command)["state"] == "accepted")
    path = enrolled.folder / "state" / "update" / "outcome.json"
    long_ago = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    answers = (
        lambda: answer(enrolled, version="9.9.8"),
        lambda: answer(enrolled, at=long_ago),
        lambda: answer(enrolled, result="exploded"),
        lambda: path.write_text("{"),
        lambda: path.write_text("[" * 300_000),
        lambda: path.write_bytes(b"\xff\xfe"),
        lambda: (path.unlink(), path.mkdir()),
    )
    for wrong in answers:
        wrong()
        turns(enrolled, 2)
        assert cloud.command_state(command)["state"] == "accepted"
    path.rmdir()
    answer(enrolled)
    enrolled.turn_until(lambda: cloud.command_state(command)["state"] == "done")


def test_an_answer_that_never_comes_is_given_up(
    enrolled: ApplianceRig, cloud: CloudSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = cloud.command(kind="update", version=NEXT)
    enrolled.turn_until(lambda: cloud.command_state(command)["state"] == "accepted")
    monkeypatch.setattr("appliance.cloud.wanted_release.ANSWER_WITHIN", timedelta(0))
    enrolled.turn_until(lambda: cloud.command_state(command)["state"] == "failed")
    assert "appliance-update.timer" in cloud.command_state(command)["problem"] and wanted(enrolled) is None


def day(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


@pytest.mark.parametrize(
    ("updates", "held", "asked_days_ago", "given_up"),
    [
        ({}, None, 9, True),
        ({"not_before": "14d"}, None, 20, False),
        ({"not_before": "14d"}, None, 23, True),
        ({"freeze": [{"from": day(-20), "to": day(2)}]}, None, 20, False),
        ({"freeze": [{"from": day(-20), "to": day(-1)}]}, None, 20, False),
        ({"freeze": [{"from": day(-29), "to": day(-10)}]}, None, 25, True),
        ({}, day(3), 20, False),
        ({}, day(-10), 20, True),
    ],
)
def test_a_wish_that_its_owner_puts_off_is_not_given_up(  # noqa: PLR0917
    updates: dict[str, Any],
    held: str | None,
    asked_days_ago: int,
    given_up: bool,
    enrolled: ApplianceRig,
    cloud: CloudSide,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("appliance.cloud.wanted_release.ROOT", tmp_path)
    if held:
        write_held(tmp_path / "trust", Held(until=date.fromisoformat(held)))
    enrolled.write_policy(POLICY | {"updates": updates})
    want(cloud, NEXT)
    enrolled.turn_until(lambda: wanted(enrolled) is not None)
    enrolled.db.execute(
        "UPDATE appliance.wanted_release SET requested_at = now() - make_interval(days => %s)",
        [asked_days_ago],
    )
    turns(enrolled, 2)
    assert (wanted(enrolled) is None) is given_up
    assert answers_reported(cloud)[1:] == ([(NEXT, "failed")] if given_up else [])


def test_a_folder_that_cannot_be_written_is_said(
    enrolled: ApplianceRig, cloud: CloudSide, tmp_path: Path
) -> None:
    (enrolled.folder / "state" / "update").write_text("a file where the folder should be")
    command = cloud.command(kind="update", version=NEXT)
    enrolled.turn_until(lambda: cloud.command_state(command)["state"] == "failed")
    row = enrolled.db.execute("SELECT count(*) AS n FROM appliance.wanted_release").fetchone()
    assert row is not None and row["n"] == 0, "what the updater cannot see is not reported as waiting"
