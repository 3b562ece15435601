"""Looks: what the dashboard asks to be found out of databases, or done to a twin's branches.

Asked for where commands are worked off, done as a step in a container (``look_work``). What policy forbids is
refused before, by name of the rule. Imports no Airflow and no step, as the status service is small.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from appliance.branches.asked import BranchAsked
from appliance.connections.file import load_connections, select_connections
from appliance.contract.fields import document_digest
from appliance.documents.document import Document
from appliance.documents.problems import WrongDocumentError
from appliance.errors import WrongRequestError
from appliance.orchestration.airflow.execution_api import create_dag_run
from appliance.orchestration.airflow.metadata import LOOK_DAG, REHEARSAL_DAG
from appliance.orchestration.start_and_stop import find_workflow
from appliance.orchestration.workflow_files import read_workflow_files, waiting_file
from appliance.policy.branches import check_asking
from appliance.policy.policy import Policy, check_workflow, enforce, read_policy
from appliance.policy.refusal import Origin, Refusal
from appliance.policy.sharing import check_connection_test, check_scan
from appliance.rehearsals.asking import RehearsalAsked
from appliance.rehearsals.image import as_container, check_image
from appliance.run_folder import LOOK, RunFile, run_folder
from appliance.settings.settings import Settings
from appliance.store.command_state import Settled, finish_command
from appliance.store.database import Connection
from appliance.workflow.document import Workflow
from appliance.workflow.loading import load_workflow, parse_workflow
from appliance.workflow.presets.files import PresetFiles

LONGEST_MIN = 15
"""Then a look is given up."""
_WAITS_DAYS = 2
"""For rehearsals before it; then a rehearsal is given up that has not begun."""
_STEPS = {
    "scan": "scan",
    "plan": "plan_only",
    "test": "try_connection",
    "branch": "branch",
    "rehearse": "try_migration",
}
_ASK_OWNER = "Ask the owner of policy.yaml."
_NOWHERE = ("nowhere", "no-target")
"""What the workflow of a scan delivers to: nothing is, but every workflow names a target."""


class Look(BaseModel):
    """What is to be found out of a connection or a version or draft of a workflow; or done to a branch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["scan", "plan", "test", "branch", "rehearse"]
    command_id: UUID
    connection: str | None = None
    workflow: str | None = None
    digest: str | None = None
    draft: str | None = None
    """The document as JSON, where it is one that was never saved."""
    branch: BranchAsked | None = None
    rehearsal: RehearsalAsked | None = None
    origin: Origin = "cloud"
    """Who asks: the owner, here; or the dashboard, which hears of its own only."""

    @property
    def step(self) -> str:
        """The step that finds it out."""
        return _STEPS[self.kind]

    @property
    def at_branches(self) -> str | None:
        """The connection of the twin whose branches it works at, if it does."""
        about = self.branch or self.rehearsal
        return about.connection if about is not None else None

    def delivery(self, workflow: Workflow) -> int | None:
        """By its place, the twin that it is about, of which alone the step gets the connection."""
        if self.at_branches is None:
            return None
        return next(place for place, each in workflow.built.items() if each == self.at_branches)

    @property
    def run_id(self) -> str:
        """How its folder and its container are called."""
        return f"{LOOK}{self.command_id}"


ASKED = RunFile("look.json", Look)


def ask(settings: Settings, look: Look) -> None:
    """Have it done. Asked again, it is done once.

    Raises RefusedError where policy forbids it, WrongRequestError where it cannot be done (yet),
    WorkFailedError when Airflow does not answer.
    """
    checked(settings, look)
    folder = run_folder(settings.state_dir, look.run_id)
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    ASKED.write(folder, look)
    create_dag_run(settings, REHEARSAL_DAG if look.rehearsal else LOOK_DAG, str(look.command_id))


def asked_for(settings: Settings, command_id: str) -> Look:
    """What was asked for under a command's id. Raises WrongRequestError where nothing was."""
    return ASKED.read(run_folder(settings.state_dir, f"{LOOK}{UUID(command_id)}"))


def forget_lost(db: Connection, settings: Settings) -> int:
    """End the commands of looks whose process was killed, so that nothing answers them; how many."""
    rows = db.execute(
        "SELECT c.command_id FROM appliance.command AS c LEFT JOIN appliance.asked_work AS w"
        " USING (command_id) WHERE c.state = 'accepted' AND CASE c.kind"
        " WHEN 'rehearse' THEN coalesce(w.lost_after, c.received_at + make_interval(days => %s)) < now()"
        " WHEN 'erase' THEN false WHEN 'update' THEN false"
        " ELSE c.received_at < now() - make_interval(mins => %s) END",
        [_WAITS_DAYS, 2 * LONGEST_MIN],
    ).fetchall()
    for row in rows:
        problem = "It was begun, and nothing was heard of it any more: the appliance was restarted meanwhile."
        finish_command(db, row["command_id"], Settled("failed", problem=problem))
        shutil.rmtree(run_folder(settings.state_dir, f"{LOOK}{row['command_id']}"), ignore_errors=True)
    return len(rows)


