"""What a step is given: the run's spec and folder, its secrets, and a way to say how far it is."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from psycopg import Connection
from psycopg.rows import TupleRow
from pydantic import BaseModel, ConfigDict, ValidationError

from appliance.contract.step_messages import Message, Notice, Progress
from appliance.documents.problems import Places
from appliance.errors import RequestWrong, WorkFailedForGood
from appliance.policy.policy import Policy
from appliance.postgres.errors import NoDatabase
from appliance.postgres.plan import PLAN_FILE, SNAPSHOT_FILE, SPEC_FILE, Plan, Snapshot
from appliance.postgres.sessions.bindings import start_options
from appliance.postgres.sessions.connect import open_session
from appliance.steps.secrets import maintenance_service, read_service, read_settings
from appliance.workflow.document import Workflow

Model = TypeVar("Model", bound=BaseModel)


class RunSpec(BaseModel):
    """``spec.json``: the run as it was asked for. Written once, before the first step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    workflow: Workflow
    origin: Literal["local", "cloud"]
    """Where the workflow came from: policy is stricter with what the cloud sent."""
    policy: Policy
    approved: tuple[str, ...] = ()
    """What the owner lets the cloud keep of the source, besides what policy does."""
    created_at: datetime
    appliance_version: str
    mask_key: str | None = None
    """Under which name the source's mask keys are derived; None for the connection's own."""
    epoch: int = 1
    """The generation of those keys, as it was when the run began."""
    places: Places = Places()
    """Where the workflow's keys stand in its file, so that what is wrong with them can be pointed at."""

    @property
    def key_name(self) -> str:
        """Under which name the source's mask keys are derived."""
        return self.mask_key or self.workflow.source


@dataclass(frozen=True)
class StepContext:
    """One step of one run."""

    step: str
    run_dir: Path
    secrets_dir: Path
    spec: RunSpec
    emit: Callable[[Message], None]
    """Prints (or passes on) a message; never blocks for long."""
    shard: int | None = None
    delivery: int | None = None
    export_dir: Path | None = None
    """Where ``publish`` writes files, if its delivery has any."""

    @property
    def application_name(self) -> str:
        """How the run's sessions are named on both servers (at most 63 bytes reach the server)."""
        return self.spec.run_id[:63]

    def plan(self) -> Plan:
        """What the ``plan`` step decided."""
        return read_document(self.run_dir / PLAN_FILE, Plan)

    def snapshot(self) -> Snapshot:
        """The snapshot that ``open_snapshot`` holds."""
        return read_document(self.run_dir / SNAPSHOT_FILE, Snapshot)

    def connect_source(self, *, keyed: bool = False) -> Connection[TupleRow]:
        """A read-only session on the workflow's source; ``keyed``: opened with the keys of this step."""
        limits = self.spec.workflow.limits
        return open_session(
            self.spec.workflow.source,
            read_service(self.secrets_dir, self.spec.workflow.source),
            application_name=self.application_name,
            read_only=True,
            statement_timeout_s=limits.statement_timeout_min * 60,
            lock_timeout_s=limits.lock_timeout_s,
            options=self._key_options() if keyed else "",
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

    def _key_options(self) -> str:
        try:
            return start_options(read_settings(self.secrets_dir))
        except ValueError as error:
            raise RequestWrong(
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
        except NoDatabase:
            if database is None:
                raise
            # The document has not changed: it was there when an earlier step used it.
            raise WorkFailedForGood(
                f"The database '{database}', which this run works on, is not there any more.",
                "It was dropped, or another run that builds the same twin has taken its place.",
                "Start a new run when no other is at work on that twin.",
            ) from None

    def notice(self, text: str) -> None:
        """Tell a person something that is not a failure."""
        self.emit(Notice(step=self.step, text=text))

    def progress(self, **fields: Any) -> None:
        """Emit a Progress message of this step."""
        self.emit(Progress(step=self.step, shard=self.shard, **fields))


def read_document(path: Path, model: type[Model]) -> Model:
    """Read one of the run folder's JSON documents; RequestWrong when it is missing or malformed."""
    try:
        return model.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise RequestWrong(
            f"{path.name} is not in the run's folder.", "An earlier step that writes it has not finished."
        ) from None
    except ValidationError as error:
        places = ", ".join(".".join(str(part) for part in detail["loc"]) for detail in error.errors()[:5])
        raise RequestWrong(
            f"{path.name} in the run's folder cannot be read.",
            f"Unexpected at: {places}. It may have been written by another version of the appliance.",
        ) from None


def write_document(path: Path, document: BaseModel | dict[str, Any]) -> None:
    """Write JSON atomically: a reader sees the former file or the whole new one."""
    text = document.model_dump_json() if isinstance(document, BaseModel) else json.dumps(document)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def load_context(
    step: str,
    run_dir: Path,
    secrets_dir: Path,
    emit: Callable[[Message], None],
    *,
    shard: int | None = None,
    delivery: int | None = None,
    export_dir: Path | None = None,
) -> StepContext:
    """The context of a step from its run folder."""
    spec = read_document(run_dir / SPEC_FILE, RunSpec)
    return StepContext(step, run_dir, secrets_dir, spec, emit, shard, delivery, export_dir)
