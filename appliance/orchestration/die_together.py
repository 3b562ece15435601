"""Processes that Airflow forks end with the one that forked them, however that one ended.

LocalExecutor's workers outlive a scheduler that was killed outright. Each still holds the scheduler's
connection to the database, and with it the locks of the transaction that was open then: the next scheduler
passes over every run that is locked so, for ever. systemd and a container end the whole group; this holds
without them too.
"""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
_forker = 0


def end_with_parent() -> None:
    """From now on every process that this one forks is killed when its parent dies, and so on. Linux only."""
    libc = ctypes.CDLL(None, use_errno=True)

    def remember() -> None:
        global _forker  # noqa: PLW0603 - a fork hook can be given nothing
        _forker = os.getpid()

    def ask_for_the_signal() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != _forker:
            os._exit(1)

    os.register_at_fork(before=remember, after_in_child=ask_for_the_signal)