def checked(settings: Settings, look: Look) -> tuple[Workflow, Document | None]:
    """The workflow of a look, once policy has been asked."""
    policy = read_policy(settings)
    if look.at_branches is not None:
        workflow = load_workflow(
            Path(find_workflow(settings, look.workflow or "").path), settings.config_dir
        ).workflow
        enforce(check_asking(policy.branches, look.origin), _ASK_OWNER)
        if look.rehearsal is not None:
            _check_rehearsal(settings, policy, workflow, look.rehearsal, look.origin)
        return workflow, None
    if look.kind != "plan":
        assert look.connection is not None  # noqa: S101 - as the command has it
        # The owner has written the policy, and opens on the command line what is theirs.
        if look.origin == "cloud":
            refusals = check_scan if look.kind == "scan" else check_connection_test
            enforce(refusals(policy, look.connection), _ASK_OWNER)
        select_connections(load_connections(settings.connections_file), [look.connection])
        return _scanning(look.connection), None
    if look.draft is not None:
        workflow, document = _draft(settings, look)
    else:
        workflow, document = _version(settings, look.workflow or "", look.digest or "")
    enforce(check_workflow(policy, workflow, origin="cloud"))
    return workflow, document


def _check_rehearsal(
    settings: Settings, policy: Policy, workflow: Workflow, asked: RehearsalAsked, origin: Origin
) -> None:
    if origin == "cloud" and (asked.sql or asked.down) and not policy.sql_from_cloud:
        what = "SQL of a migration is not taken from the dashboard here."
        enforce((Refusal("sql_from_cloud", what),), _ASK_OWNER)
    if asked.image is None:
        return
    if origin == "cloud" and "@sha256:" not in asked.image:
        what = f"The image {asked.image} is named without a digest, and another may be behind it tomorrow."
        enforce((Refusal("images", what),), "Name it as REGISTRY/NAME@sha256:DIGEST.")
    container = as_container(workflow, asked.connection, asked.image, asked.command)
    check_image(settings, container, policy, origin)


def _scanning(connection: str) -> Workflow:
    head: dict[str, JsonValue] = {
        "id": "scan",
        "source": connection,
        "tables": {"include": ["*.*"]},
        "deliver": [{"twin": {"connection": next(each for each in _NOWHERE if each != connection)}}],
        "limits": {"run_timeout_min": LONGEST_MIN, "parallel": 1},
    }
    return Workflow.model_validate(head)


def _draft(settings: Settings, look: Look) -> tuple[Workflow, Document]:
    """The draft that came with the command. It is held to what a workflow from the dashboard is held to."""
    try:
        loaded = parse_workflow(
            look.draft or "", "the draft", as_json=True, presets=PresetFiles.of(settings.config_dir)
        )
        # All masks take 3 MB, which the status service has only for documents that come in.
        from appliance.masking.document_check import mask_problems  # noqa: PLC0415

        if problems := mask_problems(loaded.document):
            raise WrongDocumentError(problems)
    except (RecursionError, UnicodeError):
        raise WrongRequestError("The draft cannot be read.", "It is nested too deeply.") from None
    if document_digest(loaded.as_written.data) != look.digest or loaded.workflow.id != look.workflow:
        raise WrongRequestError(
            "The draft is not the one that the command names.", "It was cut off or changed.", "Plan it again."
        )
    return loaded.workflow, loaded.document


def _version(settings: Settings, workflow: str, digest: str) -> tuple[Workflow, Document]:
    """That version of a workflow from the dashboard: the one in force, or one that waits for the owner."""
    files = read_workflow_files(settings.config_dir, settings.state_dir)
    paths = [Path(file.path) for file in files if file.id == workflow and file.origin == "cloud"]
    for path in (*paths, waiting_file(settings.state_dir, workflow)):
        if path.is_file():
            loaded = load_workflow(path, settings.config_dir)
            if document_digest(loaded.as_written.data) == digest:
                return loaded.workflow, loaded.document
    raise WrongRequestError(
        f"This appliance does not have that version of the workflow {workflow}.",
        "It has not fetched it yet, or did not take it up.",
        "Look at what it says of the workflow, or ask it to fetch the workflows now.",
    )
