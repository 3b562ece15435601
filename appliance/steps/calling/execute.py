"""Run one step and turn whatever happens to it into messages and an exit code."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import gc
import importlib
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType, ModuleType

import psycopg
from pydantic import BaseModel

from appliance.contract.step_messages import Failure, Message, Result
from appliance.errors import ApplianceError, ExitCode
from appliance.postgres.errors import database_failure, retry_can_help
from appliance.postgres.planning.space_estimate import target_is_full
from appliance.steps.calling.call import LOOKS, StepCall, StepPaths
from appliance.steps.calling.context import StepContext, load_context
from appliance.steps.records.run_files import PLAN

PACKAGE = "appliance"
_COLLECT_AFTER = 50_000
DISK_FULL = "53100"
# What the operating system may get over by itself.
_PASSING_ERRNOS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.EAGAIN,
}


class Cancelled(KeyboardInterrupt):
    """SIGTERM has come. As a KeyboardInterrupt it makes psycopg cancel the running query on the server."""


def execute_step(
    call: StepCall,
    paths: StepPaths,
    emit: Callable[[Message], None],
) -> int:
    """Run the step in this process's main thread; returns its exit code (0, 1, 2 or 3).

    Ends with exactly one Result or Failure through ``emit``. SIGTERM ends it soon, queries cancelled.
    """
    forget_libpq_variables()
    collect_seldom()
    try:
        with _until_sigterm() as stopped:
            module = module_of(call.step)
            context = dataclasses.replace(load_context(call, paths, emit), ends_itself=stopped.only_note)
            if getattr(module, "KEEPER", False):
                stopped.only_note()
                module.run(context, lambda data: _publish(context, data), stopped)
            else:
                _publish(context, module.run(context))
    except BaseException as error:
        failure = _with_numbers(describe_failure(call.step, error, shard=call.shard), paths.run_dir)
        with contextlib.suppress(OSError):
            emit(failure)
        return failure.exit_code
    return ExitCode.DONE


def module_of(step: str) -> ModuleType:
    """The module that does a step: what only looks at databases has a room of its own."""
    room = "appliance.steps.looks" if step in LOOKS else "appliance.steps"
    return importlib.import_module(f"{room}.{step}")


def forget_libpq_variables() -> None:
    """Drop PGPASSWORD, PGOPTIONS and the like: a connection is what its file says, on every machine."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def collect_seldom() -> None:
    """Have the garbage collector look less often, and never at what is there already.

    A plan of thousands of tables is a million objects that live as long as the step does; looking through
    all of them again and again takes longer than to make them.
    """
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 10, 100)


def _publish(context: StepContext, data: BaseModel | Mapping[str, object] | None) -> None:
    shown = data.model_dump(mode="json") if isinstance(data, BaseModel) else dict(data or {})
    context.emit(Result(step=context.step, shard=context.call.shard, data=shown))


def describe_failure(name: str, error: BaseException, *, shard: int | None = None) -> Failure:
    """What may be said about an exception: our own words, names of classes and places, no value."""
    place = code_location(error)
    described = _as_error(name, error, place)
    return Failure.of(
        described.explanation,
        step=name,
        shard=shard,
        exit_code=described.exit_code,
        retry=_worth_a_retry(error),
        exception=type(error).__name__,
        location=place,
    )


def _with_numbers(failure: Failure, run_dir: Path) -> Failure:
    """Where a server's disk is full: how much the twin takes, if that has been planned."""
    if failure.sqlstate != DISK_FULL:
        return failure
    try:
        plan = PLAN.read(run_dir)
    except (ApplianceError, OSError):
        return failure
    return failure.model_copy(update={"why": f"{failure.why} {target_is_full(plan)}"})


def code_location(error: BaseException) -> str | None:
    """``module:line`` of the innermost frame that is the appliance's own."""
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        module = str(frame.f_globals.get("__name__", ""))
        if module.split(".", maxsplit=1)[0] == PACKAGE:
            return f"{module}:{line}"
    return None


def _as_error(name: str, error: BaseException, place: str | None) -> ApplianceError:
    if isinstance(error, ApplianceError):
        return error
    if isinstance(error, Cancelled):
        return ApplianceError(f"The step '{name}' was cancelled.", "", "Start a new run when it is wanted.")
    if isinstance(error, psycopg.Error):
        return database_failure(f"The step '{name}' failed in the database.", error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ApplianceError(
            "The appliance's disk is full.",
            f"The step '{name}' could not write a file ({errno.errorcode[error.errno]} at {place}).",
            "df -h /var/lib/appliance; appliance exports list   shows what can be deleted.",
        )
    if isinstance(error, OSError) and error.errno is not None:
        return ApplianceError(
            f"The step '{name}' could not use a file or the network of this machine.",
            f"{errno.errorcode.get(error.errno, error.errno)} at {place}.",
            "df -h; dmesg | tail",
        )
    return ApplianceError(
        f"The step '{name}' failed in an unforeseen way.",
        f"{type(error).__name__} at {place}. Its text is not shown, because it may hold data.",
        "Report this line to the appliance's maintainers.",
    )


def _worth_a_retry(error: BaseException) -> bool:
    if isinstance(error, ApplianceError | psycopg.Error):
        return retry_can_help(error)
    return isinstance(error, OSError) and error.errno in _PASSING_ERRNOS


class _Stopped:
    """Whether SIGTERM has come; until ``only_note`` it also interrupts."""

    def __init__(self) -> None:
        self._come = False
        self._interrupts = True

    def __call__(self) -> bool:
        return self._come

    def only_note(self) -> None:
        self._interrupts = False

    def handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as signal calls it
        again, self._come = self._come, True
        # Once: a second one must not interrupt the cleaning up.
        if self._interrupts and not again:
            raise Cancelled


@contextlib.contextmanager
def _until_sigterm() -> Iterator[_Stopped]:
    stopped = _Stopped()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    former = signal.signal(signal.SIGTERM, stopped.handle)
    # Ctrl-C goes to every process of the terminal: the process that started the step decides what it means.
    former_interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGTERM, former)
        signal.signal(signal.SIGINT, former_interrupt)
