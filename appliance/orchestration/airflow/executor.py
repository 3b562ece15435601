"""Airflow's LocalExecutor with workers only while there is work, and none that can hold up another.

LocalExecutor forks all of its workers when the scheduler starts and keeps them: on an appliance that works an
hour a day they are most of what it takes when idle, and grow with each task. Here they are forked when a task
comes, as many as there are tasks, and end when there have been none for a while.

LocalExecutor's workers share one queue, and the one that waits at it holds its lock. Killed there, by hand or
for lack of memory, it never lets go: no worker takes a task again, tasks stay queued, and no run ever ends.
And a task whose worker was killed keeps its slot for ever. So here each worker has a line of its own to the
scheduler, nothing is shared, and a worker that is gone is seen at once, and its task has failed.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Iterable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import structlog
from airflow.executors.base_executor import BaseExecutor, get_execution_api_server_url
from airflow.executors.local_executor import LocalExecutor
from setproctitle import setproctitle

from appliance.system.http import NoAnswerError, ask

IDLE_S = 30.0
"""Between two steps of a run nothing may be there to do for some seconds; forking for each would be waste."""
TITLE = "airflow worker -- LocalExecutor:"
ANSWERS_WITHIN_S = 1.0
DIED = "The process that ran this task is gone: it was killed, or there was no memory left for it."


class Worker:
    """One forked process, the line to it, and what it is at."""

    def __init__(self, process: BaseProcess, line: Connection) -> None:
        self.process = process
        self.line = line
        self.workload: Any = None
        self.has_begun = False
        self.idle_since = time.monotonic()
        self.is_leaving = False

    @property
    def is_free(self) -> bool:
        """Whether it can be given something now."""
        return self.workload is None and not self.is_leaving and self.process.is_alive()

    def tell(self, what: Any) -> bool:
        """Send it a workload, or None to leave; False when its process has ended."""
        try:
            self.line.send(what)
        except OSError:
            return False
        return True

    def said(self) -> Iterable[tuple[Any, str | None, bool]]:
        """What it has said since: (state or None for having begun, error, whether that was the end)."""
        try:
            while self.line.poll():
                yield self.line.recv()
        except (EOFError, OSError):
            return


class OnDemandLocalExecutor(LocalExecutor):
    """Runs tasks in processes of this machine, forked when they are needed."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)  # type: ignore[no-untyped-call]
        self.forked: dict[int, Worker] = {}
        self._waiting: deque[Any] = deque()
        self._can_report = False

    def start(self) -> None:
        """Nothing: the first worker comes with the first task."""

    def sync(self) -> None:
        """At every heartbeat: take in results, dispatch what waits, retire workers that are idle for long."""
        for worker in list(self.forked.values()):
            was_alive = worker.process.is_alive()
            self._drain(worker)
            if not was_alive:
                self._remove(worker)
        self._dispatch()
        self._retire_idle()

    def revoke_task(self, *, ti: Any) -> None:
        """Airflow gives up a task that has not begun in time: it must not be handed out any more."""
        self._waiting = deque(workload for workload in self._waiting if workload.key != ti.key)
        for worker in self.forked.values():
            if worker.workload is not None and worker.workload.key == ti.key:
                # It is reported as given up already, not as failed.
                worker.workload, worker.is_leaving = None, True
                worker.process.kill()
        self.queued_tasks.pop(ti.key, None)
        self.running.discard(ti.key)

    def end(self) -> None:
        """Wait for what runs, then for the workers."""
        for worker in self.forked.values():
            worker.tell(None)
        for worker in list(self.forked.values()):
            worker.process.join()
            self._drain(worker)
            self._remove(worker)

    def _process_workloads(self, workload_list: Any) -> None:
        for workload in workload_list:
            for queued in (self.queued_tasks, self.queued_callbacks, self.queued_connection_tests):
                queued.pop(workload.key, None)
            self._waiting.append(workload)
        self._dispatch()

    def _dispatch(self) -> None:
        # After a move both start at once: a task that begins first would fail for having no one to tell.
        if self._waiting and not self._can_report:
            self._can_report = api_answers(get_execution_api_server_url(self.conf))
        while self._waiting and self._can_report:
            # The one that was at work last, so that the others may go.
            idle = [worker for worker in self.forked.values() if worker.is_free]
            if not idle and len(self.forked) >= self.parallelism:
                return
            free = max(idle, key=lambda worker: worker.idle_since) if idle else self._fork()
            if free.tell(self._waiting[0]):
                free.workload, free.has_begun = self._waiting.popleft(), False
            else:
                self._remove(free)

    def _drain(self, worker: Worker) -> None:
        for state, error, is_over in worker.said():
            workload, worker.has_begun = worker.workload, True
            if is_over:
                worker.workload, worker.idle_since = None, time.monotonic()
            if workload is not None and state is not None:
                self.change_state(workload.key, state, error, remove_running=is_over)

    def _remove(self, worker: Worker) -> None:
        """Forget one that has ended; what it was at has failed, what it had not begun waits for another."""
        self.forked = {pid: other for pid, other in self.forked.items() if other is not worker}
        worker.line.close()
        if worker.workload is not None and not worker.has_begun:
            self._waiting.appendleft(worker.workload)
        elif worker.workload is not None:
            self.log.error("%s exit=%s %s", DIED, worker.process.exitcode, worker.workload.display_name)
            self.change_state(worker.workload.key, worker.workload.failure_state, DIED)
        if not worker.process.is_alive():
            worker.process.close()

    def _retire_idle(self) -> None:
        for worker in self.forked.values():
            if worker.is_free and time.monotonic() - worker.idle_since > IDLE_S:
                worker.is_leaving = True
                worker.tell(None)

    def _fork(self) -> Worker:
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(
            target=_work, args=(theirs, ours, self.log.name, self.conf), name="on-demand-worker"
        )
        # What is there already is not looked through by the child's collector, and so stays shared with it.
        gc.freeze()
        try:
            process.start()
        finally:
            gc.unfreeze()
        theirs.close()
        assert process.pid is not None  # noqa: S101 - it was started
        worker = self.forked[process.pid] = Worker(process, ours)
        return worker


def api_answers(url: str) -> bool:
    """Whether the execution API works, to which tasks say how far they are."""
    try:
        return ask(f"{url.rstrip('/')}/health", within_s=ANSWERS_WITHIN_S).status in range(200, 300)
    except NoAnswerError:
        return False


def _work(line: Connection, far_end: Connection, logger_name: str, conf: Any) -> None:
    """The worker's life: take a workload, do it, say how it ended; until it is to leave."""
    far_end.close()
    # Ctrl-C is for the scheduler; a task that runs ends by itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    log = structlog.get_logger(logger_name)
    log.info("Worker starting up pid=%d", os.getpid())
    while True:
        setproctitle(f"{TITLE} <idle>")
        try:
            workload = line.recv()
        except (EOFError, OSError):
            return
        if workload is None:
            return
        line.send((workload.running_state, None, False))
        try:
            BaseExecutor.run_workload(
                workload,
                server=get_execution_api_server_url(conf),
                proctitle=f"{TITLE} {workload.display_name}",
                subprocess_logs_to_stdout=True,
            )
            state, problem = workload.success_state, ""
        except Exception as error:
            log.exception("Workload execution failed.", workload_type=type(workload).__name__)
            # By name only: it must fit into one write, which a reader sees whole or not at all.
            state, problem = workload.failure_state, type(error).__name__
        line.send((state, problem or None, True))
