"""The outbox, sent to the real dashboard over a way that breaks: everything arrives, once, or a gap shows."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from appliance.cloud.client import DashboardAwayError, DashboardClient
from appliance.cloud.enrolment import load_identity
from appliance.cloud.outbox_sender import OutboxSender
from appliance.scrubbing.scrub import Scrubber
from appliance.store import outbox
from tests.cloud.appliance_rig import ApplianceRig, CloudSide
from tests.engine.breakable_proxy import BreakableProxy


def numbers(cloud: CloudSide) -> list[int]:
    """The numbers of the events that the dashboard keeps (progress is not kept one by one)."""
    return [event["ordinal"] % 2**40 for event in cloud.events]


def test_events_arrive_in_order_and_are_forgotten_here(enrolled: ApplianceRig, cloud: CloudSide) -> None:
    for number in range(3):
        enrolled.tell_run(f"staging-twin-{number}")
    enrolled.send_all()
    assert {run["state"] for run in cloud.runs.values()} == {"succeeded"} and len(cloud.runs) == 3
    assert cloud.missing == 0
    assert numbers(cloud) == sorted(numbers(cloud), reverse=True)


def test_with_the_cloud_away_everything_is_kept_and_sent_when_it_is_back(
    enrolled: ApplianceRig, cloud: CloudSide, proxy: BreakableProxy
) -> None:
    proxy.stall()
    proxy.cut()
    url = proxy.port
    proxy.close()
    enrolled.tell_run("staging-twin-1")
    enrolled.is_done_trying()
    for _ in range(3):
        enrolled.reporter.turn()
    assert enrolled.waiting == 5
    assert "listens" in (enrolled.reporter.describe().problem or "")
    identity = load_identity(enrolled.settings.identity_file)
    assert identity is not None and str(url) in identity.url


def test_a_batch_that_is_cut_off_on_the_way_is_sent_again_and_counts_once(
    enrolled: ApplianceRig, cloud: CloudSide, proxy: BreakableProxy
) -> None:
    for number in range(20):
        enrolled.tell_run(f"staging-twin-{number}", progress=20)
    for size in (200, 3_000, 20_000, 60_000, 100_000):
        proxy.cut_after(size)
        enrolled.is_done_trying()
        enrolled.reporter.turn()
    enrolled.send_all()
    assert proxy.cuts >= 3
    assert len(cloud.runs) == 20 and cloud.missing == 0
    assert len(numbers(cloud)) == len(set(numbers(cloud))) == 40


def test_batches_that_come_twice_or_in_another_order_change_nothing(
    enrolled: ApplianceRig, cloud: CloudSide
) -> None:
    identity = load_identity(enrolled.settings.identity_file)
    assert identity is not None
    client = DashboardClient(identity.url, version="1", token=identity.token)

    class Repeating(DashboardClient):
        """Sends each batch of events to the dashboard again, later, and in the other order."""

        def __init__(self) -> None:
            self.sent: list[str] = []

        def call(self, method, path, body=None, **options):  # type: ignore[no-untyped-def]
            self.sent.append(body)
            client.call(method, path, body)
            return client.call(method, path, body)

    for number in range(3):
        enrolled.tell_run(f"staging-twin-{number}")
    repeating, sender = Repeating(), OutboxSender()
    sender._most = 4
    while sender.send(enrolled.db, repeating, Scrubber()):
        sender._most = 4
    for body in reversed(repeating.sent):
        client.call("POST", "/v1/appliance/events", body)
    client.close()
    assert len(repeating.sent) == 4
    assert {run["state"] for run in cloud.runs.values()} == {"succeeded"} and len(cloud.runs) == 3
    assert len(numbers(cloud)) == len(set(numbers(cloud))) == 6 and cloud.missing == 0


def test_a_dashboard_that_does_not_answer_in_time_is_given_up(
    enrolled: ApplianceRig, proxy: BreakableProxy
) -> None:
    proxy.stall()
    identity = load_identity(enrolled.settings.identity_file)
    assert identity is not None
    client = DashboardClient(identity.url, version="1", token=identity.token)
    with pytest.raises(DashboardAwayError, match="did not answer within 1 s"):
        client.call("POST", "/v1/appliance/token", timeout_s=1)
    client.close()


def test_killed_at_any_moment_it_goes_on_where_it_was(
    enrolled: ApplianceRig, cloud: CloudSide, proxy: BreakableProxy
) -> None:
    for number in range(150):
        enrolled.tell_run(f"staging-twin-{number}", progress=8)
    enrolled.reporter.background.stop()
    program = (
        "import sys; from appliance.cloud import outbox_sender as s\n"
        "from appliance.store import database as d\n"
        "from appliance.cloud import client as c; from appliance.scrubbing import scrub\n"
        "from appliance.cloud.enrolment import load_identity; from pathlib import Path\n"
        "i = load_identity(Path(sys.argv[1])); k = c.DashboardClient(i.url, version='1', token=i.token)\n"
        "db = d.connect(sys.argv[2]); o = s.OutboxSender(); print('ready', flush=True)\n"
        "while True:\n    o._most = 25; o.send(db, k, scrub.Scrubber())"
    )
    before = enrolled.waiting
    for _ in range(4):
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                program,
                str(enrolled.settings.identity_file),
                enrolled.environment["APPLIANCE_DATABASE_URL"],
            ],
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None and process.stdout.readline()
        sent = enrolled.waiting
        while enrolled.waiting > max(sent - 60, 0):
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    assert 0 < enrolled.waiting < before
    enrolled.restart()
    enrolled.send_all()
    assert len(cloud.runs) == 150 and cloud.missing == 0
    assert {run["state"] for run in cloud.runs.values()} == {"succeeded"}


def test_what_had_to_be_dropped_is_progress_first_and_shows_as_a_gap(
    enrolled: ApplianceRig, cloud: CloudSide
) -> None:
    for number in range(30):
        enrolled.tell_run(f"staging-twin-{number}", progress=10)
    dropped = outbox.trim(enrolled.db, max_rows=100)
    kept = enrolled.db.execute("SELECT kind, count(*) AS n FROM appliance.event GROUP BY kind").fetchall()
    assert {row["kind"]: row["n"] for row in kept}["run_finished"] == 30
    assert {row["kind"]: row["n"] for row in kept}["run_started"] == 30
    assert dropped == 360 - 90
    enrolled.send_all()
    assert {run["state"] for run in cloud.runs.values()} == {"succeeded"} and len(cloud.runs) == 30
    assert cloud.missing == dropped
    enrolled.turn_until(lambda: cloud.appliance["report"]["outbox"]["dropped"] == dropped)


def test_outcomes_are_kept_whatever_the_bound(rig: ApplianceRig) -> None:
    for number in range(40):
        rig.tell_run(f"staging-twin-{number}", progress=5)
    outbox.trim(rig.db, max_rows=10)
    kept = rig.db.execute("SELECT kind, count(*) AS n FROM appliance.event GROUP BY kind").fetchall()
    assert [(row["kind"], row["n"]) for row in kept] == [("run_finished", 40)]


def test_the_outbox_is_bounded_in_bytes_too(rig: ApplianceRig) -> None:
    for _ in range(50):
        rig.tell("progress", "r", {"step": "copy", "table": "x" * 200, "rows": 1})
    rig.tell_run("staging-twin-1", progress=0)
    outbox.trim(rig.db, max_bytes=6_000)
    _, size = outbox._size(rig.db)
    assert size <= 6_000 and rig.waiting >= 2


def test_an_event_that_the_dashboard_cannot_read_holds_up_no_other(
    enrolled: ApplianceRig, cloud: CloudSide
) -> None:
    enrolled.tell("step_changed", "r", {"step": "a step of tomorrow", "state": "running"})
    enrolled.tell("mood_changed", "r", {"mood": "good"})
    enrolled.tell_run("staging-twin-1")
    enrolled.send_all()
    assert list(cloud.runs) == ["staging-twin-1"]
    assert cloud.missing == 2


def test_an_outcome_with_something_odd_in_it_arrives_without_that(
    enrolled: ApplianceRig, cloud: CloudSide
) -> None:
    failure = {"what": "It broke.", "exit_code": 1, "step": "a step of tomorrow", "table": "a\nb" + "x" * 400}
    enrolled.tell("run_started", "r-1", {"workflow": "w", "trigger": "schedule", "origin": "local"})
    enrolled.tell(
        "run_finished",
        "r-1",
        {"workflow": "w", "outcome": "failed", "seconds": 1.0, "failure": failure, "steps": 7},
    )
    enrolled.send_all()
    assert cloud.runs["r-1"]["state"] == "failed"


def test_enrolled_anew_it_numbers_what_waits_from_one(
    rig: ApplianceRig, cloud: CloudSide, proxy: BreakableProxy
) -> None:
    rig.tell_run("staging-twin-old")
    rig.db.execute("DELETE FROM appliance.event WHERE seq < 3")
    rig.enrol(f"http://127.0.0.1:{proxy.port}", cloud.enrolment_token)
    rig.send_all()
    assert cloud.runs["staging-twin-old"]["state"] == "succeeded" and cloud.missing == 0
