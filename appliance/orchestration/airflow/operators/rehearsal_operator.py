"""A rehearsal as an Airflow task: a step that performs and watches; an image in a container beside it."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.errors import ApplianceError
from appliance.orchestration.airflow.operators.container_operator import as_the_firewall_has_them
from appliance.orchestration.airflow.operators.look_operator import LookOperator
from appliance.orchestration.containers.attempt import DockerTrouble, EngineAwayError
from appliance.orchestration.containers.inputs import StepInputs
from appliance.orchestration.containers.reach import is_guarded, open_ways
from appliance.orchestration.handover.network import addresses_of
from appliance.orchestration.handover.rehearsed import run_image
from appliance.policy.policy import read_policy
from appliance.rehearsals.asking import ImageEnded
from appliance.rehearsals.image import as_container, check_image
from appliance.run_folder import LOOK, StopRequest
from appliance.steps.calling.call import StepCall
from appliance.steps.records.look_files import BRANCH_READY, IMAGE_ENDED
from appliance.store.asked_work import say_of_work
from appliance.store.runs import RunStore

if TYPE_CHECKING:
    import docker

SLACK_MIN = 30
"""For copying, counting and dropping, besides the migration's own time."""
_LOOK_S = 0.1
_IS_OVER = StopRequest("failed", "The step that watches it has ended.")


class WorkStore(RunStore):
    """Where a rehearsal's step says how far it is: with what was asked for, since it is no workflow's run."""

    def notice(self, run_id: str, step: str, text: str) -> None:  # noqa: ARG002
        """One more line."""
        say_of_work(self.connection, run_id.removeprefix(LOOK), text)


class RehearsalOperator(LookOperator):
    """Rehearses what was asked for under the command's id."""

    stop_grace_s = 30
    """For its branch, which is dropped, and for what was seen until then."""

    @cached_property
    def store(self) -> RunStore:
        """Where this task process writes."""
        return WorkStore(self.settings.database_url)

    def _perform(self, client: docker.APIClient, inputs: StepInputs, call: StepCall, folder: Path) -> None:
        rehearsal = inputs.spec.rehearsal
        over = threading.Event()
        beside = threading.Thread(
            target=self._beside, args=(inputs, call, folder, over), name="rehearsed-image", daemon=True
        )
        if rehearsal is not None and rehearsal.image is not None:
            beside.start()
        try:
            super()._perform(client, inputs, call, folder)
        finally:
            over.set()
            if beside.is_alive():
                beside.join(timeout=60)

    def _beside(self, inputs: StepInputs, call: StepCall, folder: Path, over: threading.Event) -> None:
        """Run the image once the step has a branch for it; the step waits for what is written then."""
        while not BRANCH_READY.is_in(folder):
            if over.wait(_LOOK_S):
                return
        try:
            ended = self._rehearse_image(inputs, call, folder, over)
        except ApplianceError as error:
            ended = ImageEnded(why=error.explanation.line(), performed=False)
        except DockerTrouble as error:
            ended = ImageEnded(why=EngineAwayError(error).explanation.line(), performed=False)
        except Exception as error:
            ended = ImageEnded(why=f"{type(error).__name__} on the appliance.", performed=False)
        if not over.is_set():
            IMAGE_ENDED.write(folder, ended)

    def _rehearse_image(
        self, inputs: StepInputs, call: StepCall, folder: Path, over: threading.Event
    ) -> ImageEnded:
        spec = inputs.spec
        rehearsal, named = spec.rehearsal, spec.workflow.rehearsal.connection
        assert rehearsal is not None and rehearsal.image is not None and named is not None  # noqa: S101
        workflow = as_container(spec.workflow, rehearsal.connection, rehearsal.image, rehearsal.command)
        policy = read_policy(self.settings)
        check_image(self.settings, workflow, policy, spec.origin)
        known, wanted = inputs.connections_to_reach(call)
        role = wanted[named]
        hosts = open_ways(
            self.settings.runtime_dir, known, {named: role}, named=inputs.named_places(), places=[]
        )
        outcome = run_image(
            self.settings,
            workflow,
            policy,
            role.model_copy(update={"dbname": BRANCH_READY.read(folder).database}),
            run_id=call.run_id,
            folder=folder / "image",
            secrets_dir=self.settings.runtime_dir / call.run_id / f"image-{time.monotonic_ns()}",
            say=self.log.info,
            asked_to_stop=lambda: _IS_OVER if over.is_set() else self._stop_request(folder),
            addresses=as_the_firewall_has_them(hosts) if is_guarded() else addresses_of,
        )
        return ImageEnded(
            why=outcome.failure.why if outcome.failure is not None else None, stopped=outcome.stopped
        )

    def _deadline(self, inputs: StepInputs) -> datetime:
        rehearsal = inputs.spec.rehearsal
        directions = rehearsal.directions if rehearsal is not None else 1
        minutes = inputs.spec.workflow.rehearsal.max_minutes * directions + SLACK_MIN
        return inputs.spec.created_at + timedelta(minutes=minutes)
