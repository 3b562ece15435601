"""A workflow's check for drift as an Airflow task: the step in a container like any other, and its answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException

from appliance.contract.step_messages import Failure
from appliance.errors import ApplianceError
from appliance.orchestration.airflow.operators.step_operators import StepOperator
from appliance.orchestration.airflow.operators.task_errors import TaskFailedError, TaskFailedForGoodError
from appliance.orchestration.containers.attempt import DockerTrouble, EngineAwayError
from appliance.orchestration.containers.inputs import StepInputs, secret_values
from appliance.orchestration.drift_checks import STEP, answer, begin, run_id_of
from appliance.orchestration.looks import LONGEST_MIN
from appliance.run_folder import run_folder
from appliance.scrubbing.scrub import Scrubber
from appliance.steps.calling.call import StepCall
from appliance.steps.records.run_spec import RunSpec

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class DriftOperator(StepOperator):
    """Plans the workflow as it is now. That a run would halt is what it is there to say, and no failure."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(step=STEP, **kwargs)

    def run_id(self, context: Context) -> str:  # noqa: ARG002 - as every step has it
        """How its folder and its container are called."""
        return run_id_of(self.workflow)

    def execute(self, context: Context) -> None:
        """Look, and say what was found, whatever it is."""
        spec: RunSpec | None = None
        failure: Failure | ApplianceError | None = None
        try:
            spec = begin(self.settings, Path(self.source_file), self.origin)
            inputs = StepInputs(self.settings, spec)
            call = StepCall(spec.run_id, self.workflow, self.step, attempt=context["ti"].try_number)
            inputs.scrubber = Scrubber(secret_values(inputs.connections_to_reach(call)[1]))
            self._perform(self.cli, inputs, call, run_folder(self.settings.state_dir, spec.run_id))
        except (TaskFailedError, TaskFailedForGoodError) as error:
            failure = error.failure
        except ApplianceError as error:
            failure = error
        except (AirflowException, *DockerTrouble) as error:
            failure = EngineAwayError(error)
        try:
            self._answer(spec, failure)
        finally:
            self.store.close()

    def _answer(self, spec: RunSpec | None, failure: Failure | ApplianceError | None) -> None:
        def write() -> bool:
            answer(self.store.connection, self.settings, self.workflow, spec, failure)
            return True

        self.store.attempt(write)

    def _deadline(self, inputs: StepInputs) -> datetime:
        return inputs.spec.created_at + timedelta(minutes=LONGEST_MIN)
