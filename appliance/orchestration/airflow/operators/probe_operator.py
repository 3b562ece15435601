"""The tiny run of a probe as one Airflow task: every step in a container of its own, like any run's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
from airflow.sdk.exceptions import AirflowException

from appliance.contract.step_messages import Failure
from appliance.durable import create_file
from appliance.errors import ApplianceError
from appliance.orchestration.airflow.operators.step_operators import StepOperator
from appliance.orchestration.airflow.operators.task_errors import (
    TaskFailedError,
    TaskFailedForGoodError,
    raise_failure,
)
from appliance.orchestration.containers.attempt import DockerTrouble, EngineAwayError
from appliance.orchestration.containers.inputs import StepInputs
from appliance.orchestration.containers.reaping import remove_run
from appliance.orchestration.probe.tiny_run import (
    PROBE,
    PROBED,
    SERVER,
    Probed,
    ProbeInputs,
    calls,
    folder_of,
    run_id_of,
)
from appliance.run_folder import RECEIPT
from appliance.steps.calling.call import StepCall
from appliance.steps.records.run_files import SPEC

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class ProbeOperator(StepOperator):
    """Performs the steps in turn, and writes down what became of them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(step=PROBE, workflow=PROBE, source_file="", origin="local", **kwargs)

    def run_id(self, context: Context) -> str:
        """How the probe's folder and its containers are called."""
        return run_id_of(context["ti"].run_id)

    def execute(self, context: Context) -> None:
        """Nothing where the probe that asked for it is over."""
        folder = folder_of(self.settings, context["ti"].run_id)
        if not SPEC.is_in(folder) or not (folder / SERVER).is_dir():
            self.log.info("The probe that asked for this is over.")
            return
        failure: Failure | None = None
        try:
            inputs = ProbeInputs(self.settings, SPEC.read(folder))
            for call in calls(self.run_id(context)):
                self.step, self.shard, self.delivery = call.step, call.shard, call.delivery
                self.keeps_running = call.step == "open_snapshot"
                self._perform(self.cli, inputs, call, folder)
        except (TaskFailedError, TaskFailedForGoodError) as error:
            failure = error.failure
        except ApplianceError as error:
            failure = self._failed.by_error(error)
        except (AirflowException, *DockerTrouble) as error:
            failure = self._failed.by_error(EngineAwayError(error))
        finally:
            self.store.close()
            self._remove(context)
        if folder.is_dir():
            PROBED.write(folder, Probed(failure=failure))
        if failure is not None:
            raise_failure(failure.model_copy(update={"retry": False}))

    def _about_to_run(self, inputs: StepInputs, folder: Path) -> None:  # noqa: ARG002 - what is made is no copy
        if self.step == "publish":
            # It asks for one. What is published here has none, and goes with its server.
            create_file(folder / RECEIPT, "{}", durable=False, mode=0o640)

    def _done(self, client: docker.APIClient, inputs: StepInputs, folder: Path, files: Path | None) -> None:
        """Nothing is signed, moved or counted."""

    def _reached(self, inputs: StepInputs, call: StepCall) -> tuple[str, ...]:  # noqa: ARG002 - a socket
        return ()

    def _remove(self, context: Context) -> None:
        try:
            remove_run(self.cli, self.settings, self.run_id(context))
        except (AirflowException, *DockerTrouble):
            # The reaper comes by.
            self.log.info("Docker does not answer; what is left of the probe is removed later.")
