"""Airflow's LocalExecutor with workers only while there is work.

LocalExecutor forks all of its workers when the scheduler starts and keeps them: on an appliance that works an
hour a day they are most of what it takes when idle, and grow with each task. Here they are forked when a task
comes, as many as there are tasks, and end when there have been none for a while.

Two methods of LocalExecutor's own are refined. Should a later Airflow not have them, or call them otherwise,
what is left is LocalExecutor as it comes.
"""

from __future__ import annotations

import time
from typing import Any

from airflow.executors.local_executor import LocalExecutor

IDLE_S = 30.0
"""Between two steps of a run nothing may be there to do for some seconds; forking for each would be waste."""


class OnDemandLocalExecutor(LocalExecutor):
    """Runs tasks in processes of this machine, forked when they are needed."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)  # type: ignore[no-untyped-call]
        self._starting = False
        self._busy_at = time.monotonic()

    def start(self) -> None:
        """Make the queues, and no worker yet."""
        self._starting = True
        try:
            super().start()
        finally:
            self._starting = False

    def sync(self) -> None:
        """What LocalExecutor does at every heartbeat; then let workers end that have been idle for long."""
        super().sync()
        if self.running or self.queued_tasks:
            self._busy_at = time.monotonic()
        elif time.monotonic() - self._busy_at > IDLE_S:
            self._end_workers()

    def _spawn_workers_with_gc_freeze(self, spawn_number: int) -> None:
        if not self._starting:
            with self._unread_messages:
                waiting = int(self._unread_messages.value)
            super()._spawn_workers_with_gc_freeze(  # type: ignore[no-untyped-call]
                max(1, min(spawn_number, waiting))
            )

    def _end_workers(self) -> None:
        """One message each, which ends whoever takes it: the same by which LocalExecutor ends them itself.

        A worker that has not taken its message when the next task comes takes it then, and another is forked.
        """
        self._busy_at = time.monotonic()
        for worker in self.workers.values():
            if worker.is_alive():
                self.activity_queue.put(None)
