"""The ``copy`` step by itself: a snapshot that is held, a plan made by hand, and a database to copy into."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from appliance.postgres.copying import ledger
from appliance.postgres.plan import NO_SETTINGS, CopyItem, Plan, PlannedTable, Shard, SourceFacts, TargetFacts
from appliance.postgres.proof import evidence
from appliance.postgres.sessions.connect import open_session
from appliance.steps import copy
from appliance.steps.calling.secrets import read_service, write_settings
from appliance.steps.calling.step_keys import step_settings
from appliance.steps.copy import CopyResult
from appliance.steps.records.run_files import PLAN, settings_of
from tests.engine.clusters import Cluster
from tests.engine.source_session import moment
from tests.engine.stepwise_run import KEY, StepsByHand

ENCODING = {"encoding": "UTF8", "locale_provider": "libc", "collate": "C", "ctype": "C"}


class CopyRig(StepsByHand):
    """Copies planned tables from one database into another that has the same empty ones."""

    def __init__(  # noqa: PLR0917
        self,
        source: Cluster,
        source_database: str,
        target: Cluster,
        twin: str,
        folder: Path,
        tables: Sequence[PlannedTable],
        *,
        items: Sequence[Sequence[CopyItem]] | None = None,
        source_changes: dict[str, Any] | None = None,
        target_changes: dict[str, Any] | None = None,
        limits: dict[str, Any] | None = None,
    ) -> None:
        self.target, self.next = target, f"{twin}__next"
        connections = {
            "production": source.connection(source_database, "postgres", **(source_changes or {})),
            "staging": target.connection(twin, "postgres", **(target_changes or {})),
        }
        document = {"id": "rig", "limits": limits or {}}
        super().__init__(folder / "run", connections, document, secrets=folder / "secrets")
        secrets = self.context.secrets_dir
        self.keeper = open_session(
            "production", read_service(secrets, "production"), application_name="keeper", read_only=True
        )
        self.take_snapshot(self.keeper)
        whole = items or [[CopyItem(table=number) for number in range(len(tables))]]
        bindings = {binding for table in tables for column in table.columns for binding in column.bindings}
        self.plan = Plan(
            run_id=self.spec.run_id,
            workflow_id="rig",
            created_at=moment(),
            source=SourceFacts(
                connection="production", database=source_database, server_version=150000, **ENCODING
            ),
            targets=(
                TargetFacts(
                    delivery=0,
                    connection="staging",
                    database=twin,
                    next_database=self.next,
                    prev_database=f"{twin}__prev",
                    server_version=150000,
                    **ENCODING,
                ),
            ),
            tables=tuple(tables),
            shards=tuple(
                Shard(number=number, target=0, items=tuple(each), estimated_bytes=0)
                for number, each in enumerate(whole)
            ),
            parallel=2,
            bindings=tuple(bindings),
        )
        PLAN.write(self.run_dir, self.plan)
        write_settings(secrets, step_settings("copy", self.spec, self.plan, KEY))

    def prepare(self, script: str) -> None:
        """Make the database to copy into, with empty tables and the ledger."""
        settings_of(0).write(self.run_dir, NO_SETTINGS)
        self.target.create_database(self.next)
        self.target.sql(self.next, script)
        with self.target.connect(self.next) as connection:
            ledger.create(connection)
            evidence.create(connection)

    def copy(self, shard: int = 0) -> CopyResult:
        """Run the step in this process."""
        return copy.run(self.step("copy", shard=shard))

    def close(self) -> None:
        """Let the snapshot go."""
        with closing(self.keeper):
            pass
