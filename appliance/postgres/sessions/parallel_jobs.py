"""Runs jobs in several sessions at a time: each after those it needs, never two that lock each other out."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.errors import ApplianceError

Session = Connection[TupleRow]
DEADLOCK_TRIES = 5
_TOGETHER = 32
"""So many jobs with a script are one transaction and one round trip: each takes some of a server's locks."""
_CANCEL_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Job:
    """One piece of work in a session of its own transaction."""

    key: str
    run: Callable[[Session], None]
    rank: tuple[float, ...] = ()
    """Of the jobs that may run, the lowest goes first."""
    needs: frozenset[str] = frozenset()
    """Keys of other jobs that must be done before; those that are not among the jobs are done already."""
    locks: Mapping[str, bool] = field(default_factory=dict)
    """What it locks, by any name, and whether no other job may have it meanwhile."""
    script: bytes | None = None
    """What ``run`` executes, without BEGIN and COMMIT, where it is so little that it is done with others."""
    setup: bytes = b""
    """What sets the transaction up for the script, for each of the jobs that follow it with the same one."""


def run_jobs(
    jobs: Iterable[Job],
    open_session: Callable[[], Session],
    parallel: int,
    done: Callable[[Job], None] = lambda _: None,
    close: Callable[[Session], None] = Session.close,
) -> None:
    """Run all jobs in up to ``parallel`` sessions; ``done`` is called in this thread after each.

    The first failure cancels what is running and is raised when all of it has stopped, as an interrupt is.
    A server that grants fewer sessions gets fewer; a job that met a deadlock runs again.
    """
    waiting = sorted(jobs, key=lambda job: job.rank)
    open_keys = {job.key for job in waiting}
    idle = _open(open_session, min(parallel, len(waiting)))
    everyone = list(idle)
    running: dict[Future[None], tuple[list[Job], Session]] = {}
    try:
        with ThreadPoolExecutor(max(1, len(everyone))) as threads:
            try:
                while waiting or running:
                    while idle and (some := _next(waiting, open_keys, running.values(), len(everyone))):
                        taken = {job.key for job in some}
                        waiting = [job for job in waiting if job.key not in taken]
                        session = idle.pop()
                        running[threads.submit(_run_all, some, session)] = (some, session)
                    finished, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in finished:
                        some, session = running.pop(future)
                        future.result()
                        idle.append(session)
                        for job in some:
                            open_keys.discard(job.key)
                            done(job)
            except BaseException:
                for _, session in running.values():
                    with contextlib.suppress(psycopg.Error):
                        session.cancel_safe(timeout=_CANCEL_TIMEOUT_S)
                raise
    finally:
        for session in everyone:
            close(session)


def _open(open_session: Callable[[], Session], wanted: int) -> list[Session]:
    sessions: list[Session] = []
    for _ in range(wanted):
        try:
            sessions.append(open_session())
        except ApplianceError:
            if not sessions:
                raise
            break
    return sessions


def _next(
    waiting: Sequence[Job], open_keys: set[str], running: Iterable[tuple[list[Job], Session]], sessions: int
) -> list[Job]:
    """The job that is to go next, and after one with a script others like it; empty where none may run."""
    held: dict[str, bool] = {}
    for job in itertools.chain.from_iterable(jobs for jobs, _ in running):
        for name, alone in job.locks.items():
            held[name] = held.get(name, False) or alone
    some: list[Job] = []
    # Every session gets its share of what is left.
    most = max(1, min(_TOGETHER, len(waiting) // (2 * sessions)))
    for job in waiting:
        if job.needs.isdisjoint(open_keys) and not any(
            name in held and (alone or held[name]) for name, alone in job.locks.items()
        ):
            if some and job.script is None:
                break
            some.append(job)
            if job.script is None or len(some) == most:
                break
    if not some and waiting and not held and not list(running):
        # Needs that go round in a circle: the server will say what is missing, if anything is.
        return [waiting[0]]
    return some


def _run_all(jobs: Sequence[Job], session: Session) -> None:
    """All in one transaction; where that fails, one by one, so that each says what is wrong with it."""
    if len(jobs) > 1:
        try:
            session.execute(b"BEGIN; " + _scripts(jobs) + b"COMMIT")
        except psycopg.Error as error:
            if session.broken or isinstance(error, psycopg.errors.QueryCanceled):
                raise
            session.execute("ROLLBACK")
        else:
            return
    for job in jobs:
        _run(job, session)


def _scripts(jobs: Sequence[Job]) -> bytes:
    parts: list[bytes] = []
    for setup, some in itertools.groupby(jobs, key=lambda job: job.setup):
        parts.append(setup)
        parts += [job.script + b";\n" for job in some if job.script is not None]
    return b"".join(parts)


def _run(job: Job, session: Session) -> None:
    for attempt in range(DEADLOCK_TRIES):
        try:
            return job.run(session)
        except psycopg.errors.DeadlockDetected:
            if attempt == DEADLOCK_TRIES - 1:
                raise
