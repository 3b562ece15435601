"""Keeps ``<state_dir>/workflows`` in step with the dashboard, one whole and allowed document at a time.

A document that is invalid, refused by policy or cut off changes nothing: the last good one stays in force,
and the dashboard learns why. So does one that keeps what the owner has not approved: it is put aside, where
``appliance workflow approve`` finds it. Nothing that it sends names a file: names are made of checked ids.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import TypeAdapter, ValidationError

import appliance
from appliance.cloud.assigned_document import read_assigned
from appliance.cloud.client import DashboardAwayError, DashboardClient
from appliance.contract.calls import (
    MAX_WORKFLOW_SET_BYTES,
    AssignedWorkflow,
    WorkflowSet,
)
from appliance.contract.events import WorkflowChanged
from appliance.durable import write_file
from appliance.errors import ApplianceError
from appliance.orchestration.workflow_files import PresetFolders, read_workflow_files, waiting_file
from appliance.policy.approvals import approvals_mark, load_approval, waits_for_owner
from appliance.policy.columns import KEEP_RULE, waiting_refusal
from appliance.policy.policy import Policy, Refusal, check_workflow, read_policy
from appliance.run_folder import has_begun, run_folder
from appliance.settings.settings import Settings
from appliance.store.database import Connection
from appliance.store.events import append_event, scrubbed
from appliance.store.queries import current_runs
from appliance.workflow.presets.files import PresetFiles
from appliance.workflow.twin_owners import TwinClaim, shared_twins

KNOWN = ".dashboard.json"
MAX_JSON_PARTS = 400_000
"""Brackets, commas and colons of a whole set: its cost in memory is bounded before it is read."""
SYNC_TIMEOUT_S = 60.0
LOCAL_ID = "local_workflow"
"""The rule by which a workflow of the operator's own keeps its id."""
TWIN_OWNER = "twin_owner"
"""The rule by which a workflow keeps its twin, unless another one says that it replaces it."""


@dataclass(frozen=True)
class Taken:
    """What became of one assigned workflow. ``in_force`` is the digest of the version that runs, if any."""

    state: Literal["active", "invalid", "refused"]
    digest: str
    rule: str | None = None
    problem: str | None = None
    in_force: str | None = None
    connections: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Known:
    """What the file says: ``circumstances`` is what they were taken under."""

    etag: str | None
    circumstances: str
    taken: dict[str, Taken]


_KNOWN = TypeAdapter(_Known)


