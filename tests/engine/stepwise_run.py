"""A run whose steps are called one by one, so that a test can spoil the copy between two of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from appliance.connections import Connection
from appliance.contract.step_messages import Message, Notice
from appliance.policy.policy import Policy
from appliance.postgres.plan import Plan, Snapshot
from appliance.postgres.source.snapshot import export_snapshot
from appliance.steps import copy, finish, plan, schema, verify
from appliance.steps.calling.call import StepCall, StepPaths
from appliance.steps.calling.context import StepContext
from appliance.steps.calling.secrets import write_secrets, write_settings
from appliance.steps.calling.step_keys import step_settings
from appliance.steps.records.run_files import PLAN, SNAPSHOT, SPEC
from appliance.steps.records.run_spec import RunSpec
from appliance.workflow.document import Workflow
from tests.engine.clusters import Cluster

KEY = bytes(range(32))


class StepsByHand:
    """A run's folder, its secrets and its workflow, for steps that a test calls itself."""

    def __init__(
        self,
        run_dir: Path,
        connections: Mapping[str, Mapping[str, Any]],
        document: Mapping[str, Any],
        *,
        secrets: Path | None = None,
        number: int = 1,
    ) -> None:
        whole = {
            "source": "production",
            "tables": {"include": ["*.*"]},
            "deliver": [{"twin": {"connection": "staging"}}],
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
        self.run_dir = run_dir
        run_dir.mkdir(parents=True, exist_ok=True)
        SPEC.write(run_dir, spec)
        self.messages: list[Message] = []
        self.context = StepContext(
            StepCall(spec.run_id, spec.workflow.id, "test"),
            StepPaths(run_dir, secrets or run_dir / "secrets"),
            spec,
            self.messages.append,
        )
        known = {name: Connection.model_validate(entry) for name, entry in connections.items()}
        write_secrets(self.context.secrets_dir, known)

    @property
    def spec(self) -> RunSpec:
        """What the run froze when it began."""
        return self.context.spec

    @property
    def notices(self) -> list[str]:
        """What the steps have said."""
        return [message.text for message in self.messages if isinstance(message, Notice)]

    def take_snapshot(self, keeper: psycopg.Connection[TupleRow]) -> Snapshot:
        """Take the run's snapshot in a session that holds it."""
        self.snapshot = export_snapshot(keeper)
        SNAPSHOT.write(self.run_dir, self.snapshot)
        return self.snapshot

    def step(self, name: str, *, shard: int | None = None, delivery: int | None = None) -> StepContext:
        """The context of one step, with the keys that it needs."""
        if name in ("copy", "verify"):
            settings = step_settings(name, self.spec, self.context.plan(), KEY)
            write_settings(self.context.secrets_dir, settings)
        call = dataclasses.replace(self.context.call, step=name, shard=shard, delivery=delivery)
        return dataclasses.replace(self.context, call=call)


class StepwiseRun(StepsByHand):
    """``source_database`` masked into ``twin``, as far as the test takes it."""

    def __init__(  # noqa: PLR0917
        self,
        source: Cluster,
        source_database: str,
        target: Cluster,
        twin: str,
        folder: Path,
        document: Mapping[str, Any],
    ) -> None:
        self.target, self.next = target, f"{twin}__next"
        self.source, self.source_database = source, source_database
        connections = {
            "production": source.connection(source_database, "reader"),
            "staging": target.connection(twin, "twin_owner"),
        }
        super().__init__(
            folder, connections, {"id": "stepwise", "tables": {"include": ["public.*"]}, **document}
        )

    def copied(self, change_plan: Callable[[Plan], Plan] | None = None) -> StepwiseRun:
        """Everything up to the copied rows; what is planned may be spoilt before it is done."""
        keeper = self.context.connect_source()
        self.take_snapshot(keeper)
        plan.run(self.step("plan"))
        if change_plan is not None:
            PLAN.write(self.run_dir, change_plan(self.context.plan()))
        schema.run(self.step("schema"))
        for shard in self.context.plan().shards:
            copy.run(self.step("copy", shard=shard.number))
        keeper.close()
        return self

    def spoil(self, statement: str) -> None:
        """Change the copy behind the appliance's back."""
        self.target.sql(self.next, statement)

    def verify(self, *, again: bool = False) -> verify.VerifyResult:
        """Finish and verify. ``again``: put the evidence back, for another one."""
        finish.run(self.step("finish"))
        if not again:
            return verify.run(self.step("verify"))
        aside = "CREATE TABLE appliance_ledger.aside AS TABLE appliance_ledger.evidence"
        self.target.sql(self.next, aside, user="twin_owner")
        result = verify.run(self.step("verify"))
        back = "ALTER TABLE appliance_ledger.aside RENAME TO evidence"
        self.target.sql(self.next, back, user="twin_owner")
        return result
