"""``try_migration``: rehearse a migration in a branch of the twin, and leave the report.

A migration that is an image runs in a container of its own, beside this one: what starts containers waits
for the branch, and this step for the container's end. Both say it in the run's folder.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel

from appliance.branches.server import BranchServer
from appliance.errors import WorkFailedError, WrongRequestError
from appliance.rehearsals.asking import BranchReady
from appliance.rehearsals.login import Login
from appliance.rehearsals.rehearsing import Program, Rehearser
from appliance.rehearsals.results.report import Failure
from appliance.rehearsals.watch.observing import Outcome
from appliance.run_folder import stop_request
from appliance.steps.calling.context import StepContext
from appliance.steps.calling.secrets import maintenance_service, read_service
from appliance.steps.looks.branch import noting_in
from appliance.steps.records.look_files import BRANCH_READY, IMAGE_ENDED, REHEARSED

_WAITS_S = 0.1


class RehearsalSummary(BaseModel):
    """How it went."""

    verdict: str
    statements: int
    seconds: float


def run(context: StepContext) -> RehearsalSummary:
    """Rehearse what the spec asks for. Raises WrongRequestError, RefusedError or WorkFailedError."""
    asked, workflow = context.spec.rehearsal, context.spec.workflow
    if asked is None:
        raise WrongRequestError("This step is for a rehearsal, and none was asked for.")
    up = asked.up_script() or _by_container(context)
    down = asked.down_script()
    twin = Login(asked.connection, read_service(context.secrets_dir, asked.connection))
    admin = Login(asked.connection, read_service(context.secrets_dir, maintenance_service(asked.connection)))
    migrator = None
    if (named := workflow.rehearsal.connection) is not None:
        migrator = Login(named, read_service(context.secrets_dir, named))
    server = BranchServer(
        workflow=workflow.id,
        twin=context.twin_name(asked.connection),
        policy=context.spec.policy.branches,
        # Without the limits of a run's statements: a copy takes as long as it takes.
        open_admin=lambda: admin.open(None, context.application_name),
        open_database=lambda name: twin.open(name, context.application_name),
        origin=context.spec.origin,
    )
    rehearser = Rehearser(
        server=noting_in(context.run_dir, server),
        twin=twin,
        migrator=migrator,
        limits=workflow.rehearsal,
        make_branch=lambda make: make(),
        # The step sees no other run's folder: what reads the report adds them.
        source_rows=lambda _: {},
        say=context.notice,
        unwanted=lambda: _ends_itself(context),
        # The linter is no part of the step's image: what reads the report asks it.
        lints=False,
    )
    rehearsal = rehearser.rehearse(up, down, keep=asked.keep)
    REHEARSED.write(context.run_dir, rehearsal)
    return RehearsalSummary(
        verdict=rehearsal.verdict,
        statements=len(rehearsal.up.statements),
        seconds=rehearsal.up.seconds,
    )


def is_unwanted(folder: Path) -> bool:
    """Whether it was asked to end; its time being over is another matter."""
    request = stop_request(folder)
    return request is not None and request.kind == "cancel"


def _ends_itself(context: StepContext) -> bool:
    """Whether it is unwanted. From then on no signal interrupts the report, and the drop of the branch."""
    if not is_unwanted(context.run_dir):
        return False
    context.ends_itself()
    return True


def _by_container(context: StepContext) -> Program:
    def perform(database: str) -> Outcome:
        BRANCH_READY.write(context.run_dir, BranchReady(database=database))
        _until(lambda: IMAGE_ENDED.is_in(context.run_dir))
        ended = IMAGE_ENDED.read(context.run_dir)
        if not ended.performed:
            raise WorkFailedError("The container of the migration could not be run.", ended.why or "")
        return Outcome(Failure(sqlstate=None, why=ended.why) if ended.why else None, stopped=ended.stopped)

    return perform


def _until(there: Callable[[], bool]) -> None:
    """Wait: what ends this step when its time is over is outside of it."""
    while not there():
        time.sleep(_WAITS_S)
