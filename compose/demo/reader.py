"""A developer who uses the twin all the while: connects again and again, and notes what happened.

Who connects in the very moment of the swap is refused by the server (docs/twin.md), so this one tries again
a few times, as every connection pool does.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType

import psycopg
from rich.console import Console

from .stack import Stack

EVERY_S = 0.1
TRIES = 5


class Reader:
    """Reads one row of the twin ten times a second while the block runs, if there is a twin already."""

    def __init__(self, stack: Stack) -> None:
        self._address = {
            "host": "127.0.0.1",
            "port": str(stack.port("staging", 5432)),
            "dbname": "shop_twin",
            "user": "twin_owner",
            "password": stack.execute("staging", "cat", "/passwords/twin_owner").strip(),
            "connect_timeout": "30",
            "application_name": "a developer",
        }
        self.reads = 0
        self.failures: list[str] = []
        self.not_at_once = 0
        self.longest_s = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Reader:
        if self._read() is None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def report(self, console: Console) -> None:
        """What the reader met, if there was a twin to read."""
        if not self.reads:
            return
        worked = self.reads - len(self.failures)
        console.print(
            f"Meanwhile a developer connected to the twin {self.reads:,} times: {worked:,} found it whole, "
            f"the slowest within {self.longest_s * 1000:.0f} ms."
        )
        if self.not_at_once:
            console.print(f"  {self.not_at_once} of them not at the first try: the swap was under way.")
        for failure in sorted(set(self.failures)):
            console.print(f"  {self.failures.count(failure)} times: {failure}", markup=False)

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            began = time.monotonic()
            failure = self._read()
            tries = 1
            while failure is not None and tries < TRIES and not self._stop.wait(EVERY_S):
                failure = self._read()
                tries += 1
            self.not_at_once += failure is None and tries > 1
            self.reads += 1
            if failure is None:
                self.longest_s = max(self.longest_s, time.monotonic() - began)
            else:
                self.failures.append(failure)

    def _read(self) -> str | None:
        """Connect and read; what went wrong, or None."""
        try:
            with psycopg.connect(**self._address) as connection:  # type: ignore[arg-type]
                connection.execute("SELECT email FROM customer LIMIT 1").fetchone()
        except psycopg.Error as error:
            return f"{type(error).__name__} {error.sqlstate or ''}".strip()
        return None
