"""Why a step failed, in words for a person, and whether trying again can help."""

from __future__ import annotations

from typing import Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from appliance.contract.step_messages import Failure
from appliance.errors import ApplianceError, ExitCode
from appliance.run_folder import StopRequest

KILLED = 137
STOPPED = "Stopped"
"""The ``exception`` of a failure that is only the consequence of a request to stop."""


class TaskFailedError(AirflowException):
    """A step failed and may succeed when tried again."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.explanation.text())


class TaskFailedForGoodError(AirflowFailException):
    """A step failed and trying again cannot help: Airflow does not retry it."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.explanation.text())


def raise_failure(failure: Failure) -> None:
    """Raise as Airflow needs it: with or without another try."""
    raise TaskFailedError(failure) if failure.retry else TaskFailedForGoodError(failure)


def failure_of(error: BaseException | str | None, step: str, part: int | None) -> Failure:
    """The failure that an exception of a task stands for; of a foreign one only its class is told."""
    failure = getattr(error, "failure", None)
    if isinstance(failure, Failure):
        return failure
    if isinstance(error, ApplianceError):
        return from_error(error, step, part)
    name = type(error).__name__ if isinstance(error, BaseException) else None
    return Failure(
        step=step,
        shard=part,
        exit_code=ExitCode.WORK_FAILED,
        retry=True,
        what=f"The step {step} ended unexpectedly.",
        why=f"{name} in Airflow's task process." if name else "",
        next_step="appliance logs",
        exception=name,
    )


def from_error(error: ApplianceError, step: str, part: int | None) -> Failure:
    """An error that was understood, raised before or around the container."""
    return Failure.of(
        error.explanation,
        step=step,
        shard=part,
        exit_code=error.exit_code,
        retry=error.exit_code == ExitCode.WORK_FAILED,
        exception=type(error).__name__,
    )


def stopped(request: StopRequest, step: str, part: int | None) -> Failure:
    """The step was asked to stop: by a person, or because another step of the run failed."""
    return Failure(
        step=step,
        shard=part,
        exit_code=ExitCode.WORK_FAILED,
        retry=False,
        # What a list of runs shows is the first of the two: the reason, unless a person wanted it so.
        what="The run was cancelled." if request.kind == "cancel" else request.why,
        why=request.why if request.kind == "cancel" else "The run was stopped for that.",
        next_step=request.next_step,
        exception=STOPPED,
    )


def out_of_time(minutes: int, step: str, part: int | None) -> Failure:
    """The run has taken longer than the workflow allows."""
    return Failure(
        step=step,
        shard=part,
        exit_code=ExitCode.WORK_FAILED,
        retry=False,
        what=f"The run took longer than {minutes} minutes, so it was stopped.",
        why="limits.run_timeout_min in the workflow says so.",
        next_step="Raise limits.run_timeout_min, or limits.parallel.",
        exception="OutOfTime",
    )


def of_container(
    state: dict[str, Any], told: Failure | None, *, memory_mb: int, step: str, part: int | None
) -> Failure:
    """Why a container ended badly: what the step told, or what Docker knows. ``state`` is Docker's."""
    code = int(state.get("ExitCode") or 0)
    if state.get("OOMKilled"):
        return _out_of_memory("was ended", told, memory_mb=memory_mb, step=step, part=part, retry=False)
    if told is not None:
        return told
    if code == KILLED:
        # Some engines with cgroups of version 1 never hear of it when Linux ends a process for its memory.
        return _out_of_memory("was killed, most likely", None, memory_mb=memory_mb, step=step, part=part)
    if code == 0:
        what, why = f"The step {step} ended without a result.", "It printed neither a result nor a failure."
    else:
        what, why = f"The step {step} ended with exit code {code} and said nothing of why.", ""
    return Failure(
        step=step,
        shard=part,
        exit_code=code if code in (1, 2, 3) else ExitCode.WORK_FAILED,
        retry=code not in (2, 3),
        what=what,
        why=why,
        next_step="appliance logs",
        exception="ContainerEnded",
    )


def _out_of_memory(
    ended: str, told: Failure | None, *, memory_mb: int, step: str, part: int | None, retry: bool = True
) -> Failure:
    return Failure(
        step=step,
        shard=part,
        exit_code=ExitCode.WORK_FAILED,
        retry=retry,
        what=f"The step {step} {ended} because it needed more than the {memory_mb} MB of memory it may use.",
        why=f"Its container may use {memory_mb} MB; Linux ends what goes beyond.",
        next_step=f"Raise limits.memory_mb in the workflow above {memory_mb}, or lower limits.parallel.",
        exception="OutOfMemory",
        table=told.table if told else None,
    )


def interrupted(step: str, part: int | None) -> Failure:
    """Airflow ended the task from outside: the appliance is restarting, or the task was taken for dead."""
    return Failure(
        step=step,
        shard=part,
        exit_code=ExitCode.WORK_FAILED,
        retry=True,
        what=f"The step {step} was interrupted.",
        why="Airflow ended its task: the appliance restarts, or another attempt has taken over.",
        exception="Interrupted",
    )
