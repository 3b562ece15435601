"""Which failures of runs speak against a release, asked of the appliance's own database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from appliance.contract.step_messages import Failure
from appliance.releases import probing
from appliance.releases.verdicts import fails_what_succeeded
from appliance.store.outbox import note_contact, note_problem
from tests.cloud.appliance_rig import ApplianceRig

MOVED_AT = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
OWN = Failure(step="copy", exit_code=1, retry=False, what="The step failed in an unforeseen way.")


def run(
    rig: ApplianceRig, hours: int, *, workflow: str = "staging-twin", failed: dict[str, Any] | None = None
) -> None:
    """One that began so many hours after the move (before it, if negative) and took a minute."""
    run_id, begun = f"{workflow}-{hours}", MOVED_AT + timedelta(hours=hours)
    state: Literal["succeeded", "failed"] = "succeeded" if failed is None else "failed"
    failure = None if failed is None else OWN.model_copy(update=failed)
    rig.store.run_queued(
        run_id, workflow, airflow_run_id=run_id, origin="local", trigger="schedule", at=begun
    )
    rig.store.run_started(run_id, at=begun)
    rig.store.run_ended(run_id, state, failure=failure, at=begun + timedelta(minutes=1))


def verdict(rig: ApplianceRig) -> str:
    return fails_what_succeeded(rig.settings.database_url, MOVED_AT)


def test_a_workflow_that_fails_where_it_succeeded_before_speaks_against_a_release(rig: ApplianceRig) -> None:
    run(rig, -1)
    assert verdict(rig) == ""
    run(rig, 1, failed={})
    assert verdict(rig) == "Runs fail that succeeded before: staging-twin."
    run(rig, 2)
    assert verdict(rig) == "", "it has succeeded since"


@pytest.mark.parametrize(
    "failed",
    [{"exit_code": 2}, {"exit_code": 3}, {"retry": True}, {"sqlstate": "53100"}, {"sqlstate": "28P01"}],
    ids=["wrong document", "policy", "passing", "full disk", "changed password"],
)
def test_what_is_no_releases_fault_does_not(failed: dict[str, Any], rig: ApplianceRig) -> None:
    run(rig, -1)
    run(rig, 1, failed=failed)
    assert verdict(rig) == ""


@pytest.mark.parametrize("sqlstate", ["42601", "XX000"])
def test_sql_that_a_server_does_not_understand_does(sqlstate: str, rig: ApplianceRig) -> None:
    run(rig, -1)
    run(rig, 1, failed={"sqlstate": sqlstate})
    assert "staging-twin" in verdict(rig)


def test_a_workflow_that_is_new_or_failed_before_does_not(rig: ApplianceRig) -> None:
    run(rig, 1, workflow="new", failed={})
    run(rig, -2, workflow="broken")
    run(rig, -1, workflow="broken", failed={})
    run(rig, 1, workflow="broken", failed={})
    assert verdict(rig) == ""


def test_a_database_that_does_not_answer_says_nothing_against_a_release() -> None:
    assert fails_what_succeeded("host=127.0.0.1 port=9 dbname=none", MOVED_AT) == ""


def test_the_dashboard_s_answer_is_looked_for_in_what_the_status_service_wrote(
    rig: ApplianceRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = rig.settings.database_url
    monkeypatch.setattr(probing, "CONTACT_WITHIN_S", 0.01)
    monkeypatch.setattr(probing, "_is_there", lambda _: True)
    assert not probing.in_contact(url), "it was never enrolled"
    begun = datetime.now(UTC) - timedelta(seconds=5)
    note_problem(rig.store.connection, "It answered 422 to a heartbeat.")
    assert probing.lost_contact(url, begun, Path()) == "It answered 422 to a heartbeat."
    note_contact(rig.store.connection, 0.0)
    assert probing.in_contact(url)
    assert probing.lost_contact(url, begun, Path()) == ""
    after = datetime.now(UTC) + timedelta(minutes=1)
    assert probing.lost_contact(url, after, Path()) == "no heartbeat was answered"
