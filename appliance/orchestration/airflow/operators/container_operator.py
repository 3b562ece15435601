"""A container of the customer's own as an Airflow task: after the twin is published."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.contract.step_messages import Failure, Result
from appliance.errors import ApplianceError
from appliance.orchestration.airflow.operators.step_operators import StepOperator
from appliance.orchestration.airflow.operators.task_errors import raise_failure
from appliance.orchestration.containers.attempt import EngineAwayError
from appliance.orchestration.containers.inputs import StepInputs
from appliance.orchestration.containers.reach import is_guarded, open_ways
from appliance.orchestration.handover.attempt import HandoverFailedError
from appliance.orchestration.handover.network import addresses_of
from appliance.orchestration.handover.running import Handover, HandoverStoppedError, warned
from appliance.run_folder import run_folder
from appliance.steps.calling.call import StepCall

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class ContainerOperator(StepOperator):
    """Runs the container of one delivery."""

    handover: Handover | None = None

    def on_kill(self) -> None:
        """Airflow wants this task to end now."""
        self.killed = True
        if self.handover is not None and self.handover.run is not None:
            self.handover.run.interrupt()

    def _execute(self, context: Context) -> None:
        run_id = self.run_id(context)
        folder = run_folder(self.settings.state_dir, run_id)
        if request := self._stop_request(folder):
            raise_failure(self._failed.stopped(request))
        attempt = context["ti"].try_number
        call = StepCall(run_id, self.workflow, self.step, attempt=attempt, delivery=self.delivery)
        inputs = StepInputs.of_run(self.settings, call, Path(self.source_file), self.origin)
        began = time.monotonic()
        try:
            known, twins = inputs.connections_to_reach(call)
            places = inputs.spec.workflow.containers[self.delivery or 0].places
            hosts = open_ways(
                self.settings.runtime_dir, known, twins, named=inputs.named_places(), places=places
            )
            self.handover = Handover(
                client=self.cli,
                settings=self.settings,
                spec=inputs.spec,
                call=call,
                twins=twins,
                exports_dir=self.settings.exports_dir,
                secrets_dir=self.settings.runtime_dir
                / run_id
                / f"{call.place}-{attempt}-{time.monotonic_ns()}",
                log=self.log.info,
                asked_to_stop=lambda: self._stop_request(folder),
                addresses=as_the_firewall_has_them(hosts) if is_guarded() else addresses_of,
            )
            data = self.handover.hand_over()
        except EngineAwayError:
            raise
        except HandoverStoppedError as error:
            stopped = self._failed.stopped(error.request) if error.request else self._failed.interrupted()
            raise_failure(stopped)
        except ApplianceError as error:
            container = inputs.spec.workflow.containers[self.delivery or 0]
            if container.on_failure == "fail":
                raise_failure(self._failure_of(error))
            data = warned(container, error, began)
            self.log.warning(data.notes[0])
            self.store.attempt(lambda: self.store.notice(run_id, self.step, data.notes[0]))
        self.result = Result(step=self.step, shard=self.part, data=data.model_dump(mode="json"))

    def _failure_of(self, error: ApplianceError) -> Failure:
        failure = self._failed.by_error(error)
        if isinstance(error, HandoverFailedError):
            return failure.model_copy(update={"retry": False, "log_tail": error.tail})
        return failure


def as_the_firewall_has_them(hosts: tuple[str, ...]) -> Callable[[str, int], tuple[str, ...]]:
    """From the lines for /etc/hosts: what the firewall lets through is what the relay must go to."""
    found: dict[str, tuple[str, ...]] = {}
    for line in hosts:
        host, _, address = line.partition(":")
        found[host] = (*found.get(host, ()), address)

    def look_up(host: str, port: int) -> tuple[str, ...]:
        return found.get(host) or (addresses_of(host, port) if host[:1].isdigit() or ":" in host else ())

    return look_up
