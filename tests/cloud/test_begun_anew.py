"""A run whose source changed under its snapshot is begun anew by the appliance: once, by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import yaml

from appliance.contract.step_messages import Failure
from appliance.errors import SourceChangedError, WorkFailedError
from appliance.orchestration import start_and_stop
from appliance.orchestration.begun_anew import begin_anew
from appliance.settings.settings import Settings
from appliance.store.runs import Trigger
from tests.cloud.appliance_rig import WORKFLOW, ApplianceRig

CHANGED = Failure(
    step="copy",
    exit_code=1,
    retry=False,
    what="The run's snapshot does not fit public.customer any more.",
    sqlstate="40001",
    exception=SourceChangedError.__name__,
)


@pytest.fixture
def asked(rig: ApplianceRig, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Airflow is asked to run, by its own ids; it knows the rig's workflow."""
    (rig.folder / "etc" / "workflows" / "staging-twin.yaml").write_text(yaml.safe_dump(WORKFLOW))
    ids: list[str] = []

    def create(settings: Settings, dag_id: str, run_id: str) -> bool:
        ids.append(run_id)
        return True

    monkeypatch.setattr(start_and_stop, "create_dag_run", create)
    return ids


def failed_run(
    rig: ApplianceRig,
    airflow_run_id: str,
    failure: Failure = CHANGED,
    *,
    trigger: Trigger = "schedule",
    ago: timedelta = timedelta(minutes=1),
) -> None:
    run_id, ended = f"staging-twin-{airflow_run_id}", datetime.now(UTC) - ago
    begun = ended - timedelta(minutes=5)
    rig.store.run_queued(
        run_id,
        "staging-twin",
        airflow_run_id=airflow_run_id,
        origin="local",
        trigger=trigger,
        at=begun,
    )
    rig.store.run_started(run_id, at=begun)
    rig.store.step_started(run_id, "copy", 0, 1, at=begun)
    rig.store.step_ended(run_id, "copy", 0, "failed", failure=failure, at=ended)
    rig.store.run_ended(run_id, "failed", at=ended)


def test_it_is_begun_anew_once_and_keeps_what_started_it(rig: ApplianceRig, asked: list[str]) -> None:
    failed_run(rig, "one")
    assert begin_anew(rig.settings, rig.store) == ["staging-twin-anew-one"]
    assert begin_anew(rig.settings, rig.store) == []
    assert asked == ["anew-one"]
    row = rig.db.execute("SELECT trigger, state FROM appliance.run WHERE run_id = 'staging-twin-anew-one'")
    assert [tuple(each.values()) if isinstance(each, dict) else tuple(each) for each in row] == [
        ("schedule", "queued")
    ]


def test_one_that_was_begun_anew_and_ends_so_too_is_left_to_a_person(
    rig: ApplianceRig, asked: list[str]
) -> None:
    failed_run(rig, "anew-one")
    assert begin_anew(rig.settings, rig.store) == [] and asked == []


def test_other_failures_and_those_of_long_ago_are_not(rig: ApplianceRig, asked: list[str]) -> None:
    failed_run(rig, "other", CHANGED.model_copy(update={"exception": WorkFailedError.__name__}))
    failed_run(rig, "old", ago=timedelta(hours=2))
    assert begin_anew(rig.settings, rig.store) == [] and asked == []


def test_a_run_of_the_same_workflow_since_then_is_enough(rig: ApplianceRig, asked: list[str]) -> None:
    failed_run(rig, "one", ago=timedelta(minutes=20))
    rig.store.run_queued(
        "staging-twin-two", "staging-twin", airflow_run_id="two", origin="local", trigger="operator"
    )
    assert begin_anew(rig.settings, rig.store) == [] and asked == []


def test_what_cannot_be_started_yet_is_tried_at_the_next_look(
    rig: ApplianceRig, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    failed_run(rig, "one")
    with monkeypatch.context() as away:
        away.setattr(start_and_stop, "create_dag_run", _away)
        assert begin_anew(rig.settings, rig.store) == []
    assert begin_anew(rig.settings, rig.store) == ["staging-twin-anew-one"]
    assert asked == ["anew-one"]


def _away(settings: Settings, dag_id: str, run_id: str) -> bool:
    raise WorkFailedError("Airflow's execution API does not answer.", "", "appliance status")
