"""One DAG a workflow file, from local files only: no network, no database, nothing that can be away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypedDict

from airflow.sdk import (
    DAG,
    CronTriggerTimetable,
    MultipleCronTriggerTimetable,
    TriggerRule,
    get_parsing_context,
)

from appliance.errors import ApplianceError
from appliance.orchestration.airflow.metadata import DRIFT_DAG, LOOK_DAG, PROBE_DAG, REHEARSAL_DAG
from appliance.orchestration.airflow.operators.container_operator import ContainerOperator
from appliance.orchestration.airflow.operators.drift_operator import DriftOperator
from appliance.orchestration.airflow.operators.look_operator import LookOperator
from appliance.orchestration.airflow.operators.probe_operator import ProbeOperator
from appliance.orchestration.airflow.operators.rehearsal_operator import RehearsalOperator
from appliance.orchestration.airflow.operators.step_operators import (
    CloseSnapshotOperator,
    DiscardOperator,
    OpenSnapshotOperator,
    StepOperator,
)
from appliance.orchestration.containers.needs import CONTAINER, DISCARD, UPLOAD
from appliance.orchestration.drift_times import drift_rule
from appliance.orchestration.probe.tiny_run import LONGEST_MIN as PROBE_LONGEST_MIN
from appliance.orchestration.workflow_files import Origin, WorkflowFile, read_workflow_files
from appliance.run_folder import open_runs
from appliance.settings.settings import Settings, load_settings
from appliance.steps.records.run_files import SPEC_OF_ANY_RELEASE

NOT_BEFORE_ITS_TIME = timedelta(0)
"""A workflow first runs when its schedule next says so. With a start date, or a wider window, Airflow would
run a new workflow at once, for a time that had passed before anyone wrote it."""
RETRY_DELAY = timedelta(seconds=5)
RETRY_BACKOFF = 3.0
LONGEST_RETRY_DELAY = timedelta(minutes=5)
TAG = "appliance"
LOOKS_AT_A_TIME = 2
REHEARSALS_AT_A_TIME = 2
PROBES_AT_A_TIME = 4


def build_dags() -> dict[str, DAG]:
    """The DAGs of every usable workflow, by id; for dags/appliance_workflows.py. Never raises for one file.

    While a task runs, Airflow loads the DAG file again and needs one DAG of it: only that one is built then.
    """
    settings = load_settings()
    there = [file for file in read_workflow_files(settings.config_dir, settings.state_dir) if file.usable]
    files = [*there, *_kept_for_their_runs(settings, {file.id for file in there})]
    wanted = get_parsing_context().dag_id
    made = {file.id: build_dag(file, settings) for file in files if file.id and wanted in (None, file.id)}
    rule = drift_rule(settings)
    checks = {f"{DRIFT_DAG}{file.id}": (file, rule.times_of(file)) for file in there}
    made |= {
        id_: build_drift_dag(file, times)
        for id_, (file, times) in checks.items()
        if times and wanted in (None, id_)
    }
    own = {LOOK_DAG: build_look_dag, REHEARSAL_DAG: build_rehearsal_dag, PROBE_DAG: build_probe_dag}
    return made | {id_: build() for id_, build in own.items() if wanted in (None, id_)}


def build_drift_dag(file: WorkflowFile, times: Sequence[str]) -> DAG:
    """The DAG of a workflow's check for drift: at its own times, or by hand; tried once."""
    assert file.id is not None  # noqa: S101 - build_dags passes usable files only
    with DAG(
        dag_id=f"{DRIFT_DAG}{file.id}",
        description=f"Looks whether {file.id} would run; changes nothing.",
        schedule=MultipleCronTriggerTimetable(
            *times, timezone=file.timezone, run_immediately=NOT_BEFORE_ITS_TIME
        ),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags=[TAG, file.origin],
        default_args={"owner": "appliance", "retries": 0},
    ) as dag:
        DriftOperator(task_id="check", workflow=file.id, source_file=file.path, origin=file.origin)
    return dag


def _timetable(cron: str | None, timezone: str) -> CronTriggerTimetable | None:
    if not cron:
        return None
    return CronTriggerTimetable(cron, timezone=timezone, run_immediately=NOT_BEFORE_ITS_TIME)


def build_look_dag() -> DAG:
    """The DAG of what the dashboard asks to be looked at: on demand, a few at a time, tried once."""
    with DAG(
        dag_id=LOOK_DAG,
        description="Looks at databases as the dashboard asks; changes nothing.",
        schedule=None,
        catchup=False,
        max_active_runs=LOOKS_AT_A_TIME,
        is_paused_upon_creation=False,
        tags=[TAG],
        default_args={"owner": "appliance", "retries": 0},
    ) as dag:
        LookOperator(task_id="look")
    return dag


