"""``branch``: make, renew or drop a branch of a twin for who asked elsewhere, and leave which there are."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from pydantic import BaseModel

from appliance.branches.asking import BranchesNoted, BranchNoted, found, perform
from appliance.branches.branch import BranchMarker
from appliance.branches.server import BranchServer
from appliance.errors import WrongRequestError
from appliance.steps.calling.context import StepContext
from appliance.steps.records.look_files import BRANCHES, BRANCHES_NOTED


class BranchSummary(BaseModel):
    """How many branches the twin has now."""

    branches: int


def run(context: StepContext) -> BranchSummary:
    """Do what the spec asks for. Raises WrongRequestError, RefusedError or WorkFailedError."""
    asked = context.spec.branch
    if asked is None:
        raise WrongRequestError("This step is for what was asked of a branch, and nothing was.")
    server = BranchServer(
        workflow=context.spec.workflow.id,
        twin=context.twin_name(asked.connection),
        policy=context.spec.policy.branches,
        open_admin=partial(context.connect_admin, asked.connection),
        open_database=partial(context.connect_target, asked.connection),
        origin=context.spec.origin,
    )
    try:
        perform(noting_in(context.run_dir, server), asked)
    finally:
        # Also after a refusal: what there is says most about why.
        branches = found(asked.connection, server.branches())
        BRANCHES.write(context.run_dir, branches)
    return BranchSummary(branches=len(branches.branches))


def noting_in(run_dir: Path, server: BranchServer) -> BranchServer:
    """The same server; what is made on it is written down in the run's folder before, for the ledger."""

    def note(database: str, marker: BranchMarker) -> None:
        known = BRANCHES_NOTED.read(run_dir).branches if BRANCHES_NOTED.is_in(run_dir) else ()
        noted = BranchesNoted(branches=(*known, BranchNoted(database=database, marker=marker)))
        BRANCHES_NOTED.write(run_dir, noted)

    return replace(server, note_made=note)
