"""A PostgreSQL server for one probe, of the programs that the appliance's own server has.

It is none of the appliance's own databases: a step's container runs as the appliance's user, and what
is given that server's socket may read all of them. This one listens on a socket in the probe's folder and
on no network, holds what the probe made, and goes with the folder.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg

from appliance.errors import WorkFailedError

SUPERUSER = "probe"
_STARTED_WITHIN_S = 60.0
_STOPPED_WITHIN_S = 10.0
_POLL_S = 0.05
_INITDB = (
    *("--username", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"),
    # The smallest there are: it takes 30 MB of the disk.
    *("--no-instructions", "--wal-segsize=1"),
)
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "autovacuum": "off",
    "jit": "off",
    "shared_buffers": "16MB",
    "max_connections": "30",
    "min_wal_size": "2MB",
    "max_wal_size": "32MB",
    # In its own folder: /dev/shm may be another's.
    "dynamic_shared_memory_type": "mmap",
    "logging_collector": "off",
    "log_min_messages": "fatal",
    "log_min_error_statement": "panic",
}


class ThrowawayServer:
    """One server, from ``initdb`` to the removal of its folder. Used as a context manager."""

    def __init__(self, folder: Path, initdb: Path, *, user: str | None = None) -> None:
        """``user`` runs it where this process is root, which PostgreSQL refuses to be."""
        self.folder = folder
        self._data = folder / "data"
        self._log = folder / "log"
        self._initdb = initdb
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> ThrowawayServer:
        try:
            self._start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def conninfo(self, dbname: str) -> str:
        """How its superuser gets in, from outside of containers."""
        return psycopg.conninfo.make_conninfo(
            host=str(self.folder), dbname=dbname, user=SUPERUSER, connect_timeout=5, application_name="probe"
        )

    def remove(self) -> None:
        """Stop it, if it runs, and delete all of it."""
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_STOPPED_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> None:
        # Left by a probe that was killed. A server that should still run in it ends without its files.
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o755, parents=True)
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        made = subprocess.run(  # noqa: S603
            [str(self._initdb), "--pgdata", str(self._data), *_INITDB],
            user=self._user,
            cwd="/",
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise _not_started(made.stderr)
        given = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        command = [str(self._initdb.with_name("postgres")), "-D", str(self._data), "-k", str(self.folder)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [*command, *given],
                user=self._user,
                cwd="/",
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._wait()

    def _wait(self) -> None:
        assert self._process is not None  # noqa: S101 - it was just started
        give_up = time.monotonic() + _STARTED_WITHIN_S
        while True:
            try:
                psycopg.connect(self.conninfo("postgres")).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > give_up:
                    raise _not_started(self._log.read_text(errors="replace")) from None
                time.sleep(_POLL_S)
            else:
                return


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _not_started(said: str) -> WorkFailedError:
    lines = said.strip().splitlines()
    return WorkFailedError(
        "The server for a probe did not start.", lines[-1][:300] if lines else "", "df -h; free -m"
    )
