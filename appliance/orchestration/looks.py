"""Looks: what the dashboard asks to be found out of databases, a scan, a plan or a test. Nothing is changed.

Asked for where commands are worked off, done as a step in a container (``look_work``). What policy forbids is
refused before, by name of the rule. Imports no Airflow and no step, as the status service is small.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from appliance.connections import load_connections, select_connections
from appliance.contract.calls import document_digest
from appliance.documents.document import Document
from appliance.documents.problems import WrongDocumentError
from appliance.errors import WrongRequestError
from appliance.masking.registry import parameter_models
from appliance.orchestration.airflow.execution_api import create_dag_run
from appliance.orchestration.airflow.metadata import LOOK_DAG
from appliance.orchestration.workflow_files import read_workflow_files, waiting_file
from appliance.policy.policy import check_workflow, enforce, read_policy
from appliance.policy.sharing import check_connection_test, check_scan
from appliance.run_folder import LOOK, RunFile, run_folder
from appliance.settings.settings import Settings
from appliance.store.command_state import Settled, finish_command
from appliance.store.database import Connection
from appliance.workflow.document import Workflow
from appliance.workflow.loading import load_workflow, parse_workflow
from appliance.workflow.mask_check import check_masks

LONGEST_MIN = 15
"""Then a look is given up."""
_NOWHERE = ("nowhere", "no-target")
"""What the workflow of a scan delivers to: nothing is, but every workflow names a target."""


class Look(BaseModel):
    """What is to be found out: ``scan`` or ``test`` of a connection, or ``plan`` of a version or a draft."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["scan", "plan", "test"]
    command_id: UUID
    connection: str | None = None
    workflow: str | None = None
    digest: str | None = None
    draft: str | None = None
    """The document as JSON, where it is one that was never saved."""
    is_owners: bool = False
    """The owner asked for it on the appliance's own page; the dashboard hears nothing of it."""

    @property
    def step(self) -> str:
        """The step that finds it out."""
        return {"scan": "scan", "plan": "plan_only", "test": "try_connection"}[self.kind]

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
    create_dag_run(settings, LOOK_DAG, str(look.command_id))


def asked_for(settings: Settings, command_id: str) -> Look:
    """What was asked for under a command's id. Raises WrongRequestError where nothing was."""
    return ASKED.read(run_folder(settings.state_dir, f"{LOOK}{UUID(command_id)}"))


def forget_lost(db: Connection, settings: Settings) -> int:
    """End the commands of looks whose process was killed, so that nothing answers them; how many."""
    rows = db.execute(
        "SELECT command_id FROM appliance.command WHERE kind IN ('scan', 'plan', 'test')"
        " AND state = 'accepted' AND received_at < now() - make_interval(mins => %s)",
        [2 * LONGEST_MIN],
    ).fetchall()
    for row in rows:
        problem = "It was begun, and nothing was heard of it any more: the appliance was restarted meanwhile."
        finish_command(db, row["command_id"], Settled("failed", problem=problem))
        shutil.rmtree(run_folder(settings.state_dir, f"{LOOK}{row['command_id']}"), ignore_errors=True)
    return len(rows)


def checked(settings: Settings, look: Look) -> tuple[Workflow, Document | None]:
    """The workflow of a look, once policy has been asked."""
    policy = read_policy(settings)
    if look.kind != "plan":
        assert look.connection is not None  # noqa: S101 - as the command has it
        # The owner has written the policy, and opens on the command line what is theirs.
        if not look.is_owners:
            refusals = check_scan if look.kind == "scan" else check_connection_test
            enforce(refusals(policy, look.connection), "Ask the owner of policy.yaml.")
        select_connections(load_connections(settings.connections_file), [look.connection])
        return _scanning(look.connection), None
    if look.draft is not None:
        workflow, document = _draft(look)
    else:
        workflow, document = _version(settings, look.workflow or "", look.digest or "")
    enforce(check_workflow(policy, workflow, origin="cloud"))
    return workflow, document


def _scanning(connection: str) -> Workflow:
    head: dict[str, JsonValue] = {
        "id": "scan",
        "source": connection,
        "tables": {"include": ["*.*"]},
        "deliver": [{"twin": {"connection": next(each for each in _NOWHERE if each != connection)}}],
        "limits": {"run_timeout_min": LONGEST_MIN, "parallel": 1},
    }
    return Workflow.model_validate(head)


def _draft(look: Look) -> tuple[Workflow, Document]:
    """The draft that came with the command. It is held to what a workflow from the dashboard is held to."""
    try:
        loaded = parse_workflow(look.draft or "", "the draft", as_json=True)
        if problems := check_masks(loaded.document, parameter_models()):
            raise WrongDocumentError(problems)
    except (RecursionError, UnicodeError):
        raise WrongRequestError("The draft cannot be read.", "It is nested too deeply.") from None
    if document_digest(loaded.document.data) != look.digest or loaded.workflow.id != look.workflow:
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
            loaded = load_workflow(path)
            if document_digest(loaded.document.data) == digest:
                return loaded.workflow, loaded.document
    raise WrongRequestError(
        f"This appliance does not have that version of the workflow {workflow}.",
        "It has not fetched it yet, or did not take it up.",
        "Look at what it says of the workflow, or ask it to fetch the workflows now.",
    )
