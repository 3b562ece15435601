"""A migration that is an image: run as a container delivery is, with a branch as its twin."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import docker

from appliance import __version__
from appliance.connections.database import Connection
from appliance.orchestration.handover.attempt import HandoverFailedError
from appliance.orchestration.handover.network import addresses_of
from appliance.orchestration.handover.running import Handover
from appliance.policy.policy import Policy
from appliance.policy.trusted_images import images_of
from appliance.rehearsals.results.report import Failure
from appliance.rehearsals.watch.observing import Outcome
from appliance.run_folder import StopRequest
from appliance.settings.settings import Settings
from appliance.steps.calling.call import StepCall
from appliance.steps.records.run_spec import RunSpec
from appliance.workflow.document import Workflow

CONTAINER = "container"


def run_image(
    settings: Settings,
    workflow: Workflow,
    policy: Policy,
    inside: Connection,
    *,
    run_id: str,
    folder: Path,
    secrets_dir: Path,
    say: Callable[[str], None],
    asked_to_stop: Callable[[], StopRequest | None] = lambda: None,
    addresses: Callable[[str, int], tuple[str, ...]] = addresses_of,
) -> Outcome:
    """Run the container of ``as_container`` in the branch that ``inside`` leads to; how it ended.

    Raises our errors where it could not be run.
    """
    spec = RunSpec(
        run_id=run_id,
        workflow=workflow,
        origin="local",
        policy=policy,
        created_at=datetime.now(UTC),
        images=images_of(settings.trusted_images_file, workflow),
        appliance_version=__version__,
    )
    exports = folder / "exports"
    handover = Handover(
        client=docker.from_env(version="auto").api,
        settings=settings,
        spec=spec,
        call=StepCall(run_id, workflow.id, CONTAINER, delivery=1),
        twins={inside.name: inside},
        exports_dir=exports,
        secrets_dir=secrets_dir / CONTAINER,
        log=say,
        asked_to_stop=asked_to_stop,
        addresses=addresses,
    )
    try:
        handover.hand_over()
    except HandoverFailedError as error:
        stopped = handover.run is not None and handover.run.out_of_time
        return Outcome(Failure(sqlstate=None, why=error.what), stopped=stopped)
    finally:
        shutil.rmtree(exports, ignore_errors=True)
    return Outcome()
