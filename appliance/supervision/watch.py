"""Run one program as a child, and feed systemd's watchdog with the proofs that it works."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from appliance.supervision.health_probes import Proof
from appliance.supervision.notify import notify, watchdog_seconds

STARTING_POLL_S = 0.4
"""How often a proof is tried until the first one: other services wait with their start for this one."""
AWAY_POLL_S = 1.0
"""How often it is looked whether what a program cannot do without has come back."""
PROOFS_PER_WATCHDOG = 4
"""Proofs in one watchdog interval, so that a single slow answer is not yet a death sentence."""
WATCHDOG_DEFAULT_S = 60.0
END_WITHIN_S = 30.0
EXTENSION_US = 120_000_000
"""From each request on, the start may take so long: only silence for that time ends a waiting start."""


def watch(
    command: Sequence[str],
    environment: Mapping[str, str],
    proof: Proof,
    *,
    no_longer: Callable[[], bool] = lambda: False,
    insist_s: int = 0,
) -> int | None:
    """Run the command until it ends, and return its exit status (128 + N when a signal N ended it).

    systemd hears READY=1 with the first proof and WATCHDOG=1 with each further one; without proof it hears
    only why, and kills this process and its child when the watchdog's time is up. Once the command works and
    ``no_longer`` says that it is not needed, it is ended, and None is returned. ``insist_s``: a child that is
    to end and does not gets the signal again, as often; never for one that takes a second one for an order to
    leave its work.
    """
    child = subprocess.Popen(command, env=dict(environment))  # noqa: S603
    asked_to_end = False

    def forward(number: int, _frame: FrameType | None) -> None:
        nonlocal asked_to_end
        asked_to_end = True
        notify("STOPPING=1")
        child.send_signal(number)

        signal.alarm(insist_s)

    def insist(_number: int, _frame: FrameType | None) -> None:
        child.send_signal(signal.SIGTERM)
        signal.alarm(insist_s)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, forward)
    signal.signal(signal.SIGALRM, insist)

    interval = watchdog_seconds(WATCHDOG_DEFAULT_S) / PROOFS_PER_WATCHDOG
    ready = False
    while (status := _wait(child, interval if ready else STARTING_POLL_S)) is None:
        missing = proof()
        if missing:
            notify(f"STATUS={'Working' if ready else 'Starting'}: {missing}")
            continue
        notify(*([] if ready else ["READY=1"]), "WATCHDOG=1", f"STATUS=Proven at {time.strftime('%H:%M:%S')}")
        ready = True
        if no_longer():
            _end(child)
            return 0 if asked_to_end else None
    return status if status >= 0 else 128 - status


def wait_for(proof: Proof) -> None:
    """Wait until there is that proof, and ask systemd for the time it takes.

    A program that cannot work yet is not started: one that starts and fails again and again costs a core.
    """
    while missing := proof():
        notify(f"EXTEND_TIMEOUT_USEC={EXTENSION_US}", f"STATUS=Waiting: {missing}")
        time.sleep(AWAY_POLL_S)


def _wait(child: subprocess.Popen[bytes], seconds: float) -> int | None:
    try:
        return child.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(timeout=END_WITHIN_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