class CloudSync:
    """The workflows from the dashboard, as this appliance has taken them up."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.workflow_dirs[1]
        self._presets = PresetFiles.of(settings.config_dir)
        self.etag: str | None = None
        self.taken: dict[str, Taken] = {}
        self._circumstances = ""
        self._leaving: set[str] = set()
        self._read_known()

    def is_current(self, etag: str) -> bool:
        """Whether this set has been taken up, under the policy and beside the present local workflows."""
        return self.etag == etag and self._circumstances == self._present_circumstances()

    def fetch(self, client: DashboardClient, db: Connection, *, force: bool = False) -> None:
        """Fetch the set unless it is unchanged, and take it up.

        Raises DashboardAwayError for a set that cannot be read whole, psycopg.Error, and OSError when the
        disk is full: then everything stays as it is.
        """
        known = self.etag if not force and self.etag and self.is_current(self.etag) else None
        answer = client.call(
            "GET",
            "/v1/appliance/workflows",
            headers={"if-none-match": f'"{known}"'} if known else {},
            max_bytes=MAX_WORKFLOW_SET_BYTES,
            timeout_s=SYNC_TIMEOUT_S,
        )
        if answer.status == 304 and known:
            return
        if answer.status != 200:
            raise DashboardAwayError(f"It answered {answer.status} when asked for workflows.")
        if sum(answer.body.count(mark) for mark in (b",", b":", b"[", b"{")) > MAX_JSON_PARTS:
            raise DashboardAwayError("Its set of workflows is larger than any that could be meant.")
        try:
            given = WorkflowSet.from_wire(answer.body)
        except (ValidationError, RecursionError):
            raise DashboardAwayError("Its set of workflows is not one that this release can read.") from None
        self.take_up(given, db)

    def take_up(self, given: WorkflowSet, db: Connection) -> None:
        """Make the folder hold what of this set is good, and tell what became of each."""
        circumstances = self._present_circumstances()
        policy, local, claims = self.policy(), self._local_ids(), self._local_claims()
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        taken: dict[str, Taken] = {}
        # Of two that want one twin, that one keeps it which has it.
        for assigned in sorted(given.workflows, key=lambda each: not self._is_in_force(each.id)):
            if assigned.id not in taken:
                taken[assigned.id] = self._take_one(assigned, policy, local, claims)
        self._put_aside(given, taken)
        self._leaving = self._needed_by_runs(db) - taken.keys() - local
        removed = self._remove_all_but(taken.keys() - local)
        with db.transaction():
            for workflow, now in taken.items():
                if replace(now, in_force=None) != replace(self.taken.get(workflow, now), in_force=None) or (
                    workflow not in self.taken
                ):
                    append_event(
                        db,
                        WorkflowChanged(
                            workflow=workflow,
                            state=now.state,
                            digest=now.digest,
                            rule=now.rule,
                            problem=scrubbed(now.problem),
                        ),
                    )
            for workflow in removed - taken.keys():
                append_event(db, WorkflowChanged(workflow=workflow, state="removed"))
        self.etag, self.taken, self._circumstances = given.etag, taken, circumstances
        self._write_known()

    def put_away(self, db: Connection) -> None:
        """Delete what is wanted no more and was left for a run that was about to start, once it has its copy.

        Raises psycopg.Error.
        """
        if not self._leaving:
            return
        for workflow in sorted(self._leaving - self._needed_by_runs(db)):
            (self._folder / f"{workflow}.json").unlink(missing_ok=True)
            with db.transaction():
                append_event(db, WorkflowChanged(workflow=workflow, state="removed"))
            self._leaving.discard(workflow)

    def _needed_by_runs(self, db: Connection) -> set[str]:
        """Cloud workflows with a run that has no copy of the document yet: without it, it would never end."""
        waiting = self._without_a_step(db) if self._settings.is_split else None
        return {
            run.workflow
            for run in current_runs(db)
            if (self._folder / f"{run.workflow}.json").exists()
            and (
                run.run_id in waiting
                if waiting is not None
                else not has_begun(run_folder(self._settings.state_dir, run.run_id))
            )
        }

    def _without_a_step(self, db: Connection) -> set[str]:
        """Open runs whose first step has not ended: only then is it certain that they have their copy. A
        service with a user of its own may not look into the folders of runs.
        """
        rows = db.execute(
            "SELECT run_id FROM appliance.run AS r WHERE state IN ('queued', 'running') AND NOT EXISTS"
            " (SELECT FROM appliance.step WHERE run_id = r.run_id AND state <> 'running')"
        ).fetchall()
        return {row["run_id"] for row in rows}

    def _is_in_force(self, workflow: str) -> bool:
        before = self.taken.get(workflow)
        return before is not None and before.in_force is not None

    def _take_one(
        self, assigned: AssignedWorkflow, policy: Policy, local: set[str], claims: list[TwinClaim]
    ) -> Taken:
        """Take one up; what it claims is added to ``claims``."""
        before = self.taken.get(assigned.id)
        path = self._folder / f"{assigned.id}.json"
        in_force = before.in_force if before and path.exists() else None
        text = json.dumps(assigned.document, ensure_ascii=False, indent=1)
        workflow, problem = read_assigned(assigned, text, self._presets)
        if workflow is None:
            return Taken("invalid", assigned.digest, problem=problem, in_force=in_force)
        refusals = check_workflow(policy, workflow, origin="cloud")
        if assigned.id in local:
            what = f"A workflow of the operator's own on this appliance has the id {assigned.id}."
            refusals = (Refusal(LOCAL_ID, what), *refusals)
            in_force = None
        claim = TwinClaim.of(workflow)
        refusals += tuple(
            Refusal(TWIN_OWNER, f"{shared.what} To have it here: {shared.fix}.")
            for shared in shared_twins(claim, claims)
        )
        if not refusals:
            approval = load_approval(self._settings.approvals_dir, workflow.id)
            if waiting := waits_for_owner(workflow, policy.keep_from_cloud, approval):
                refusals = (waiting_refusal(waiting, workflow.id),)
        if refusals:
            why = "\n".join(refusal.what for refusal in refusals)
            return Taken("refused", assigned.digest, refusals[0].rule, why, in_force)
        if in_force != assigned.digest:
            write_file(path, text, durable=True, mode=0o640)
        claims.append(claim)
        names = tuple(
            dict.fromkeys((*workflow.connections, *(each.connection for each in workflow.buckets.values())))
        )
        return Taken("active", assigned.digest, in_force=assigned.digest, connections=names)

    def _put_aside(self, given: WorkflowSet, taken: dict[str, Taken]) -> None:
        """Store what only the owner's approval keeps out, and nothing that is not waiting any more."""
        documents = {
            assigned.id: assigned.document
            for assigned in given.workflows
            if taken[assigned.id].rule == KEEP_RULE and taken[assigned.id].digest == assigned.digest
        }
        for path in waiting_file(self._settings.state_dir, "*").parent.glob("*.json"):
            if path.stem not in documents:
                path.unlink(missing_ok=True)
        for name, document in documents.items():
            path = waiting_file(self._settings.state_dir, name)
            path.parent.mkdir(mode=0o750, exist_ok=True)
            write_file(path, json.dumps(document, ensure_ascii=False, indent=1), durable=True, mode=0o640)

    def _remove_all_but(self, wanted: set[str]) -> set[str]:
        """Delete the other documents. A run in progress has its own copy, and ends by itself."""
        removed = set()
        for name in self._stored() - wanted - self._leaving:
            (self._folder / f"{name}.json").unlink(missing_ok=True)
            removed.add(name)
        return (removed | (self.taken.keys() - wanted)) - self._leaving

    def _stored(self) -> set[str]:
        return {path.stem for path in self._folder.glob("*.json") if not path.name.startswith(".")}

    def policy(self) -> Policy:
        """The present policy. One that cannot be read lets nothing from the cloud in."""
        try:
            return read_policy(self._settings)
        except ApplianceError:
            return Policy()

    def _local_ids(self) -> set[str]:
        files = read_workflow_files(self._settings.config_dir, self._settings.state_dir)
        return {file.id for file in files if file.origin == "local" and file.id}

    def _local_claims(self) -> list[TwinClaim]:
        files = read_workflow_files(self._settings.config_dir, self._settings.state_dir)
        return [
            TwinClaim(file.id, file.twins, file.replaces)
            for file in files
            if file.origin == "local" and file.id and file.usable
        ]

    def _present_circumstances(self) -> str:
        try:
            policy = self._settings.policy_file.read_bytes()
        except OSError:
            policy = b""
        parts = [appliance.__version__, policy.decode("utf-8", "replace"), *sorted(self._local_ids())]
        parts += map(repr, self._local_claims())
        parts += [approvals_mark(self._settings.approvals_dir), PresetFolders(self._settings.config_dir).mark]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def _read_known(self) -> None:
        try:
            known = _KNOWN.validate_json((self._folder / KNOWN).read_bytes())
            self.etag, self.taken, self._circumstances = known.etag, known.taken, known.circumstances
            self._leaving = self._stored() - self.taken.keys()
        except (OSError, ValueError):
            # Everything is fetched and reported again, which is harmless.
            return

    def _write_known(self) -> None:
        known = _KNOWN.dump_json(_Known(self.etag, self._circumstances, self.taken)).decode()
        with contextlib.suppress(OSError):
            write_file(self._folder / KNOWN, known, durable=True, mode=0o640)
