"""How long to wait before the dashboard is tried again."""

from __future__ import annotations

import random
import time

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 300.0


class Backoff:
    """How long to wait after failures: twice as long each time, and never quite the same as anyone else."""

    def __init__(self, first_s: float = FIRST_WAIT_S, longest_s: float = LONGEST_WAIT_S) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._failures = 0
        self._not_before = 0.0

    @property
    def is_over(self) -> bool:
        """Whether it is time to try."""
        return time.monotonic() >= self._not_before

    @property
    def remaining_s(self) -> float:
        """Seconds until it is time."""
        return max(self._not_before - time.monotonic(), 0.0)

    def failed(self, at_least_s: float = 0.0) -> None:
        """Wait longer than the last time."""
        wait = min(self._first_s * 2 ** min(self._failures, 30), self._longest_s)
        self._failures += 1
        self._not_before = time.monotonic() + max(wait * random.uniform(0.5, 1.0), at_least_s)  # noqa: S311

    def succeeded(self) -> None:
        """No wait, and the next failure counts as the first."""
        self._failures, self._not_before = 0, 0.0
