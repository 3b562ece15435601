"""A migration that is an image, on the command line: through this machine's Docker, or not at all."""

from __future__ import annotations

import secrets
import shlex
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from appliance.cli.work.copies.branch_server import BranchesOfWorkflow
from appliance.cli.work.workflows.local_containers import require_engine, with_state
from appliance.connections.file import load_connections, select_connections
from appliance.errors import WrongRequestError
from appliance.policy.policy import read_policy
from appliance.rehearsals.image import as_container, check_image
from appliance.rehearsals.rehearsing import Program
from appliance.rehearsals.watch.observing import Outcome
from appliance.steps.local.folders import secrets_base


def image_program(
    branches: BranchesOfWorkflow,
    image: str,
    command: str,
    policy_file: Path | None,
    say: Callable[[str], None],
) -> Program:
    """What runs the image in a branch.

    Raises RefusedError for an image that policy does not name, WrongRequestError where no container can run
    here, or the workflow names no role for it.
    """
    settings, document = branches.settings, branches.document
    workflow = as_container(document, branches.connection_name, image, words_of(command))
    policy = read_policy(settings, policy_file)
    check_image(settings, workflow, policy, "local")
    require_engine(workflow)
    from appliance.orchestration.handover.rehearsed import run_image  # noqa: PLC0415 - Docker's is an extra

    path = branches.connections_file
    (role,) = select_connections(
        load_connections(path), [document.rehearsal.connection or ""], str(path)
    ).values()

    def run(database: str) -> Outcome:
        run_id = f"rehearsal-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        with (
            tempfile.TemporaryDirectory(prefix="appliance-rehearsal-") as folder,
            secrets_base(settings, run_id) as secrets_dir,
        ):
            inside = role.model_copy(update={"dbname": database})
            return run_image(
                # A state of its own: no reaper takes its container for one that a run has left.
                with_state(settings, Path(folder)),
                workflow,
                policy,
                inside,
                run_id=run_id,
                folder=Path(folder),
                secrets_dir=secrets_dir,
                say=say,
            )

    return run


def words_of(command: str) -> list[str]:
    """The arguments as a shell reads them. Raises WrongRequestError."""
    try:
        return shlex.split(command)
    except ValueError as error:
        raise WrongRequestError(
            f"--command cannot be read as words: {error}.",
            "It is quoted as for a shell.",
            "--command 'migrate up'",
        ) from None
