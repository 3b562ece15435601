"""A run of the engine whose steps a test calls one by one, so that it can look or spoil in between.

There are three ways to its plan: the real step (``plan``), everything as it is (``plan_as_is``), and tables
that a test has planned itself (``plan_tables``).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from appliance.connections.database import Connection
from appliance.contract.step_messages import Message, Notice
from appliance.policy.policy import Policy
from appliance.postgres.copying import ledger
from appliance.postgres.plan import NO_SETTINGS, CopyItem, Plan, PlannedTable, Snapshot
from appliance.postgres.proof import evidence
from appliance.postgres.source.catalog_reader import read_catalog
from appliance.postgres.source.session_settings import read_session_settings
from appliance.postgres.source.snapshot import export_snapshot, import_snapshot
from appliance.postgres.twin.target.checks import TargetCheck, check_target
from appliance.run_folder import RECEIPT
from appliance.steps import copy, finish, plan, publish, schema, verify
from appliance.steps.calling.call import StepCall, StepPaths
from appliance.steps.calling.context import StepContext
from appliance.steps.calling.secrets import write_secrets, write_settings
from appliance.steps.calling.step_keys import step_settings
from appliance.steps.records.run_files import PLAN, SNAPSHOT, SPEC, settings_of
from appliance.steps.records.run_spec import RunSpec
from appliance.workflow.document import Workflow
from tests.engine.clusters import Cluster
from tests.engine.plan_making import is_copied_as_is, plan_as_is, plan_of_tables

KEY = bytes(range(32))
AS_IS = {
    "id": "copy-all",
    "tables": {"include": ["*.*"]},
    "unlisted": "keep",
    "limits": {"parallel": 2},
}
_runs = itertools.count(1)


class EngineRun:
    """``source_database`` copied into ``twin``, as far as the test takes it."""

    def __init__(  # noqa: PLR0917
        self,
        source: Cluster,
        source_database: str,
        target: Cluster,
        twin: str,
        folder: Path,
        document: Mapping[str, Any] = AS_IS,
        *,
        reader: str = "reader",
        writer: str = "twin_owner",
        source_changes: Mapping[str, Any] | None = None,
        target_changes: Mapping[str, Any] | None = None,
    ) -> None:
        self.source, self.source_database = source, source_database
        self.target, self.twin, self.next = target, twin, f"{twin}__next"
        number = next(_runs)
        whole = {
            "id": "stepwise",
            "source": "production",
            "tables": {"include": ["public.*"]},
            "deliver": [{"twin": {"connection": "staging", "grace_s": 0}}],
            **document,
        }
        spec = RunSpec(
            run_id=f"{whole['id']}-20240101T000000Z-{number:04x}",
            workflow=Workflow.model_validate(whole),
            origin="local",
            policy=Policy(),
            created_at=datetime.now(UTC),
            appliance_version="0",
        )
        self.run_dir = folder / f"run-{number}"
        self.run_dir.mkdir(parents=True)
        SPEC.write(self.run_dir, spec)
        self.messages: list[Message] = []
        self.context = StepContext(
            StepCall(spec.run_id, spec.workflow.id, "test"),
            StepPaths(self.run_dir, self.run_dir / "secrets"),
            spec,
            self.messages.append,
        )
        connections = {
            "production": source.connection(source_database, reader, **(source_changes or {})),
            "staging": target.connection(twin, writer, **(target_changes or {})),
        }
        known = {name: Connection.model_validate(entry) for name, entry in connections.items()}
        write_secrets(self.context.secrets_dir, known)
        self._keeper: psycopg.Connection[TupleRow] | None = None
        self.snapshot: Snapshot
        self.check: TargetCheck

    @property
    def spec(self) -> RunSpec:
        """What the run froze when it began."""
        return self.context.spec

    @property
    def notices(self) -> list[str]:
        """What the steps have said."""
        return [message.text for message in self.messages if isinstance(message, Notice)]

    @property
    def keeper(self) -> psycopg.Connection[TupleRow]:
        """The session that holds the snapshot; opened when it is needed."""
        if self._keeper is None or self._keeper.closed:
            self._keeper = self.context.connect_source()
        return self._keeper

    def close(self) -> None:
        """Let the snapshot go."""
        if self._keeper is not None:
            self._keeper.close()

    def step(self, name: str, *, shard: int | None = None, delivery: int | None = None) -> StepContext:
        """The context of one step, with the keys that it needs."""
        if name in ("copy", "verify"):
            settings = step_settings(name, self.spec, self.context.plan(), KEY)
            write_settings(self.context.secrets_dir, settings)
        call = dataclasses.replace(self.context.call, step=name, shard=shard, delivery=delivery)
        return dataclasses.replace(self.context, call=call)

    def take_snapshot(self) -> Snapshot:
        """Take the run's snapshot."""
        self.snapshot = export_snapshot(self.keeper)
        SNAPSHOT.write(self.run_dir, self.snapshot)
        return self.snapshot

    def plan(self) -> Plan:
        """Take the snapshot and run the step ``plan``."""
        self.take_snapshot()
        plan.run(self.step("plan"))
        return self.context.plan()

    def plan_as_is(self, *, exclude: Collection[str] = ()) -> Plan:
        """Take the snapshot and plan every table as it is; those to exclude (schema.table) are left empty."""
        self.take_snapshot()
        with (
            closing(self.context.connect_source()) as source,
            closing(self.context.connect_admin("staging")) as admin,
        ):
            import_snapshot(source, self.snapshot)
            catalog = read_catalog(source)
            copied = [table for table in catalog.tables if is_copied_as_is(table, exclude)]
            self.check = check_target(
                admin,
                source,
                lambda database: self.context.connect_target("staging", database),
                delivery=0,
                connection="staging",
                twin=self.twin,
                catalog=catalog,
                selected={(table.schema_name, table.name) for table in copied},
            )
            settings = read_session_settings(source)
        made = plan_as_is(self.spec, catalog, copied, settings, self.check, exclude)
        PLAN.write(self.run_dir, made)
        return made

    def plan_tables(
        self, tables: Sequence[PlannedTable], items: Sequence[Sequence[CopyItem]] | None = None
    ) -> Plan:
        """Take the snapshot and plan these tables, in these shards or in one."""
        self.take_snapshot()
        made = plan_of_tables(self.spec, self.source_database, self.twin, tables, items)
        PLAN.write(self.run_dir, made)
        return made

    def prepare(self, script: str) -> None:
        """Make the database to copy into by hand, with empty tables and the ledger."""
        settings_of(0).write(self.run_dir, NO_SETTINGS)
        self.target.create_database(self.next)
        self.target.sql(self.next, script)
        with self.target.connect(self.next) as connection:
            ledger.create(connection)
            evidence.create(connection)

    def schema(self) -> schema.SchemaResult:
        return schema.run(self.step("schema"))

    def copy(self, shard: int = 0) -> copy.CopyResult:
        """Copy one shard in this process."""
        return copy.run(self.step("copy", shard=shard))

    def copied(self, change_plan: Callable[[Plan], Plan] | None = None) -> EngineRun:
        """Everything up to the copied rows; what is planned may be spoilt before it is done."""
        made = self.plan()
        if change_plan is not None:
            PLAN.write(self.run_dir, change_plan(made))
        self.schema()
        for shard in self.context.plan().shards:
            self.copy(shard.number)
        self.close()
        return self

    def spoil(self, statement: str) -> None:
        """Change the copy behind the appliance's back."""
        self.target.sql(self.next, statement)

    def finish(self) -> finish.FinishResult:
        self.close()
        return finish.run(self.step("finish"))

    def verify(self, *, again: bool = False) -> verify.VerifyResult:
        """Finish and verify. ``again``: put the evidence back, for another one."""
        self.finish()
        if not again:
            return verify.run(self.step("verify"))
        aside = "CREATE TABLE appliance_ledger.aside AS TABLE appliance_ledger.evidence"
        self.target.sql(self.next, aside, user="twin_owner")
        result = verify.run(self.step("verify"))
        back = "ALTER TABLE appliance_ledger.aside RENAME TO evidence"
        self.target.sql(self.next, back, user="twin_owner")
        return result

    def publish(self) -> publish.PublishResult:
        """Publish without the proof, as a receipt lets it."""
        (self.run_dir / RECEIPT).write_text("")
        return publish.run(self.step("publish", delivery=0))

    def publish_as_is(self, *, exclude: Collection[str] = ()) -> publish.PublishResult:
        """All steps from the plan to the swap, every table as it is."""
        self.plan_as_is(exclude=exclude)
        self.schema()
        self.copy()
        self.finish()
        return self.publish()
