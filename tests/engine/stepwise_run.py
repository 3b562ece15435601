"""A run whose steps are called one by one, so that a test can spoil the copy between two of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from appliance.connections import Connection
from appliance.contract.step_messages import Message
from appliance.policy.policy import Policy
from appliance.postgres.plan import Plan
from appliance.postgres.source.snapshot import export_snapshot
from appliance.steps import copy, finish, plan, schema, verify
from appliance.steps.call import StepCall, StepPaths
from appliance.steps.context import StepContext
from appliance.steps.run_files import PLAN, SNAPSHOT, SPEC
from appliance.steps.run_spec import RunSpec
from appliance.steps.secrets import write_secrets, write_settings
from appliance.steps.step_keys import step_settings
from appliance.workflow.document import Workflow
from tests.engine.clusters import Cluster


class StepwiseRun:
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
            "production": Connection(**source.connection(source_database, "reader")),
            "staging": Connection(**target.connection(twin, "twin_owner")),
        }
        write_secrets(folder / "secrets", connections)
        whole = {
            "id": "stepwise",
            "source": "production",
            "tables": {"include": ["public.*"]},
            "deliver": [{"twin": {"connection": "staging"}}],
            **document,
        }
        spec = RunSpec(
            run_id="stepwise-20240101T000000Z-0001",
            workflow=Workflow.model_validate(whole),
            origin="local",
            policy=Policy(),
            created_at=datetime.now(UTC),
            appliance_version="0",
        )
        SPEC.write(folder, spec)
        self.messages: list[Message] = []
        self.context = StepContext(
            StepCall(spec.run_id, spec.workflow.id, "test"),
            StepPaths(folder, folder / "secrets"),
            spec,
            self.messages.append,
        )

    def copied(self, change_plan: Callable[[Plan], Plan] | None = None) -> StepwiseRun:
        """Everything up to the copied rows; what is planned may be spoilt before it is done."""
        keeper = self.context.connect_source()
        snapshot = export_snapshot(keeper)
        SNAPSHOT.write(self.context.run_dir, snapshot)
        plan.run(self.step("plan"))
        if change_plan is not None:
            PLAN.write(self.context.run_dir, change_plan(self.context.plan()))
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

    def step(self, name: str, *, shard: int | None = None) -> StepContext:
        """The context of one step."""
        if name in ("copy", "verify"):
            settings = step_settings(name, self.context.spec, self.context.plan(), bytes(range(32)))
            write_settings(self.context.secrets_dir, settings)
        call = dataclasses.replace(self.context.call, step=name, shard=shard)
        return dataclasses.replace(self.context, call=call)
