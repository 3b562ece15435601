"""A migration that is an image: run as a container delivery is, with the branch as its twin."""

from __future__ import annotations

import secrets
import shlex
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from appliance import __version__
from appliance.cli.work.copies.branch_server import BranchesOfWorkflow
from appliance.cli.work.workflows.local_containers import CONTAINER, require_engine, with_state
from appliance.connections import Connection
from appliance.errors import WrongRequestError
from appliance.policy.containers import EXPORTS, check_containers
from appliance.policy.policy import Policy, enforce, read_policy
from appliance.policy.trusted_images import images_of
from appliance.rehearsals.rehearsing import Program
from appliance.rehearsals.results.report import Failure
from appliance.rehearsals.watch.observing import Outcome
from appliance.steps.calling.call import StepCall
from appliance.steps.local.folders import secrets_base
from appliance.steps.records.run_spec import RunSpec
from appliance.workflow.deliveries.container_delivery import DATABASES
from appliance.workflow.document import Workflow

_ASK_OWNER = "Ask the owner of policy.yaml."


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
    minutes = branches.document.rehearsal.max_minutes
    if branches.document.rehearsal.connection is None:
        raise WrongRequestError(
            "A container needs a role of its own, and the workflow names none.",
            "As the twin's owner it could drop the twin: its statements are not seen before they run.",
            "Name a connection as rehearsal.connection in the workflow.",
        )
    workflow = _with_container(branches, image, command, minutes)
    policy = read_policy(branches.settings, policy_file)
    # What it writes is not kept, so nothing is delivered anywhere.
    refusals = check_containers(workflow, "local", images=policy.images, destinations=[EXPORTS], secrets=None)
    enforce(tuple(refusals), _ASK_OWNER)
    images_of(branches.settings.trusted_images_file, workflow)
    require_engine(workflow)

    def run(inside: Connection) -> Outcome:
        return _run(branches, workflow, policy, inside, say)

    return run


def _with_container(branches: BranchesOfWorkflow, image: str, command: str, minutes: int) -> Workflow:
    """The workflow as if it delivered its twin to that container alone."""
    try:
        args = shlex.split(command)
    except ValueError as error:
        raise WrongRequestError(
            f"--command cannot be read as words: {error}.",
            "It is quoted as for a shell.",
            "--command 'migrate up'",
        ) from None
    container = {
        "image": image,
        "args": args,
        "reads": "twin",
        "network": [DATABASES],
        "timeout_min": minutes,
    }
    document = branches.document
    return Workflow(
        id=document.id,
        source=document.source,
        tables=document.tables,
        deliver=[{"twin": {"connection": branches.connection_name}}, {"container": container}],
    )


def _run(
    branches: BranchesOfWorkflow,
    workflow: Workflow,
    policy: Policy,
    inside: Connection,
    say: Callable[[str], None],
) -> Outcome:
    import docker  # noqa: PLC0415 - an extra

    from appliance.orchestration.handover.attempt import HandoverFailedError  # noqa: PLC0415
    from appliance.orchestration.handover.running import Handover  # noqa: PLC0415

    run_id = f"rehearsal-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    spec = RunSpec(
        run_id=run_id,
        workflow=workflow,
        origin="local",
        policy=policy,
        created_at=datetime.now(UTC),
        images=images_of(branches.settings.trusted_images_file, workflow),
        appliance_version=__version__,
    )
    with (
        tempfile.TemporaryDirectory(prefix="appliance-rehearsal-") as folder,
        secrets_base(branches.settings, run_id) as secrets_dir,
    ):
        # A state of its own: no reaper of an appliance takes its container for one that a run has left.
        settings = with_state(branches.settings, Path(folder))
        handover = Handover(
            client=docker.from_env(version="auto").api,
            settings=settings,
            spec=spec,
            call=StepCall(run_id, workflow.id, CONTAINER, delivery=1),
            twins={inside.name: inside},
            exports_dir=Path(folder) / "exports",
            secrets_dir=secrets_dir / CONTAINER,
            log=say,
        )
        try:
            handover.hand_over()
        except HandoverFailedError as error:
            stopped = handover.run is not None and handover.run.out_of_time
            return Outcome(Failure(sqlstate=None, why=error.what), stopped=stopped)
    return Outcome()
