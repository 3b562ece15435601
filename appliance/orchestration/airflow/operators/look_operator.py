"""A look as an Airflow task: the step in a container like any other, and its answer to the dashboard."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException

from appliance.contract.step_messages import Failure
from appliance.errors import ApplianceError
from appliance.orchestration.airflow.operators.step_operators import StepOperator
from appliance.orchestration.airflow.operators.task_errors import TaskFailedError, TaskFailedForGoodError
from appliance.orchestration.containers.attempt import DockerTrouble, EngineAwayError
from appliance.orchestration.containers.inputs import StepInputs, secret_values
from appliance.orchestration.look_work import answer, begin
from appliance.orchestration.looks import LONGEST_MIN, Look, asked_for
from appliance.run_folder import LOOK, run_folder
from appliance.scrubbing.scrub import Scrubber
from appliance.steps.calling.call import StepCall
from appliance.store.asked_work import is_open, work_started

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class LookOperator(StepOperator):
    """Does what was asked for under the command's id, which is that of the DAG's run."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(step="look", workflow=LOOK, source_file="", origin="cloud", **kwargs)

    def execute(self, context: Context) -> None:
        """Look, and answer, whatever came of it."""
        command_id = context["ti"].run_id
        look: Look | None = None
        failure: Failure | ApplianceError | None = None
        try:
            look = asked_for(self.settings, command_id)
            if not self._is_wanted(look):
                shutil.rmtree(run_folder(self.settings.state_dir, look.run_id), ignore_errors=True)
                look = None
                return
            spec = begin(self.settings, look)
            self.step, self.workflow = look.step, spec.workflow.id
            inputs = StepInputs(self.settings, spec)
            call = StepCall(
                look.run_id,
                spec.workflow.id,
                look.step,
                attempt=context["ti"].try_number,
                delivery=look.delivery(spec.workflow),
            )
            inputs.scrubber = Scrubber(secret_values(inputs.connections_to_reach(call)[1]))
            self._begun(look, inputs)
            self._perform(self.cli, inputs, call, run_folder(self.settings.state_dir, look.run_id))
        except (TaskFailedError, TaskFailedForGoodError) as error:
            failure = error.failure
        except ApplianceError as error:
            failure = error
        except (AirflowException, *DockerTrouble) as error:
            failure = EngineAwayError(error)
        finally:
            try:
                if look is not None:
                    self._answer(look, failure)
            finally:
                self.store.close()

    def _is_wanted(self, look: Look) -> bool:
        """Whether it is still waited for: it may have been cancelled before it began."""
        command_id = str(look.command_id)
        wanted = self.store.attempt(lambda: is_open(self.store.connection, command_id))
        return wanted is not False

    def _begun(self, look: Look, inputs: StepInputs) -> None:
        """The step is about to begin."""
        if look.at_branches is not None:
            minutes = round((self._deadline(inputs) - datetime.now(UTC)) / timedelta(minutes=1)) + 1
            command_id = str(look.command_id)
            self.store.attempt(lambda: work_started(self.store.connection, command_id, minutes))

    def _answer(self, look: Look, failure: Failure | ApplianceError | None) -> None:
        def write() -> bool:
            answer(self.store.connection, self.settings, look, failure)
            return True

        self.store.attempt(write)

    def _deadline(self, inputs: StepInputs) -> datetime:
        return inputs.spec.created_at + timedelta(minutes=LONGEST_MIN)
