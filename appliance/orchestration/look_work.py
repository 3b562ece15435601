"""A look's work: the spec of its step, and the answer: the report and the command's end in one transaction.

Imports no Airflow.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import appliance
from appliance.branches.asking import BranchesFound
from appliance.branches.noting import branch_copy
from appliance.branches.remembered import remember
from appliance.connections.file import load_connections, select_connections
from appliance.contract.step_messages import Failure
from appliance.copies.ledger import note_made
from appliance.errors import ApplianceError, RefusedError
from appliance.keys.epochs import read_epochs
from appliance.orchestration.look_reports import (
    branches_event,
    catalog_events,
    class_of,
    plan_event,
    tested_event,
)
from appliance.orchestration.looks import Look, checked
from appliance.orchestration.rehearsal_cancelling import as_cancelled
from appliance.orchestration.rehearsal_reports import rehearsal_event, rows_left_out
from appliance.orchestration.step_failures import STOPPED
from appliance.policy.approvals import approved_columns
from appliance.policy.branches import check_asking
from appliance.policy.policy import read_policy
from appliance.rehearsals.rehearsing import linted
from appliance.rehearsals.results.judging import EXIT_CODES
from appliance.rehearsals.results.report import Rehearsal, with_source_rows
from appliance.run_folder import run_folder, stop_request
from appliance.settings.settings import Settings
from appliance.steps.records.look_files import BRANCHES, BRANCHES_NOTED, REHEARSED, SCANNED
from appliance.steps.records.run_files import SPEC
from appliance.steps.records.run_spec import RunSpec
from appliance.store.asked_work import work_ended
from appliance.store.command_state import Settled, finish_command
from appliance.store.database import Connection
from appliance.store.events import append_event
from appliance.subjects.records import erased_subjects


def begin(settings: Settings, look: Look) -> RunSpec:
    """The spec of its step, written to its folder. Policy is asked again."""
    folder = run_folder(settings.state_dir, look.run_id)
    workflow, _ = checked(settings, look)
    (source,) = select_connections(load_connections(settings.connections_file), [workflow.source]).values()
    key_name = source.mask_key or workflow.source
    spec = RunSpec(
        run_id=look.run_id,
        workflow=workflow,
        origin=look.origin,
        policy=read_policy(settings),
        approved=approved_columns(settings.approvals_dir, workflow) if look.kind == "plan" else (),
        created_at=datetime.now(UTC),
        appliance_version=appliance.__version__,
        mask_key=source.mask_key,
        branch=look.branch,
        rehearsal=look.rehearsal,
        epoch=read_epochs(settings.keys_dir).of(key_name),
        erased=erased_subjects(settings.state_dir, settings.config_dir, key_name)
        if look.kind == "plan"
        else (),
    )
    if look.at_branches is not None:
        # What ends branches looks at that server from now on.
        remember(settings.state_dir, look.at_branches)
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
        elif look.kind == "test" and look.origin == "cloud" and not _is_refusal(failure):
            append_event(db, tested_event(look.command_id, look.connection or "", folder, failure))
        elif look.kind == "plan" and (failure is None or failure.exit_code != 1):
            plan = plan_event(look.command_id, look.workflow or "", look.digest or "", folder, failure, share)
            append_event(db, plan)
            failure = None
        settled = _settled(failure)
        if look.at_branches is not None:
            report = _answer_of_branches(db, settings, look, failure)
            settled = _if_cancelled(folder, failure, report) or settled
        finish_command(db, str(look.command_id), settled)
    if look.at_branches is not None:
        note_branches(settings, look)
    shutil.rmtree(folder, ignore_errors=True)


def note_branches(settings: Settings, look: Look) -> None:
    """Put what the step was about to make into the ledger of copies."""
    folder = run_folder(settings.state_dir, look.run_id)
    if look.at_branches is None or not BRANCHES_NOTED.is_in(folder):
        return
    note_made(
        settings.state_dir,
        [
            branch_copy(settings.state_dir, look.at_branches, each.database, each.marker, "request")
            for each in BRANCHES_NOTED.read(folder).branches
        ],
    )


def _answer_of_branches(
    db: Connection, settings: Settings, look: Look, failure: Failure | ApplianceError | None
) -> BranchesFound | Rehearsal | None:
    folder, command_id = run_folder(settings.state_dir, look.run_id), str(look.command_id)
    answer: BranchesFound | Rehearsal | None = None
    code = int(failure.exit_code) if failure is not None else 0
    if BRANCHES.is_in(folder):
        answer = found = BRANCHES.read(folder)
        if look.origin == "cloud":
            append_event(db, branches_event(look.command_id, look.workflow or "", found))
    elif REHEARSED.is_in(folder) and failure is None:
        report = REHEARSED.read(folder)
        spec = SPEC.read(folder)
        if (asked := spec.rehearsal) is not None and asked.sql:
            report = linted(report, asked.up_script(), asked.down_script(), spec.workflow.rehearsal)
        answer = report = with_source_rows(report, rows_left_out(settings, report.run))
        code = int(EXIT_CODES[report.verdict])
        policy = read_policy(settings)
        if not check_asking(policy.branches, "cloud"):
            share = look.origin == "cloud" and policy.share_catalog == "names"
            append_event(db, rehearsal_event(look.command_id, report, share))
    work_ended(db, command_id, code, answer.model_dump(mode="json") if answer is not None else None)
    return answer


def _if_cancelled(
    folder: Path, failure: Failure | ApplianceError | None, answer: BranchesFound | Rehearsal | None
) -> Settled | None:
    """What to write down where it was ended on request: with a report of what was seen, or without."""
    was = isinstance(answer, Rehearsal) and answer.verdict == "cancelled"
    if not was and not (isinstance(failure, Failure) and failure.exception == STOPPED):
        return None
    request = stop_request(folder)
    return as_cancelled(request.why if request is not None else "")


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
