"""Batches of events: counted once, whatever order and however often they come; gaps are shown."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from appliance.contract.calls import Event, EventBatch
from appliance.contract.events import (
    Noticed,
    RunFinished,
    RunStarted,
    StepChanged,
    TableProgress,
)
from appliance.contract.receipts import ReceiptSigned
from appliance.dashboard.store.appliances import heartbeats
from appliance.dashboard.store.run_history import ingest, retention, run_state, runs
from tests.dashboard.conftest import Dashboard
from tests.dashboard.simulated_appliance import TABLES, SimulatedAppliance, now


def whole_run(appliance: SimulatedAppliance, **how: Any) -> tuple[str, list[Event]]:
    run_id = list(appliance.run("staging-twin", **how))[-1]
    events, appliance.outbox = appliance.outbox, []
    return run_id, events


def shown(dashboard: Dashboard, appliance_id: str, run_id: str) -> dict[str, Any]:
    found: dict[str, Any] = dashboard.api.get(f"/v1/runs/{appliance_id}/{run_id}").raise_for_status().json()
    for changing in ("changed_at", "elapsed"):
        found.pop(changing)
    return found


def test_a_run_is_shown_with_all_that_was_told(stored: Dashboard) -> None:
    appliance_id, appliance = stored.enrolled()
    run_id, events = whole_run(appliance)
    appliance.send(events)
    run = shown(stored, appliance_id, run_id)
    assert (run["state"], run["started_by"], run["seconds"]) == ("succeeded", "schedule", 48.2)
    assert run["rows"] == sum(rows for _, rows, _, _ in TABLES)
    assert [step["state"] for step in run["steps"]] == ["succeeded"] * 9
    assert next(step for step in run["steps"] if step["step"] == "copy")["shards_done"] == 8
    assert {table["table"]: table["masked"] for table in run["tables"]}["crm.contact"] == 7
    assert all(table["done"] for table in run["tables"])
    assert [check["passed"] for check in run["outcome"]["checks"]] == [True] * 5
    page = stored.signed_in().get(f"/runs/{appliance_id}/{run_id}").text
    assert "29 of 31 kept columns were looked into" in page


def test_a_receipt_is_kept_as_it_was_told_and_given_out_only_if_it_was_shared(stored: Dashboard) -> None:
    appliance_id, appliance = stored.enrolled()
    run_id, events = whole_run(appliance)
    signed = ReceiptSigned(
        run_id=run_id,
        workflow="staging-twin",
        number=7,
        outcome="released",
        digest="a" * 64,
        key="b" * 64,
        signature="c" * 128,
        tables=3,
    )
    appliance.tell(signed, now())
    appliance.tell(signed.model_copy(update={"digest": "d" * 64, "receipt": '{"payload":"x"}\n'}), now())
    appliance.tell(signed.model_copy(update={"tables": 99, "receipt": "{}\n"}), now())
    appliance.send([*events, *appliance.outbox])
    browser = stored.signed_in()
    page = browser.get(f"/runs/{appliance_id}/{run_id}").text
    assert page.count("Receipt 7") == 2 and "a" * 64 in page and "c" * 128 in page and "99 tables" not in page
    assert "stays on the appliance" in page
    given = browser.get(f"/runs/{appliance_id}/{run_id}/receipts/{'d' * 64}.json")
    assert given.text == '{"payload":"x"}\n' and "attachment" in given.headers["content-disposition"]
    assert browser.get(f"/runs/{appliance_id}/{run_id}/receipts/{'a' * 64}.json").status_code == 404


def test_a_failed_run_says_what_to_do(stored: Dashboard) -> None:
    appliance_id, appliance = stored.enrolled()
    run_id, events = whole_run(appliance, outcome="failed")
    appliance.send(events)
    failure = shown(stored, appliance_id, run_id)["outcome"]["failure"]
    assert failure["sqlstate"] == "28P01" and "connections.yaml" in failure["next_step"]
    page = stored.signed_in().get(f"/runs/{appliance_id}/{run_id}").text
    assert failure["what"] in page and failure["next_step"] in page and failure["log_tail"][0] in page


@pytest.mark.parametrize("seed", range(4))
def test_order_and_repetition_make_no_difference(stored: Dashboard, seed: int) -> None:
    chance = random.Random(seed)
    appliance_id, appliance = stored.enrolled()
    run_id, events = whole_run(appliance, outcome=chance.choice(["succeeded", "failed", "refused"]))
    in_order_id, in_order = stored.enrolled("In order")
    in_order.stream = appliance.stream
    in_order.send(events)
    batches = [events[at : at + 7] for at in range(0, len(events), 7)]
    jumbled = [*batches, *chance.sample(batches, 5)]
    chance.shuffle(jumbled)
    for batch in jumbled:
        appliance.send(chance.sample(batch, len(batch)))
    one, other = shown(stored, appliance_id, run_id), shown(stored, in_order_id, run_id)
    for different in ("appliance_id", "appliance_name"):
        one.pop(different), other.pop(different)
    assert one == other
    with stored.context.database.read() as session:
        counts = session.all(dict, "SELECT appliance_id, count(*) AS n FROM event GROUP BY appliance_id")
        assert len({row["n"] for row in counts}) == 1
        assert session.all(dict, "SELECT * FROM gap") == []


def test_a_batch_that_is_sent_again_is_all_duplicates(stored: Dashboard) -> None:
    _, appliance = stored.enrolled()
    _, events = whole_run(appliance)
    first, again = appliance.send(events), appliance.send(events)
    assert (first.accepted, first.duplicates) == (len(events), 0)
    assert (again.accepted, again.duplicates) == (0, len(events))


def test_a_gap_is_shown_until_it_is_filled(stored: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "GAP_SETTLES_SECONDS", -1)
    appliance_id, appliance = stored.enrolled()
    events = [appliance.tell(Noticed(kind="clock_skew")) for _ in range(20)]
    appliance.send(events[:5])
    appliance.send(events[9:])
    shown = stored.api.get(f"/v1/appliances/{appliance_id}").json()
    assert [(gap["first"], gap["last"]) for gap in shown["gaps"]] == [(6, 9)]
    assert "4 reports did not arrive" in stored.signed_in().get(f"/appliances/{appliance_id}").text
    appliance.send(events[6:8])
    shown = stored.api.get(f"/v1/appliances/{appliance_id}").json()
    assert sorted((gap["first"], gap["last"]) for gap in shown["gaps"]) == [(6, 6), (9, 9)]
    appliance.send(events[5:9])
    assert stored.api.get(f"/v1/appliances/{appliance_id}").json()["gaps"] == []


def test_a_restored_appliance_starts_a_new_stream_and_is_believed(stored: Dashboard) -> None:
    appliance_id, appliance = stored.enrolled()
    run_id, events = whole_run(appliance)
    appliance.send(events)
    stale_stream = appliance.stream
    appliance.stream, appliance.sequence = uuid4(), 0
    start = RunStarted(run_id=run_id, workflow="staging-twin", trigger="operator", origin="cloud")
    appliance.tell(start)
    appliance.send()
    assert shown(stored, appliance_id, run_id)["state"] == "running"
    appliance.stream = stale_stream
    appliance.send([event.model_copy(update={"id": uuid4()}) for event in events])
    assert shown(stored, appliance_id, run_id)["state"] == "running"


def test_one_unreadable_event_does_not_hold_up_the_others(stored: Dashboard) -> None:
    appliance_id, appliance = stored.enrolled()
    events = [appliance.tell(Noticed(kind="clock_skew")) for _ in range(3)]
    body = json.loads(appliance.batch(events))
    body["events"][1]["data"] = {"type": "from_the_future", "canary": "row value 4711"}
    body["events"].append("not an event at all")
    response = appliance.call("POST", "/v1/appliance/events", json.dumps(body))
    assert response.status_code == 200
    answer = response.json()
    assert answer["accepted"] == 2 and len(answer["rejected"]) == 2
    assert answer["rejected"][0]["sequence"] == 2
    listed = stored.api.get(f"/v1/appliances/{appliance_id}/events").json()
    assert [event["type"] for event in listed].count("unreadable") == 2
    assert "4711" not in json.dumps(listed) and "4711" not in response.text
    assert stored.api.get(f"/v1/appliances/{appliance_id}").json()["gaps"] == []


def test_news_of_a_newer_appliance_is_dropped_not_stored(dashboard: Dashboard) -> None:
    appliance_id, appliance = dashboard.enrolled()
    body = json.loads(appliance.batch([appliance.tell(Noticed(kind="clock_skew"))]))
    body["events"][0]["data"]["first_row"] = "canary-9000"
    assert appliance.call("POST", "/v1/appliance/events", json.dumps(body)).json()["accepted"] == 1
    assert "canary-9000" not in dashboard.api.get(f"/v1/appliances/{appliance_id}/events").text


def test_a_run_that_is_tried_again_is_running_again(dashboard: Dashboard) -> None:
    appliance_id, appliance = dashboard.enrolled()
    run_id, events = whole_run(appliance, outcome="failed")
    appliance.send(events)
    appliance.tell(RunStarted(run_id=run_id, workflow="staging-twin", trigger="operator", origin="cloud"))
    appliance.tell(StepChanged(run_id=run_id, step="plan", state="running", attempt=2))
    appliance.send()
    run = shown(dashboard, appliance_id, run_id)
    assert run["state"] == "running" and run["outcome"] == {}
    assert next(step for step in run["steps"] if step["step"] == "plan")["attempt"] == 2


def test_rows_that_start_over_are_shown_as_they_are(dashboard: Dashboard) -> None:
    appliance_id, appliance = dashboard.enrolled()
    appliance.tell(RunStarted(run_id="r-1", workflow="w", trigger="schedule", origin="local"))
    for rows in (100, 900, 10):
        appliance.tell(
            TableProgress(run_id="r-1", step="copy", table="public.a", rows=rows, rows_expected=1000)
        )
    appliance.send()
    assert shown(dashboard, appliance_id, "r-1")["tables"][0]["rows"] == 10


def test_a_run_whose_news_was_lost_is_noticed(dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    appliance_id, appliance = dashboard.enrolled()
    run_id, events = whole_run(appliance)
    appliance.send(events[:10])
    appliance.heartbeat(running=(run_id,))
    assert shown(dashboard, appliance_id, run_id)["state"] == "running"
    monkeypatch.setattr(heartbeats, "LOST_AFTER_SECONDS", -1)
    appliance.heartbeat(running=(run_id,))
    assert shown(dashboard, appliance_id, run_id)["state"] == "running"
    appliance.heartbeat(running=())
    assert shown(dashboard, appliance_id, run_id)["state"] == "lost"
    appliance.send(events[10:])
    assert shown(dashboard, appliance_id, run_id)["state"] == "succeeded"


def test_a_wrong_clock_is_corrected(dashboard: Dashboard) -> None:
    appliance_id, appliance = dashboard.enrolled()
    ahead = now() + timedelta(hours=3)
    start = RunStarted(run_id="r-1", workflow="w", trigger="schedule", origin="local")
    event = appliance.tell(start, at=ahead - timedelta(seconds=60))
    body = EventBatch(stream=appliance.stream, sent_at=ahead, events=(event,)).to_wire()
    appliance.call("POST", "/v1/appliance/events", body).raise_for_status()
    started = shown(dashboard, appliance_id, "r-1")["started_at"]
    assert 55 < now().timestamp() - started < 75


def test_what_one_run_can_store_is_bounded(dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_state, "MAX_PROGRESS_ROWS", 50)
    monkeypatch.setattr(run_state, "MAX_STEP_ROWS", 50)
    _, appliance = dashboard.enrolled()
    for shard in range(200):
        appliance.tell(TableProgress(run_id="r-1", step="copy", shard=shard, table="public.a", rows=1))
        appliance.tell(StepChanged(run_id="r-1", step="copy", shard=shard, state="running"))
    for at in range(0, 400, 40):
        appliance.send(appliance.outbox[at : at + 40])
    with dashboard.context.database.read() as session:
        assert session.count("SELECT count(*) FROM run_progress") <= 50
        assert session.count("SELECT count(*) FROM run_step") <= 50


def test_what_has_ended_is_folded_and_late_duplicates_do_not_unfold_it(
    stored: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "FOLD_AFTER_SECONDS", -86400)
    appliance_id, appliance = stored.enrolled()
    run_id, events = whole_run(appliance)
    appliance.send(events)
    before = shown(stored, appliance_id, run_id)
    retention.sweep(stored.context.database, 90)
    appliance.send([event.model_copy(update={"id": uuid4()}) for event in events])
    retention.sweep(stored.context.database, 90)
    assert shown(stored, appliance_id, run_id)["tables"] == before["tables"]
    with stored.context.database.read() as session:
        assert session.count("SELECT count(*) FROM run_progress WHERE piece <> ''") == 0


def test_old_history_goes_and_the_newest_run_stays(
    stored: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "EVENTS_PER_APPLIANCE", 5)
    monkeypatch.setattr(retention, "RUNS_PER_APPLIANCE", 3)
    appliance_id, appliance = stored.enrolled()
    last = ""
    for hours in range(6, 0, -1):
        last, events = whole_run(appliance, started=now() - timedelta(hours=hours))
        appliance.send(events)
    retention.sweep(stored.context.database, 90)
    kept = stored.api.get("/v1/runs").json()
    assert len(kept) == 3 and kept[0]["run_id"] == last
    assert len(stored.api.get(f"/v1/appliances/{appliance_id}/events").json()) == 5
    with stored.context.database.write() as session:
        for table, column in (("run", "changed_at"), ("event", "received_at")):
            session.run(f"UPDATE {table} SET {column} = 1000")
    retention.sweep(stored.context.database, 90)
    assert [run["run_id"] for run in stored.api.get("/v1/runs").json()] == [last]
    assert stored.api.get(f"/v1/appliances/{appliance_id}/events").json() == []


def test_streams_of_an_appliance_are_bounded(dashboard: Dashboard) -> None:
    _, appliance = dashboard.enrolled()
    for _ in range(ingest.MAX_STREAMS + 5):
        appliance.stream, appliance.sequence = uuid4(), 0
        appliance.tell(Noticed(kind="clock_skew"))
        appliance.send()
    with dashboard.context.database.read() as session:
        assert session.count("SELECT count(*) FROM stream") == ingest.MAX_STREAMS


def test_only_the_latest_run_says_whether_a_workflow_fails(stored: Dashboard) -> None:
    _, appliance = stored.enrolled()
    for hours, outcome in ((9, "succeeded"), (6, "failed"), (3, "succeeded")):
        _, events = whole_run(appliance, outcome=outcome, started=now() - timedelta(hours=hours))
        appliance.send(events)
        listed = stored.api.get("/v1/appliances").json()
        assert listed[0]["failing"] == (1 if outcome == "failed" else 0)
    end = RunFinished(run_id="late", workflow="staging-twin", outcome="failed", seconds=1)
    appliance.send([appliance.tell(end, at=now() - timedelta(days=3))])
    assert stored.api.get("/v1/appliances").json()[0]["failing"] == 0


def test_a_run_says_since_when_its_twin_stands_and_what_replaced_it(stored: Dashboard) -> None:
    appliance_id, appliance = stored.enrolled()
    first, events = whole_run(appliance, started=now() - timedelta(hours=9))
    appliance.send(events)
    (twin,) = shown(stored, appliance_id, first)["twins"]
    assert (twin["connection"], twin["replaced_by"]) == ("staging", None)
    page = f"/runs/{appliance_id}/{first}"
    assert "stands since" in stored.signed_in().get(page).text
    _, failed = whole_run(appliance, outcome="failed", started=now() - timedelta(hours=6))
    second, events = whole_run(appliance, started=now() - timedelta(hours=3))
    appliance.send([*failed, *events])
    (twin,) = shown(stored, appliance_id, first)["twins"]
    assert twin["replaced_by"]["run_id"] == second
    assert twin["since"] < twin["replaced_by"]["at"]
    text = stored.signed_in().get(page).text
    assert "Its twin was replaced" in text and f"/runs/{appliance_id}/{second}" in text
