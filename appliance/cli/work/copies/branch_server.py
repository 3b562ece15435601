"""What ``appliance branch`` needs to know: the workflow, its twin's server, the policy in force."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from appliance.branches.branch import Branch
from appliance.branches.connecting import pass_line
from appliance.branches.noting import noting
from appliance.branches.opening import server_of, twin_of
from appliance.branches.remembered import remember
from appliance.branches.server import Made
from appliance.connections.database import Connection
from appliance.connections.file import load_connections, select_connections
from appliance.durable import create_file
from appliance.errors import WrongRequestError
from appliance.orchestration.start_and_stop import find_workflow
from appliance.policy.policy import read_policy
from appliance.settings.settings import Settings, load_settings
from appliance.workflow.document import Workflow
from appliance.workflow.loading import load_workflow

NOT_BY_ITSELF = (
    "No timer on this machine knows this server: once it is over, it is dropped by the next"
    " `appliance branch create`, or by `appliance branch end {workflow}`."
)


class BranchesOfWorkflow:
    """The branches of one twin of a workflow, which is named by its id or its file."""

    def __init__(
        self, workflow: str, delivery: str | None, connections: Path | None, policy: Path | None
    ) -> None:
        settings = self.settings = load_settings()
        document = self.document = _workflow(settings, workflow)
        self.connection_name = twin_of(document, delivery)
        path = self.connections_file = connections or settings.connections_file
        known = select_connections(load_connections(path), [self.connection_name], str(path))
        self.connection: Connection = known[self.connection_name]
        self.server = server_of(
            self.connection_name, self.connection, read_policy(settings, policy).branches, document.id
        )
        # Of another file's connections the timers know nothing.
        self._state_dir = settings.state_dir if path == settings.connections_file else None
        if self._state_dir is not None:
            self.server = noting(self.server, self._state_dir, self.connection_name, "command line")

    def make(self, act: Callable[[], Made]) -> Made:
        """Make or reset one, noted for what ends it; with a note where nothing of this machine will."""
        self._remember()
        made = act()
        # What ends branches may have found none just before this one was there.
        if self._remember():
            return made
        return replace(made, notes=(*made.notes, NOT_BY_ITSELF.format(workflow=made.branch.marker.workflow)))

    def _remember(self) -> bool:
        return self._state_dir is not None and remember(self._state_dir, self.connection_name)


def _workflow(settings: Settings, named: str) -> Workflow:
    file = Path(named)
    if file.suffix in {".yaml", ".yml", ".json"} or "/" in named:
        return load_workflow(file, settings.config_dir).workflow
    return load_workflow(Path(find_workflow(settings, named).path), settings.config_dir).workflow


def write_password(file: Path, branch: Branch, connection: Connection) -> None:
    """A pass file for the branch, which only its reader may read. Raises WrongRequestError."""
    if branch.marker.role is not None:
        raise WrongRequestError(
            f"The branch is for the role '{branch.marker.role}', whose password the appliance does not know.",
            "",
            "Leave out --password-file.",
        )
    try:
        made = create_file(file, pass_line(branch, connection) + "\n", durable=False, mode=0o600)
    except OSError as error:
        raise WrongRequestError(
            f"{file} could not be written: {error.strerror or type(error).__name__}.",
            "",
            "Name another file.",
        ) from None
    if not made:
        raise WrongRequestError(f"{file} is there already.", "No file is written over.", "Name a new one.")
