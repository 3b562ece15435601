"""What the status service knows, from both databases, the files and the disk, each of which may be away."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

import psycopg

import appliance
from appliance.cloud.known import DashboardLink
from appliance.cloud.receipts import chain_end
from appliance.documents.document import UNSTORABLE
from appliance.orchestration.airflow import metadata
from appliance.orchestration.drift_times import drift_rule
from appliance.orchestration.workflow_files import WorkflowFile, read_workflow_files
from appliance.releases.installed import ROOT
from appliance.settings.settings import Settings
from appliance.status.facts import log_ends
from appliance.status.facts.connection_notes import certificates_of, states_of
from appliance.status.facts.exports_shown import ExportsShown, exports_shown
from appliance.status.facts.log_ends import LogEnd
from appliance.status.facts.next_steps import next_step
from appliance.status.facts.own_database import Ours, our_part
from appliance.status.facts.policy_shown import policy_shown
from appliance.status.facts.reading import Database
from appliance.status.facts.release_look import release_look
from appliance.status.report import (
    Component,
    ComponentState,
    ConnectionShown,
    Disk,
    LastRun,
    Receipts,
    Report,
    Runs,
    WorkflowState,
)
from appliance.store import queries
from appliance.store.database import Connection
from appliance.store.drift_checks import is_newer
from appliance.store.rows import (
    RunDetails,
    RunLine,
)
from appliance.store.workflow_totals import WorkflowTotals, workflow_totals
from appliance.supervision.docker_probe import noted_docker
from appliance.supervision.idle_dag_processor import is_resting
from appliance.supervision.upkeep_mark import upkeep_works
from appliance.system import http
from appliance.system.disk import Reserve, readable, space_of
from appliance.system.last_backup import last_backup

Value = TypeVar("Value")
API_TIMEOUT_S = 2
TOTALS_KEPT_S = 30.0
EXPORTS_KEPT_S = 15.0
KEPT_S = 1.0
"""However often the page is asked for, the databases are asked no more often than this."""


class State:
    """The appliance as this service sees it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.ours = Database(settings.database_url)
        self.airflow = Database(settings.airflow_database_url)
        self.started_at = datetime.now(UTC)
        self.dashboard: Callable[[], DashboardLink | None] = lambda: None
        """What is known of the dashboard; the reporter sets this."""
        self._kept: tuple[float, Report] | None = None
        self._totals: tuple[float, tuple[WorkflowTotals, ...]] | None = None
        self._kept_exports: tuple[float, ExportsShown | None] | None = None
        self._lock = threading.Lock()

    def connection_states(self, wanted: set[str]) -> dict[str, str]:
        """How ready each connection is that there is or that a workflow names."""
        return states_of(self.settings, wanted)

    def report(self) -> Report:
        """Everything that ``/status`` says. Never raises: what is away is said to be away."""
        with self._lock:
            if self._kept and time.monotonic() - self._kept[0] < KEPT_S:
                return self._kept[1]
            report = self._look()
            self._kept = (time.monotonic(), report)
            return report

    def totals(self) -> tuple[WorkflowTotals, ...]:
        """What all runs come to, as it was lately, for it takes a look at every run. Empty where unknown."""
        with self._lock:
            kept = self._totals
            if kept is None or time.monotonic() - kept[0] >= TOTALS_KEPT_S:
                found, _ = _attempt(lambda: self.ours.ask(workflow_totals))
                kept = self._totals = (time.monotonic(), found or ())
            return kept[1]

    def runs(self, workflow: str | None, limit: int) -> list[RunLine]:
        """The newest runs. Raises psycopg.Error."""
        if workflow and UNSTORABLE.search(workflow):
            return []
        return self.ours.ask(lambda db: queries.recent_runs(db, workflow=workflow, limit=limit))

    def run(self, run_id: str) -> RunDetails | None:
        """One run with its steps and tables. Raises psycopg.Error."""
        if UNSTORABLE.search(run_id):
            return None
        return self.ours.ask(lambda db: queries.run_details(db, run_id))

    def log_ends(self, run_id: str) -> tuple[LogEnd, ...]:
        """The ends of the logs of a run's steps that are under way. Raises psycopg.Error."""
        if self.settings.is_split:
            return log_ends.noted_ends(self.settings, run_id)
        return self.ours.ask(lambda db: log_ends.look(self.settings, db, run_id))

    def _look(self) -> Report:
        disk = self._disk()
        files = read_workflow_files(self.settings.config_dir, self.settings.state_dir)
        rule = drift_rule(self.settings)
        ours, our_problem = _attempt(lambda: self.ours.ask(our_part))
        theirs, their_problem = _attempt(lambda: self.airflow.ask(_airflow_part))
        docker_problem = noted_docker(self.settings.runtime_dir)
        components = (
            _component("postgres", our_problem),
            *self._airflow_components(theirs, their_problem),
            *(() if docker_problem is None else (_component("docker", docker_problem or None),)),
            _component("status", self._upkeep_problem()),
            _component("disk", _disk_problem(disk)),
        )
        components = tuple(
            replace(each, next_step=next_step(each.name, self.settings.state_dir)) if each.problem else each
            for each in components
        )
        reasons = tuple(f"{each.name}: {each.problem}" for each in components if each.problem)
        return Report(
            version=appliance.__version__,
            now=datetime.now(UTC),
            started_at=self.started_at,
            healthy=not reasons,
            reasons=reasons,
            components=components,
            workflows=tuple(_workflow(file, rule.times_of(file), ours, theirs) for file in files),
            runs=Runs(current=ours.current, recent=ours.recent) if ours else Runs(None, None),
            outbox=ours.outbox if ours else None,
            refused=ours.refused if ours else None,
            wanted_release=ours.wish if ours else None,
            release_look=release_look(ROOT),
            disk=disk,
            dashboard=self.dashboard(),
            certificates=certificates_of(self.settings),
            receipts=_receipts(self.settings),
            erasures=ours.erasures if ours else None,
            name=self._name(),
            policy=policy_shown(self.settings),
            connections=self._connections(ours),
            twins=ours.twins if ours else None,
            exports=self._exports(),
            last_backup=last_backup(self.settings.state_dir),
        )

    def _name(self) -> str:
        link = self.dashboard()
        return (link.name if link is not None else None) or socket.gethostname()

    def _connections(self, ours: Ours | None) -> tuple[ConnectionShown, ...]:
        tests = {each.connection: each for each in ours.tests} if ours else {}
        states = self.connection_states(set())
        return tuple(ConnectionShown(name, states[name], tests.get(name)) for name in sorted(states))

    def _exports(self) -> ExportsShown | None:
        """As they were lately, for each has a manifest to be read."""
        kept = self._kept_exports
        if kept is None or time.monotonic() - kept[0] >= EXPORTS_KEPT_S:
            kept = self._kept_exports = (time.monotonic(), exports_shown(self.settings))
        return kept[1]

    def _airflow_components(self, theirs: _Airflow | None, problem: str | None) -> list[Component]:
        parts = [_component("airflow_database", problem)]
        for name in metadata.JOBS.values():
            age = theirs.heartbeats.get(name) if theirs else None
            is_silent = age is None or age > metadata.STALE_S
            if is_silent and name == "dag_processor" and is_resting(self.settings.runtime_dir):
                # One that was killed, by a power cut for one, is running for ever in Airflow's database.
                age = 0.0
            if theirs is None:
                parts.append(_component(name, "unknown: Airflow's database does not answer", state="unknown"))
            elif age is None:
                parts.append(_component(name, "is not running"))
            elif age > metadata.STALE_S:
                parts.append(_component(name, f"has given no sign of life for {age:.0f} s"))
            else:
                parts.append(_component(name, None))
        parts.append(_component("api_server", self._api_problem()))
        return parts

    def _api_problem(self) -> str | None:
        url = self.settings.airflow_execution_api_url.rstrip("/") + "/health"
        try:
            answer = http.ask(url, within_s=API_TIMEOUT_S)
        except http.NoAnswerError:
            return "does not answer"
        return None if answer.status == 200 else f"answers {answer.status}"

    def _upkeep_problem(self) -> str | None:
        if not self.settings.is_split or upkeep_works(self.settings.runtime_dir):
            return None
        return "what works behind it has given no sign of life (systemctl status appliance-upkeep)"

    def _disk(self) -> Disk | None:
        try:
            space = space_of(self.settings.state_dir)
        except OSError:
            return None
        return Disk(
            path=str(space.path),
            total_bytes=space.total,
            free_bytes=space.free,
            level=space.level,
            low_below_bytes=space.low,
            runs_need_bytes=space.for_a_run,
            reserve="held" if Reserve(self.settings.state_dir).is_held else "given up",
        )


