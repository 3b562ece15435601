"""``appliance …`` in processes that begin with everything imported.

To import what a command needs takes most of the processor time of a run of three small tables, and these
tests run commands by the thousand. So one process of each worker has imported all, and forks for each
command: that is a process of its own, with its own environment, folder, input, output and exit status.

What is to meet a signal is started by `Scenario.start` instead, in a Python of its own. The variable
``APPLIANCE_TEST_FRESH_COMMANDS`` gives one to every command. Containers, hosts and an appliance that talks to
a dashboard have no other: a command that forgets to import something is found there.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import BaseModel

from appliance.cli import entry

FRESH_VARIABLE = "APPLIANCE_TEST_FRESH_COMMANDS"
ELSEWHERE = ("appliance.dashboard", "appliance.orchestration.airflow", "appliance.status")
"""Rooms whose programs have processes of their own."""
WITHIN_S = 600.0
"""A limit for what hangs."""
_INSTALLED = Path(sys.executable).with_name("appliance")
_LARGEST_REQUEST = 1 << 17
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class _Command:
    """What follows ``appliance``, and where it runs."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path


def run_command(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path | None = None,
    *,
    given: str = "",
    timeout: float = WITHIN_S,
) -> subprocess.CompletedProcess[str]:
    """Run ``appliance …`` to its end; ``given`` is its input. TimeoutError where it comes to none."""
    command = _Command(arguments, environment, folder or Path.cwd())
    with ExitStack() as open_files:
        files = [open_files.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        files[0].write(given.encode())
        files[0].seek(0)
        ends = [file.fileno() for file in files]
        if os.environ.get(FRESH_VARIABLE) or _is_for_python(environment):
            code = _run_fresh(command, ends, timeout)
        else:
            code = _server().run(command, ends, timeout)
        for file in files:
            file.seek(0)
        _, out, err = (file.read().decode() for file in files)
    return subprocess.CompletedProcess(arguments, code, out, err)


def _is_for_python(environment: Mapping[str, str]) -> bool:
    """Whether something in it is read by Python when it starts: where to find modules, for one."""
    return any(
        name.startswith("PYTHON") and os.environ.get(name) != value for name, value in environment.items()
    )


def _run_fresh(command: _Command, ends: Sequence[int], timeout: float) -> int:
    given, out, err = ends
    with subprocess.Popen(
        [str(_INSTALLED), *command.arguments],
        env=command.environment,
        cwd=command.folder,
        stdin=given,
        stdout=out,
        stderr=err,
        start_new_session=True,
    ) as process:
        return process.wait(timeout)


class _Server:
    """The process that stands ready, as who asks sees it. It ends when this process does."""

    def __init__(self) -> None:
        self._asking, asked = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with asked:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.engine.ready_commands", str(asked.fileno())],
                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[asked.fileno()],
            )

    def run(self, command: _Command, ends: Sequence[int], timeout: float) -> int:
        """The exit status, or a signal's number below zero."""
        request = json.dumps(
            [list(command.arguments), dict(command.environment), str(command.folder)]
        ).encode()
        answering, answered = socket.socketpair()
        with answered:
            with answering:
                socket.send_fds(self._asking, [request], [*ends, answering.fileno()])
            answered.settimeout(timeout)
            said = answered.recv(64)
        assert said, f"The process that runs commands has ended: {self._process.poll()}."
        return int(said)


@cache
def _server() -> _Server:
    return _Server()


def _import_everything() -> None:
    import appliance

    for found in pkgutil.walk_packages(appliance.__path__, "appliance."):
        if not found.name.startswith(ELSEWHERE) and not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    models: list[type[BaseModel]] = BaseModel.__subclasses__()
    for model in models:
        models += model.__subclasses__()
        # It is put off until the model is used: that would be in each command.
        model.model_rebuild()
    gc.freeze()
    gc.enable()


def _serve(asked: socket.socket) -> int:
    """Fork for each request. Returns in a command's own process, with its exit status; else at the end."""
    # The kernel takes back those that wait for commands: this process does not wait for them.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        request, ends, _, _ = socket.recv_fds(asked, _LARGEST_REQUEST, 4)
        if not request:
            return 0
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            command = os.fork()
            if command == 0:
                asked.close()
                return _command(request, ends)
            _, status = os.waitpid(command, 0)
            os.write(ends[-1], str(os.waitstatus_to_exitcode(status)).encode())
            os._exit(0)
        for end in ends:
            os.close(end)


def _command(request: bytes, ends: Sequence[int]) -> int:
    arguments, environment, folder = json.loads(request)
    *files, answering = ends
    os.close(answering)
    os.setsid()
    for standard, end in enumerate(files):
        os.dup2(end, standard)
        os.close(end)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [str(_INSTALLED), *arguments]
    try:
        entry.main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


if __name__ == "__main__":
    _import_everything()
    sys.exit(_serve(socket.socket(fileno=int(sys.argv[1]))))
