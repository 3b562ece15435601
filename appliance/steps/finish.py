"""``finish``: build indexes, keys and triggers over the copied rows, set sequences, fill views, analyse."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

import psycopg
from pydantic import BaseModel

from appliance.postgres.building.as_in_source import names_as_in_source
from appliance.postgres.building.broken_rules import masks_of, meeting_of
from appliance.postgres.building.check_jobs import check_jobs
from appliance.postgres.building.made_object import Building
from appliance.postgres.building.post_data import CHECKS, building_jobs, prepare
from appliance.postgres.building.pre_data import split_sections
from appliance.postgres.building.refresh_analyze import analyze, refresh
from appliance.postgres.building.row_order import ordering_jobs
from appliance.postgres.building.sequences import set_sequences
from appliance.postgres.building.table_facts import (
    generated_columns,
    partitioned_tables,
    table_sizes,
    with_ancestors,
)
from appliance.postgres.errors import database_failure
from appliance.postgres.plan import Plan, TargetFacts
from appliance.postgres.sessions.kept_sessions import KeptSessions
from appliance.postgres.sessions.parallel_jobs import Job, Session, run_jobs
from appliance.postgres.twin.database import mark
from appliance.postgres.twin.schema import FinishedTwin
from appliance.steps.calling.context import StepContext
from appliance.steps.records.run_files import finished_of, schema_of, settings_of

_SAY_EVERY_S = 0.25


class FinishResult(BaseModel):
    """What was done, on all targets together."""

    indexes_and_keys: int
    foreign_keys: int
    triggers_rules_and_policies: int
    sequences: int
    materialised_views: int
    seconds_of: dict[str, float]
    """Wall time of each phase."""
    notes: tuple[str, ...] = ()
    seconds: float


def run(context: StepContext) -> FinishResult:
    """Finish every target, each with as many sessions as the plan allows. Raises our errors."""
    began = time.monotonic()
    plan = context.plan()
    finishers = [_Finisher(context, plan, number) for number in range(len(plan.targets))]
    for finisher in finishers:
        finisher.work()
    notes = [note for finisher in finishers for note in finisher.notes]
    for note in notes:
        context.notice(note)

    def total(phase: str) -> int:
        return sum(finisher.counts.get(phase, 0) for finisher in finishers)

    phases = list(dict.fromkeys(phase for finisher in finishers for phase in finisher.seconds))
    return FinishResult(
        indexes_and_keys=total("indexes and keys"),
        foreign_keys=total("foreign keys"),
        triggers_rules_and_policies=total("triggers, rules and policies"),
        sequences=sum(len(finisher.schema.sequences) for finisher in finishers),
        materialised_views=sum(len(finisher.schema.filled_views) for finisher in finishers),
        seconds_of={
            phase: round(sum(finisher.seconds.get(phase, 0) for finisher in finishers), 3) for phase in phases
        },
        notes=tuple(notes),
        seconds=round(time.monotonic() - began, 3),
    )


class _Finisher:
    """The work on one target."""

    def __init__(self, context: StepContext, plan: Plan, number: int) -> None:
        self.context = context
        self.plan = plan
        self.number = number
        self.target: TargetFacts = plan.targets[number]
        self.schema = schema_of(number).read(context.run_dir)
        self.settings = settings_of(number).read(context.run_dir)
        self.notes: list[str] = []
        self.counts: dict[str, int] = {}
        self.seconds: dict[str, float] = {}
        self._said = 0.0
        self._sessions = KeptSessions(self._open)

    def work(self) -> None:
        """All phases in order; each can be done again after a failure."""
        with self._sessions:
            self._phases()

    def _phases(self) -> None:
        self._timed("order of rows", self._reorder)
        self._build()
        self._timed("sequences", self._set_sequences)
        self._timed("materialised views", self._refresh)
        self._timed("statistics", self._analyze)
        with closing(self.context.connect_admin(self.target.connection)) as admin:
            try:
                mark(
                    admin,
                    self.target.next_database,
                    workflow=self.plan.workflow_id,
                    run=self.plan.run_id,
                    state="finished",
                )
            except psycopg.Error as error:
                raise database_failure("The finished database could not be marked.", error) from None

    def _timed(self, phase: str, work: Callable[[], None]) -> None:
        began = time.monotonic()
        work()
        self.seconds[phase] = time.monotonic() - began

    def _open(self) -> Session:
        session = self.context.connect_target(self.target.connection, self.target.next_database)
        try:
            prepare(session)
        except psycopg.Error as error:
            session.close()
            raise database_failure("A session that builds could not be set up.", error) from None
        return session

    def _reorder(self) -> None:
        """Rows whose order would undo a mask stand in another one, before anything is built over them."""
        with self._sessions.session() as session:
            try:
                jobs = ordering_jobs(session, self.plan, self.settings)
            except psycopg.Error as error:
                raise database_failure("The twin's tables could not be looked at.", error) from None
        left = {job.key for job in jobs}

        def done(job: Job) -> None:
            left.discard(job.key)
            self._progress("order of rows", len(jobs) - len(left), len(jobs))

        run_jobs(jobs, self._sessions.open, self.plan.parallel, done, self._sessions.close)

    def _build(self) -> None:
        _, after = split_sections(self.schema.entries)
        with self._sessions.session() as session:
            left_out = [(table.schema_name, table.name) for table in self.plan.left_out]
            generated = generated_columns(session)
            masks = masks_of(self.plan, generated)
            building = Building(
                self.schema.entries,
                sizes=table_sizes(session),
                incomplete=with_ancestors(session, left_out),
                partitioned=partitioned_tables(session),
                index_bytes=self.schema.index_bytes,
                settings=self.settings,
                masks=masks,
                meeting=meeting_of(self.plan, masks, generated),
            )
        began = time.monotonic() - sum(self.seconds.values())
        jobs = building_jobs(building, after)
        jobs[CHECKS] = check_jobs(building, self.schema.checks)
        phase_of = {job.key: phase for phase, found in jobs.items() for job in found}
        open_jobs = {phase: len(found) for phase, found in jobs.items()}

        def done(job: Job) -> None:
            phase = phase_of[job.key]
            open_jobs[phase] -= 1
            self._progress(phase, len(jobs[phase]) - open_jobs[phase], len(jobs[phase]))
            if open_jobs[phase] == 0:
                # Phases overlap a little: each is given the time since the one before it was over.
                self.seconds[phase] = time.monotonic() - began - sum(self.seconds.values())

        every = [job for found in jobs.values() for job in found]
        run_jobs(every, self._sessions.open, self.plan.parallel, done, self._sessions.close)
        self.notes += building.notes
        finished = FinishedTwin(unchecked=tuple(sorted(building.unchecked)))
        finished_of(self.number).write(self.context.run_dir, finished)
        self.counts |= {phase: len(found) for phase, found in jobs.items()}

    def _set_sequences(self) -> None:
        # The path of this session stays the source's: nothing else is done in it.
        with closing(self._sessions.open()) as session:
            try:
                with session.transaction():
                    session.execute(names_as_in_source(self.settings.common).encode())
                    self.notes += set_sequences(session, self.schema.sequences)
            except psycopg.Error as error:
                raise database_failure("The twin's sequences could not be set.", error) from None

    def _refresh(self) -> None:
        self.notes += refresh(
            self._sessions,
            self.plan.parallel,
            self.schema.filled_views,
            self.settings,
            lambda done, of: self._progress("materialised views", done, of),
            entries=self.schema.entries,
        )

    def _analyze(self) -> None:
        self.notes += analyze(
            self._sessions,
            self.plan.parallel,
            self.settings,
            lambda done, of: self._progress("statistics", done, of),
        )

    def _progress(self, phase: str, done: int, of: int) -> None:
        if done < of and time.monotonic() < self._said + _SAY_EVERY_S:
            return
        self._said = time.monotonic()
        self.context.progress(table=phase, rows=done, rows_expected=of, done=done == of)
