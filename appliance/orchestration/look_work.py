"""A look's work: the spec of its step, and the answer: the report and the command's end in one transaction.

Imports no Airflow.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

import appliance
from appliance.connections import load_connections, select_connections
from appliance.contract.step_messages import Failure
from appliance.errors import ApplianceError, RefusedError
from appliance.keys.epochs import read_epochs
from appliance.orchestration.look_reports import catalog_events, class_of, plan_event, tested_event
from appliance.orchestration.looks import Look, checked
from appliance.policy.approvals import approved_columns
from appliance.policy.policy import read_policy
from appliance.run_folder import run_folder
from appliance.settings.settings import Settings
from appliance.steps.records.run_files import SCANNED, SPEC
from appliance.steps.records.run_spec import RunSpec
from appliance.store.command_state import Settled, finish_command
from appliance.store.database import Connection
from appliance.store.events import append_event


def begin(settings: Settings, look: Look) -> RunSpec:
    """The spec of its step, written to its folder. Policy is asked again."""
    folder = run_folder(settings.state_dir, look.run_id)
    workflow, _ = checked(settings, look)
    (source,) = select_connections(load_connections(settings.connections_file), [workflow.source]).values()
    spec = RunSpec(
        run_id=look.run_id,
        workflow=workflow,
        origin="cloud",
        policy=read_policy(settings),
        approved=approved_columns(settings.approvals_dir, workflow) if look.kind == "plan" else (),
        created_at=datetime.now(UTC),
        appliance_version=appliance.__version__,
        mask_key=source.mask_key,
        epoch=read_epochs(settings.keys_dir).of(source.mask_key or workflow.source),
    )
    SPEC.write(folder, spec)
    return spec


def answer(db: Connection, settings: Settings, look: Look, failure: Failure | ApplianceError | None) -> None:
    """Report what was found and end the command, both or neither; then its folder goes.

    A plan that would be refused is an answer like another. Raises psycopg.Error.
    """
    folder = run_folder(settings.state_dir, look.run_id)
    share = read_policy(settings).share_catalog == "names"
    with db.transaction():
        if look.kind == "scan" and failure is None:
            for event in catalog_events(look.command_id, look.connection or "", SCANNED.read(folder)):
                append_event(db, event)
        elif look.kind == "test" and not look.is_owners and not _is_refusal(failure):
            append_event(db, tested_event(look.command_id, look.connection or "", folder, failure))
        elif look.kind == "plan" and (failure is None or failure.exit_code != 1):
            plan = plan_event(look.command_id, look.workflow or "", look.digest or "", folder, failure, share)
            append_event(db, plan)
            failure = None
        finish_command(db, str(look.command_id), _settled(failure))
    shutil.rmtree(folder, ignore_errors=True)


def _is_refusal(failure: Failure | ApplianceError | None) -> bool:
    return failure is not None and failure.exit_code == RefusedError.exit_code


def _settled(failure: Failure | ApplianceError | None) -> Settled:
    if failure is None:
        return Settled("done")
    refused = _is_refusal(failure)
    return Settled(
        "refused" if refused else "failed",
        rule=failure.explanation.rule if refused else None,
        problem=failure.explanation.text(),
        failure=None if refused else class_of(failure),
    )
