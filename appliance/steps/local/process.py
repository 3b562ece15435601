"""A step in a child process of this machine, speaking the same messages as one in a container.

The children are forked, so that nothing is imported again and a shard starts at once. What starts them
must have no threads of its own: a lock that one of them held would stay locked in the child.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import select
import signal
import threading
import time
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait

from appliance.contract.step_messages import Failure, Message, Notice, Progress, Result, parse_message
from appliance.errors import Explanation
from appliance.steps.calling.call import StepCall, StepPaths
from appliance.steps.calling.execute import execute_step, module_of

_GRACE_S = 10.0
"""What a step gets to cancel its queries after SIGTERM, before it is killed."""

_IMPORTED_DURING = {
    "open_snapshot": ("plan",),
    "plan": ("schema", "copy", "finish", "verify", "attest", "publish"),
}
"""Steps whose modules the parent imports while another one works: what is forked then has them."""

AnyMessage = Progress | Notice | Result | Failure


class StepProcess:
    """One attempt at a step."""

    def __init__(self, call: StepCall, paths: StepPaths) -> None:
        self.call = call
        self.began = time.monotonic()
        self.result: Result | None = None
        self.failure: Failure | None = None
        self.ended = False
        context = multiprocessing.get_context("fork")
        self.reader, writer = context.Pipe(duplex=False)
        self._process = context.Process(target=_child, args=(call, paths, writer), daemon=True)
        self._process.start()
        writer.close()
        # The pipe's own poll sets up a selector each time; this one is asked for every message.
        self._come = select.poll()
        self._come.register(self.reader.fileno(), select.POLLIN)
        _import_ahead(call.step)

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return time.monotonic() - self.began

    def receive(self) -> list[AnyMessage]:
        """What has come; empty with ``ended`` set when the process is gone."""
        received: list[AnyMessage] = []
        try:
            while self._come.poll(0):
                message = parse_message(self.reader.recv_bytes().decode())
                if message is None:
                    continue
                received.append(message)
                if isinstance(message, Result):
                    self.result = message
                elif isinstance(message, Failure):
                    self.failure = message
        except (EOFError, OSError):
            self._over()
        return received

    def terminate(self) -> None:
        """Ask it to stop: its queries are cancelled."""
        if not self.ended:
            with contextlib.suppress(ProcessLookupError, AttributeError):
                self._process.terminate()

    def kill(self) -> None:
        """End it, whatever it does."""
        if not self.ended:
            with contextlib.suppress(ProcessLookupError, AttributeError):
                self._process.kill()
            self._over()

    def _over(self) -> None:
        if self.ended:
            return
        self.ended = True
        self.reader.close()
        self._process.join(_GRACE_S)
        code = self._process.exitcode
        silent = self.result is None or (code is not None and code > 0)
        if silent and self.failure is None:
            self.failure = _silent_end(self.call, code)


def _import_ahead(step: str) -> None:
    """Import, while ``step`` is at work in its process, what those after it need."""
    for later in _IMPORTED_DURING.get(step, ()):
        module_of(later)


def stop_all(processes: list[StepProcess]) -> None:
    """Terminate, wait a while, then kill what is left."""
    for process in processes:
        process.terminate()
    until = time.monotonic() + _GRACE_S
    while any(not process.ended for process in processes) and time.monotonic() < until:
        alive = [process for process in processes if not process.ended]
        wait([process.reader for process in alive], timeout=0.2)
        for process in alive:
            process.receive()
    for process in processes:
        process.kill()


def _silent_end(call: StepCall, code: int | None) -> Failure:
    killed = code is not None and code < 0
    name = signal.Signals(-code).name if killed and code is not None else f"exit status {code}"
    ended = Explanation(
        f"The step '{call.step}' ended without a word ({name}).",
        "It was killed, perhaps because memory ran out." if killed else "",
        "free -m; dmesg | tail",
    )
    return Failure.of(ended, step=call.step, shard=call.shard, retry=False)


def _child(call: StepCall, paths: StepPaths, writer: Pipe) -> None:
    # What the parent does on a signal is not for the child.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _silence()
    _end_with_parent()
    turn = threading.Lock()

    def emit(message: Message) -> None:
        with turn:
            writer.send_bytes(message.model_dump_json(exclude_none=True).encode())

    code = execute_step(call, paths, emit)
    writer.close()
    os._exit(code)


def _silence() -> None:
    """Only messages come out of a step: a stray print would spoil the display, or say too much."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _end_with_parent() -> None:
    """A run that was killed leaves no step behind."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            wait([parent.sentinel])
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(_GRACE_S)
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def keeper_left() -> Failure:
    """Of a snapshot whose holder has ended too early."""
    gone = "The run's snapshot is gone: the process that held it has ended."
    return Failure.of(Explanation(gone, "", "Start a new run."), step="open_snapshot", retry=False)
