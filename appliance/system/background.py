"""Work that a service does by itself, again and again, beside what it answers."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

AFTER_A_FAULT_S = 5.0


class Background:
    """A thread that takes turns until it is stopped, or the process ends. No fault of a turn ends it.

    A turn returns the seconds until the next one. ``on_fault`` is given what a turn raised, of which the
    journal has the type only: an exception's text can hold data.
    """

    def __init__(
        self,
        name: str,
        turn: Callable[[], float],
        *,
        first_after_s: float = 0.0,
        on_fault: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        self._name = name
        self._turn = turn
        self._first_after_s = first_after_s
        self._on_fault = on_fault
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin. Once only."""
        threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def stop(self) -> None:
        """End after the present turn."""
        self._stop.set()

    @property
    def is_stopping(self) -> bool:
        """Whether a long turn should come to its end."""
        return self._stop.is_set()

    def rest(self, seconds: float) -> None:
        """Wait within a turn; less when it is stopped."""
        self._stop.wait(seconds)

    def _run(self) -> None:
        wait = self._first_after_s
        while not self._stop.wait(wait):
            try:
                wait = self._turn()
            except Exception as error:  # the thread must outlive what was not foreseen
                sys.stderr.write(f"{self._name} failed: {type(error).__name__}\n")
                self._on_fault(error)
                wait = AFTER_A_FAULT_S
