"""Keeping a run's load on the source within what the workflow's limits allow."""

from __future__ import annotations

import time
from collections.abc import Callable

from psycopg.rows import TupleRow

_SLICE_S = 0.2
PAUSE_S = 2.0
MOST_PAUSE_S = 60.0
"""Before each piece: a source that is always short of something is copied slowly, and not never."""

# Any role sees how many sessions there are. The lag of replicas is hidden from a role without pg_monitor.
ROOM = """
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true), '0')::int
    - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::int,
    (SELECT max(extract(epoch FROM replay_lag))::float8 FROM pg_stat_replication)
"""


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


def has_room(room: TupleRow, free: int | None, lag_s: int | None) -> bool:
    """Whether another piece may be taken, by the answer to ``ROOM`` and what the limits ask for."""
    connections, lag = room
    return (free is None or connections >= free) and (lag_s is None or lag is None or lag <= lag_s)
