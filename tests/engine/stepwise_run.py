"""A run whose steps are called one by one, so that a test can spoil the copy between two of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from appliance.connections import Connection
from appliance.policy import Policy
from appliance.postgres.plan import SNAPSHOT_FILE
from appliance.postgres.snapshot import export_snapshot
from appliance.reporting.messages import Message
from appliance.steps import copy, finish, plan, schema, verify
from appliance.steps.context import RunSpec, StepContext, write_document
from appliance.steps.secrets import write_secrets
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
        write_secrets(folder / "secrets", connections, bytes(range(32)))
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
        write_document(folder / "spec.json", spec)
        self.messages: list[Message] = []
        self.context = StepContext("test", folder, folder / "secrets", spec, self.messages.append)

    def copied(self) -> StepwiseRun:
        """Everything up to the copied rows."""
        keeper = self.context.connect_source()
        snapshot = export_snapshot(keeper)
        write_document(self.context.run_dir / SNAPSHOT_FILE, snapshot)
        plan.run(self.step("plan"))
        schema.run(self.step("schema"))
        for shard in self.context.plan().shards:
            copy.run(dataclasses.replace(self.step("copy"), shard=shard.number))
        keeper.close()
        return self

    def spoil(self, statement: str) -> None:
        """Change the copy behind the appliance's back."""
        self.target.sql(self.next, statement)

    def verify(self) -> verify.VerifyResult:
        """Finish and verify."""
        finish.run(self.step("finish"))
        return verify.run(self.step("verify"))

    def step(self, name: str) -> StepContext:
        """The context of one step."""
        return dataclasses.replace(self.context, step=name)