@dataclass(frozen=True)
class _Airflow:
    """What Airflow's database says; ages in seconds, moments and workflows by id."""

    heartbeats: dict[str, float] = field(default_factory=dict)
    next: dict[str, datetime] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)


def _disk_problem(disk: Disk | None) -> str | None:
    if disk is None or disk.level != "full":
        return None
    free, needed = readable(disk.free_bytes), readable(disk.runs_need_bytes)
    return f"{free} are free, and a run needs {needed} (df -h {disk.path})"


def _airflow_part(db: Connection) -> _Airflow:
    return _Airflow(
        heartbeats=metadata.heartbeats(db),
        next=metadata.next_runs(db),
        known=metadata.known_workflows(db),
    )


def _attempt(action: Callable[[], Value]) -> tuple[Value | None, str | None]:
    try:
        return action(), None
    except psycopg.errors.UndefinedTable:
        return None, "is not set up yet"
    except psycopg.Error as error:
        return None, "does not answer" if error.sqlstate is None else f"answers with {error.sqlstate}"


def _component(name: str, problem: str | None, *, state: ComponentState | None = None) -> Component:
    return Component(name, state or ("down" if problem else "ok"), problem)


def _workflow(
    file: WorkflowFile, times: Sequence[str], ours: Ours | None, theirs: _Airflow | None
) -> WorkflowState:
    last = ours.last.get(file.id) if ours and file.id else None
    check = ours.drift.get(file.id) if ours and file.id and times else None
    waiting = file.usable and theirs is not None and file.id not in theirs.known
    return WorkflowState(
        id=file.id,
        title=file.title,
        file=file.path,
        origin=file.origin,
        state="invalid" if not file.usable else "waiting" if waiting else "active",
        problem=file.problem,
        schedule=file.schedule,
        timezone=file.timezone,
        next_run_at=theirs.next.get(file.id) if theirs and file.id and file.usable else None,
        last_run=LastRun(last.run_id, last.state, last.queued_at, last.ended_at, last.seconds)
        if last
        else None,
        last_success_at=ours.successes.get(file.id) if ours and file.id else None,
        kept=ours.kept.get(file.id) if ours and file.id else None,
        drift=" and ".join(times) or None,
        drift_check=check if check and is_newer(check, last.ended_at if last else None) else None,
    )


def _receipts(settings: Settings) -> Receipts | None:
    end = chain_end(settings.receipts_dir)
    return Receipts(end.number, end.digest, end.public_key) if end is not None else None
