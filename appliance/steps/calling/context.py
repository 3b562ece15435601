"""What a step is given: the run's spec and folder, its secrets, and a way to say how far it is."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.contract.step_messages import Message, Notice, Progress
from appliance.errors import WorkFailedForGoodError, WrongRequestError
from appliance.postgres.login_errors import NoDatabaseError
from appliance.postgres.plan import Plan, Snapshot
from appliance.postgres.sessions.bindings import start_options
from appliance.postgres.sessions.connect import open_session
from appliance.steps.calling.call import StepCall, StepPaths
from appliance.steps.calling.secrets import maintenance_service, read_service, read_settings
from appliance.steps.records.run_files import PLAN, SNAPSHOT, SPEC
from appliance.steps.records.run_spec import RunSpec


@dataclass(frozen=True)
class StepContext:
    """One step of one run."""

    call: StepCall
    paths: StepPaths
    spec: RunSpec
    emit: Callable[[Message], None]
    """Prints (or passes on) a message; never blocks for long."""
    ends_itself: Callable[[], None] = lambda: None
    """From this call on SIGTERM interrupts nothing: the step knows that it is to end, and is at it."""

    @property
    def step(self) -> str:
        """The step's name."""
        return self.call.step

    @property
    def run_dir(self) -> Path:
        """The run's folder."""
        return self.paths.run_dir

    @property
    def secrets_dir(self) -> Path:
        """The folder with service and pass files."""
        return self.paths.secrets_dir

    @property
    def application_name(self) -> str:
        """How the run's sessions are named on both servers (at most 63 bytes reach the server)."""
        return self.spec.run_id[:63]

    def plan(self) -> Plan:
        """What the ``plan`` step decided."""
        return PLAN.read(self.run_dir)

    def snapshot(self) -> Snapshot:
        """The snapshot that ``open_snapshot`` holds."""
        return SNAPSHOT.read(self.run_dir)

    def connect_source(self, *, keyed: bool = False, keys: Collection[str] = ()) -> Connection[TupleRow]:
        """A read-only session on the workflow's source.

        ``keyed``: opened with the keys of this step; ``keys``: with those of these settings alone.
        """
        limits = self.spec.workflow.limits
        return open_session(
            self.spec.workflow.source,
            read_service(self.secrets_dir, self.spec.workflow.source),
            application_name=self.application_name,
            read_only=True,
            statement_timeout_s=limits.statement_timeout_min * 60,
            lock_timeout_s=limits.lock_timeout_s,
            options=self._key_options(None if keyed else keys) if keyed or keys else "",
        )

    def connect_target(
        self, connection: str, database: str | None = None, *, keyed: bool = False
    ) -> Connection[TupleRow]:
        """A session on a delivery's connection: its own database, or another one of that server.

        ``keyed``: opened with the keys of this step.
        """
        return self._connect_to_write(connection, connection, database, keyed=keyed)

    def connect_admin(self, connection: str) -> Connection[TupleRow]:
        """A session on the maintenance database of a delivery's server, to create and rename others."""
        return self._connect_to_write(connection, maintenance_service(connection), None)

    def twin_name(self, connection: str) -> str:
        """The database that a delivery's connection names: the twin."""
        return read_service(self.secrets_dir, connection)["dbname"]

    def _key_options(self, wanted: Collection[str] | None = None) -> str:
        try:
            given = read_settings(self.secrets_dir)
            return start_options(
                {name: value for name, value in given.items() if wanted is None or name in wanted}
            )
        except ValueError as error:
            raise WrongRequestError(
                f"The step '{self.step}' was given keys that no plan of this release asks for.", str(error)
            ) from None

    def _connect_to_write(
        self, name: str, service: str, database: str | None, *, keyed: bool = False
    ) -> Connection[TupleRow]:
        parameters = read_service(self.secrets_dir, service)
        if database is not None:
            parameters["dbname"] = database
        try:
            return open_session(
                name,
                parameters,
                application_name=self.application_name,
                read_only=False,
                statement_timeout_s=self.spec.workflow.limits.statement_timeout_min * 60,
                options=self._key_options() if keyed else "",
            )
        except NoDatabaseError:
            if database is None:
                raise
            # The document has not changed: it was there when an earlier step used it.
            raise WorkFailedForGoodError(
                f"The database '{database}', which this run works on, is not there any more.",
                "It was dropped, or another run that builds the same twin has taken its place.",
                "Start a new run when no other is at work on that twin.",
            ) from None

    def notice(self, text: str) -> None:
        """Tell a person something that is not a failure."""
        self.emit(Notice(step=self.step, text=text))

    def progress(self, **fields: Any) -> None:
        """Emit a Progress message of this step."""
        self.emit(Progress(step=self.step, shard=self.call.shard, **fields))


def load_context(call: StepCall, paths: StepPaths, emit: Callable[[Message], None]) -> StepContext:
    """The context of a step from its run's folder. Raises WrongRequestError where that is another run's."""
    spec = SPEC.read(paths.run_dir)
    if spec.run_id != call.run_id:
        raise WrongRequestError(
            f"The step '{call.step}' was given the folder of another run.",
            f"It belongs to {spec.run_id}, and the step to {call.run_id}.",
        )
    return StepContext(call, paths, spec, emit)
