"""Ctrl-C at moments in which Python does not pass it on."""

from __future__ import annotations

import os
import signal

import pytest

from appliance.cli.work.workflows.local import interruptible
from appliance.errors import WorkFailedError


class Interrupting:
    """Is interrupted while it goes away, where Python prints what is raised and drops it."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_python_dropped_ends_the_run_at_the_next_look() -> None:
    looks = 0
    with (
        pytest.raises(WorkFailedError, match="The run was cancelled"),
        interruptible("The run") as interruption,
    ):
        interruption.check()
        gone = Interrupting()
        del gone
        while True:
            looks += 1
            assert looks < 2, "the interrupt was lost"
            interruption.check()


def test_handlers_are_put_back() -> None:
    former = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(WorkFailedError), interruptible("Planning"):
        os.kill(os.getpid(), signal.SIGTERM)
        signal.sigtimedwait([], 5)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == former