def build_rehearsal_dag() -> DAG:
    """The DAG of rehearsals: on demand, a few at a time, tried once."""
    with DAG(
        dag_id=REHEARSAL_DAG,
        description="Rehearses migrations in branches of twins.",
        schedule=None,
        catchup=False,
        max_active_runs=REHEARSALS_AT_A_TIME,
        is_paused_upon_creation=False,
        tags=[TAG],
        default_args={"owner": "appliance", "retries": 0},
    ) as dag:
        RehearsalOperator(task_id="rehearse")
    return dag


def build_probe_dag() -> DAG:
    """The DAG of a release's probe: on demand, tried once, ended by Airflow where nothing else does."""
    with DAG(
        dag_id=PROBE_DAG,
        description="Proves a release by a tiny run.",
        schedule=None,
        catchup=False,
        # What a probe that was killed has left holds up no other.
        max_active_runs=PROBES_AT_A_TIME,
        dagrun_timeout=timedelta(minutes=PROBE_LONGEST_MIN),
        is_paused_upon_creation=False,
        tags=[TAG],
        default_args={"owner": "appliance", "retries": 0},
    ) as dag:
        ProbeOperator(task_id="tiny_run")
    return dag


def build_dag(file: WorkflowFile, settings: Settings) -> DAG:
    """The DAG of one workflow; how many shards ``copy`` has is known only when ``plan`` has run."""
    assert file.id is not None  # noqa: S101 - build_dags passes usable files only
    with DAG(
        dag_id=file.id,
        description=file.title or None,
        schedule=_timetable(file.schedule, file.timezone),
        catchup=False,
        max_active_runs=1,
        max_active_tasks=min(file.parallel, settings.steps.max_parallel),
        is_paused_upon_creation=False,
        tags=[TAG, file.origin],
        default_args={
            "owner": "appliance",
            "retries": file.retries,
            "retry_delay": RETRY_DELAY,
            "retry_exponential_backoff": RETRY_BACKOFF,
            "max_retry_delay": LONGEST_RETRY_DELAY,
        },
    ) as dag:
        given = _Given(workflow=file.id, source_file=file.path, origin=file.origin)

        def step(name: str) -> StepOperator:
            return StepOperator(task_id=name, step=name, **given)

        opened = OpenSnapshotOperator(task_id="open_snapshot", step="open_snapshot", **given)
        plan, schema, finish = step("plan"), step("schema"), step("finish")
        verify, attest = step("verify"), step("attest")
        copy = StepOperator.partial(task_id="copy", step="copy", **given).expand(shard=plan.output)
        # Without buckets nothing is uploaded, and `upload` counts as skipped.
        publish = StepOperator.partial(
            task_id="publish", step="publish", trigger_rule=TriggerRule.NONE_FAILED, **given
        ).expand(delivery=attest.output)
        upload = StepOperator.partial(task_id=UPLOAD, step=UPLOAD, **given).expand(delivery=verify.output)
        containers = ContainerOperator.partial(task_id=CONTAINER, step=CONTAINER, **given).expand(
            delivery=finish.output
        )
        closed = CloseSnapshotOperator(task_id="close_snapshot", workflow=file.id)
        discard = DiscardOperator(task_id=DISCARD, step=DISCARD, **given)
        opened >> plan >> schema >> copy >> finish >> verify >> attest >> upload >> publish >> containers
        copy >> closed.as_teardown(setups=opened)
        # After `publish`, too: what is built for files alone goes even if these could not be written.
        [attest, upload, publish] >> discard.as_teardown()
    return dag


class _Given(TypedDict):
    """What every step's operator is made with."""

    workflow: str
    source_file: str
    origin: Origin


def _kept_for_their_runs(settings: Settings, present: Iterable[str | None]) -> list[WorkflowFile]:
    """Workflows whose file went away or broke while a run is under way: kept, unscheduled, until it is over.

    Airflow looks at the runs of known DAGs only, so without this such a run would hang for ever.
    """
    known = set(present)
    kept: dict[str, WorkflowFile] = {}
    for _, folder in open_runs(settings.state_dir):
        file = _from_spec(folder)
        if file is not None and file.id is not None and file.id not in known:
            kept[file.id] = file
    return list(kept.values())


def _from_spec(folder: Path) -> WorkflowFile | None:
    try:
        spec = SPEC_OF_ANY_RELEASE.read(folder)
    except (ApplianceError, OSError):
        return None
    return WorkflowFile(
        path=str(SPEC_OF_ANY_RELEASE.path(folder)),
        origin=spec.origin,
        mtime_ns=0,
        size=0,
        id=spec.workflow.id,
        title=spec.workflow.title,
        parallel=spec.workflow.limits.parallel,
        retries=spec.workflow.limits.retries,
    )
