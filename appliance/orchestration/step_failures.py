"""Why a step failed, in words for a person, and whether trying again can help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from appliance.contract.step_messages import Failure
from appliance.errors import ApplianceError, ExitCode, Explanation
from appliance.run_folder import StopRequest

KILLED = 137
STOPPED = "Stopped"
"""The ``exception`` of a failure that is only the consequence of a request to stop."""


@dataclass(frozen=True)
class ContainerState:
    """What Docker says of a container."""

    status: str = ""
    running: bool = False
    exit_code: int = 0
    out_of_memory: bool = False

    @classmethod
    def of(cls, docker_says: Mapping[str, Any]) -> ContainerState:
        """From the ``State`` of an inspection."""
        return cls(
            status=str(docker_says.get("Status") or ""),
            running=bool(docker_says.get("Running")),
            exit_code=int(docker_says.get("ExitCode") or 0),
            out_of_memory=bool(docker_says.get("OOMKilled")),
        )

    @property
    def worked(self) -> bool:
        """It ended well."""
        return self.exit_code == 0 and not self.out_of_memory


@dataclass(frozen=True)
class FailedStep:
    """A step, or one part of it, that has failed: each method is a way to."""

    step: str
    part: int | None = None

    def by_exception(self, error: BaseException | str | None) -> Failure:
        """An exception of a task; of a foreign one only its class is shown."""
        failure = getattr(error, "failure", None)
        if isinstance(failure, Failure):
            return failure
        if isinstance(error, ApplianceError):
            return self.by_error(error)
        name = type(error).__name__ if isinstance(error, BaseException) else None
        return self._because(
            f"The step {self.step} ended unexpectedly.",
            f"{name} in Airflow's task process." if name else "",
            "appliance logs",
            retry=True,
            exception=name,
        )

    def by_error(self, error: ApplianceError) -> Failure:
        """An error that was understood, raised before or around the container."""
        return Failure.of(
            error.explanation,
            step=self.step,
            shard=self.part,
            exit_code=error.exit_code,
            retry=error.exit_code == ExitCode.WORK_FAILED,
            exception=type(error).__name__,
        )

    def stopped(self, request: StopRequest) -> Failure:
        """It was asked to stop: by a person, or because another step of the run failed."""
        # What a list of runs shows is the first of the two: the reason, unless a person wanted it so.
        what, why = request.why, "The run was stopped for that."
        if request.kind == "cancel":
            what, why = "The run was cancelled.", request.why
        return self._because(what, why, request.next_step, retry=False, exception=STOPPED)

    def out_of_time(self, minutes: int) -> Failure:
        """The run has taken longer than the workflow allows."""
        return self._because(
            f"The run took longer than {minutes} minutes, so it was stopped.",
            "limits.run_timeout_min in the workflow says so.",
            "Raise limits.run_timeout_min, or limits.parallel.",
            retry=False,
            exception="OutOfTime",
        )

    def interrupted(self) -> Failure:
        """Airflow ended the task from outside: the appliance restarts, or the task was taken for dead."""
        return self._because(
            f"The step {self.step} was interrupted.",
            "Airflow ended its task: the appliance restarts, or another attempt has taken over.",
            retry=True,
            exception="Interrupted",
        )

    def killed(self) -> Failure:
        """Its process ended without a word."""
        return self._because(
            "The process that watched this step was killed.",
            "It could not say why: it ran out of memory, the machine restarted, or someone ended it.",
            "appliance logs",
            retry=True,
            exception="Killed",
        )

    def by_container(self, state: ContainerState, said: Failure | None, *, memory_mb: int) -> Failure:
        """A container ended badly: what the step said, or what Docker knows."""
        code = state.exit_code
        if state.out_of_memory:
            return self._out_of_memory("was ended", said, memory_mb, retry=False)
        if said is not None:
            return said
        if code == KILLED:
            # With cgroups of version 1 some engines do not learn that Linux ended a process for its memory.
            return self._out_of_memory("was killed, most likely", None, memory_mb, retry=True)
        what, why = f"The step {self.step} ended with exit code {code} and said nothing of why.", ""
        if code == 0:
            what = f"The step {self.step} ended without a result."
            why = "It printed neither a result nor a failure."
        known = code if code in (1, 2, 3) else ExitCode.WORK_FAILED
        return self._because(
            what, why, "appliance logs", retry=code not in (2, 3), exception="ContainerEnded", exit_code=known
        )

    def _out_of_memory(self, ended: str, said: Failure | None, memory_mb: int, *, retry: bool) -> Failure:
        needed = f"because it needed more than the {memory_mb} MB of memory it may use."
        failure = self._because(
            f"The step {self.step} {ended} {needed}",
            f"Its container may use {memory_mb} MB; Linux ends what goes beyond.",
            f"Raise limits.memory_mb in the workflow above {memory_mb}, or lower limits.parallel.",
            retry=retry,
            exception="OutOfMemory",
        )
        return failure.model_copy(update={"table": said.table if said else None})

    def _because(
        self,
        what: str,
        why: str,
        next_step: str = "",
        *,
        retry: bool,
        exception: str | None,
        exit_code: int = ExitCode.WORK_FAILED,
    ) -> Failure:
        return Failure.of(
            Explanation(what, why, next_step),
            step=self.step,
            shard=self.part,
            exit_code=exit_code,
            retry=retry,
            exception=exception,
        )


def lost_run(what: str, why: str, exception: str) -> Failure:
    """A run that none of its steps has ended, and that no attempt can go on with."""
    return Failure.of(
        Explanation(what, why, "Start the workflow again."), step="run", retry=False, exception=exception
    )
