"""Keeping a run's load on the source within what the workflow's limits allow."""

from __future__ import annotations

import time
from collections.abc import Callable

_SLICE_S = 0.2


class Throttle:
    """Lets so many bytes a second through, and none in advance."""

    def __init__(self, bytes_per_s: float | None) -> None:
        self._rate = bytes_per_s
        self._free_at = time.monotonic()

    def passed(self, size: int, look: Callable[[], None]) -> None:
        """So many bytes have come: wait until they may have. ``look`` is called meanwhile, and may raise."""
        if self._rate is None:
            return
        self._free_at = max(self._free_at, time.monotonic()) + size / self._rate
        while (left := self._free_at - time.monotonic()) > 0:
            look()
            time.sleep(min(left, _SLICE_S))


def share(mb_per_s: float | None, parallel: int, shards: int) -> float | None:
    """What one of the copies that go on at the same time may take, in bytes a second."""
    return None if mb_per_s is None else mb_per_s * 1_000_000 / max(1, min(parallel, shards))
