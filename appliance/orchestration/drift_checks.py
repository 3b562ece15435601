"""A workflow's check for drift: it is planned without a run, so that its owner hears before one would halt.

The step is that of a plan which the dashboard asks for: catalogue, decisions, targets; no row is copied. The
answer goes into the appliance's database and to the dashboard in one transaction. Imports no Airflow.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import appliance
from appliance.connections.file import load_connections, select_connections
from appliance.contract.catalog import MAX_UNCOVERED
from appliance.contract.drift_check import DriftChecked
from appliance.contract.fields import document_digest
from appliance.contract.fitting import fitting
from appliance.contract.step_messages import Failure
from appliance.errors import ApplianceError, ExitCode
from appliance.keys.epochs import read_epochs
from appliance.orchestration.look_reports import refusal, uncovered_in
from appliance.orchestration.plan_brief import drift_brief
from appliance.orchestration.step_failures import FailedStep
from appliance.orchestration.workflow_files import read_workflow_files
from appliance.policy.approvals import approved_columns
from appliance.policy.policy import check_workflow, enforce, read_policy
from appliance.policy.refusal import Origin
from appliance.policy.trusted_images import images_of
from appliance.run_folder import LOOK, run_folder
from appliance.settings.settings import Settings
from appliance.steps.records.former_catalog import give_former_catalog
from appliance.steps.records.run_files import DRIFT, SPEC
from appliance.steps.records.run_spec import RunSpec
from appliance.store.database import Connection
from appliance.store.drift_checks import forget_drift_checks, write_drift_check
from appliance.store.events import append_event
from appliance.store.rows import DriftCheck
from appliance.subjects.records import erased_subjects
from appliance.workflow.drift import NO_DRIFT
from appliance.workflow.loading import load_workflow

STEP = "plan_only"
MOST_CHANGES = 100
"""Columns and lines that are kept of one check; the next run has all."""


def run_id_of(workflow: str) -> str:
    """How the folder and the container of its check are called."""
    return f"{LOOK}drift-{workflow}"


def begin(settings: Settings, source_file: Path, origin: Origin) -> RunSpec:
    """The spec of the step, in a new folder: what a run would be given that begins now.

    Raises WrongRequestError for a document that has become wrong, RefusedError where policy says no.
    """
    loaded = load_workflow(source_file, settings.config_dir)
    workflow = loaded.workflow
    folder = run_folder(settings.state_dir, run_id_of(workflow.id))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o750, parents=True)
    policy = read_policy(settings)
    enforce(check_workflow(policy, workflow, origin=origin))
    images_of(settings.trusted_images_file, workflow)
    (source,) = select_connections(load_connections(settings.connections_file), [workflow.source]).values()
    key = source.mask_key or workflow.source
    spec = RunSpec(
        run_id=run_id_of(workflow.id),
        workflow=workflow,
        origin=origin,
        policy=policy,
        approved=approved_columns(settings.approvals_dir, workflow) if origin == "cloud" else (),
        created_at=datetime.now(UTC),
        appliance_version=appliance.__version__,
        workflow_digest=document_digest(loaded.as_written.data),
        mask_key=source.mask_key,
        epoch=read_epochs(settings.keys_dir).of(key),
        erased=erased_subjects(settings.state_dir, settings.config_dir, key),
    )
    SPEC.write(folder, spec)
    give_former_catalog(folder, workflow.id)
    return spec


def answer(
    db: Connection,
    settings: Settings,
    workflow: str,
    spec: RunSpec | None,
    failure: Failure | ApplianceError | None,
) -> None:
    """Keep what was found and report it, both or neither; then the folder goes. Raises psycopg.Error."""
    folder = run_folder(settings.state_dir, run_id_of(workflow))
    share = read_policy(settings).share_catalog == "names"
    found = DRIFT.read(folder) if DRIFT.is_in(folder) else NO_DRIFT
    uncovered = uncovered_in(folder)
    halts = failure is not None and failure.exit_code != ExitCode.WORK_FAILED
    check = DriftCheck(
        checked_at=datetime.now(UTC),
        outcome="goes" if failure is None else "halts" if halts else "unknown",
        uncovered=uncovered.total,
        columns=tuple(
            f"{each.schema_name}.{each.table}.{each.column}" for each in uncovered.columns[:MOST_CHANGES]
        ),
        changes=tuple(item.text for item in found.items[:MOST_CHANGES]),
        failure=FailedStep(STEP, None).by_error(failure) if isinstance(failure, ApplianceError) else failure,
    )
    said = {
        "workflow": workflow,
        "digest": spec.workflow_digest if spec is not None else None,
        "outcome": check.outcome,
        "drift": drift_brief(found),
        "refused": refusal(failure, share=share) if failure is not None else None,
        "uncovered": uncovered.columns[:MAX_UNCOVERED] if share else (),
        "uncovered_total": uncovered.total,
    }
    here = [file.id for file in read_workflow_files(settings.config_dir, settings.state_dir) if file.id]
    with db.transaction():
        write_drift_check(db, workflow, check)
        forget_drift_checks(db, but=[*here, workflow])
        append_event(db, fitting(DriftChecked, said))
    shutil.rmtree(folder, ignore_errors=True)
