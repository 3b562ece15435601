"""One run of the target's side for tests: everything copied as it is, through the real steps."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg import sql

from appliance.connections import Connection
from appliance.contract.step_messages import Message, Notice
from appliance.masking.compiled import CompiledColumn
from appliance.policy.policy import Policy
from appliance.postgres.plan import (
    CopyItem,
    Plan,
    PlannedTable,
    Shard,
    SourceFacts,
    TableName,
)
from appliance.postgres.source.catalog_reader import read_catalog
from appliance.postgres.source.session_settings import read_session_settings
from appliance.postgres.source.snapshot import export_snapshot, import_snapshot
from appliance.postgres.twin.target_checks import TargetCheck, check_target
from appliance.run_folder import RECEIPT
from appliance.steps import copy, finish, publish, schema
from appliance.steps.call import StepCall, StepPaths
from appliance.steps.context import StepContext
from appliance.steps.run_files import PLAN, SNAPSHOT, SPEC
from appliance.steps.run_spec import RunSpec
from appliance.steps.secrets import write_secrets, write_settings
from appliance.steps.step_keys import step_settings
from appliance.workflow.catalog import Catalog, Table
from appliance.workflow.document import Workflow
from tests.engine.clusters import Cluster

_runs = itertools.count(1)


class TwinRun:
    """``source_database`` copied to ``twin`` as it is; ``exclude`` names tables (schema.table) left empty."""

    def __init__(
        self,
        source: Cluster,
        source_database: str,
        target: Cluster,
        twin: str,
        folder: Path,
        *,
        reader: str = "reader",
        writer: str = "twin_owner",
        exclude: Collection[str] = (),
        parallel: int = 2,
        grace_s: int = 0,
    ) -> None:
        self.source, self.target, self.twin = source, target, twin
        self.number = next(_runs)
        self.run_dir = folder / f"run-{self.number}"
        self.run_dir.mkdir(parents=True)
        self.exclude = set(exclude)
        self.messages: list[Message] = []
        connections = {
            "production": Connection(**source.connection(source_database, reader)),
            "staging": Connection(**target.connection(twin, writer)),
        }
        write_secrets(self.run_dir / "secrets", connections)
        document: dict[str, Any] = {
            "id": "copy-all",
            "source": "production",
            "tables": {"include": ["*.*"]},
            "unlisted": "keep",
            "deliver": [{"twin": {"connection": "staging", "grace_s": grace_s}}],
            "limits": {"parallel": parallel},
        }
        spec = RunSpec(
            run_id=f"copy-all-20240101T000000Z-{self.number:04x}",
            workflow=Workflow.model_validate(document),
            origin="local",
            policy=Policy(),
            created_at=datetime.now(UTC),
            appliance_version="0",
        )
        SPEC.write(self.run_dir, spec)
        self.context = StepContext(
            call=StepCall(spec.run_id, spec.workflow.id, "test"),
            paths=StepPaths(self.run_dir, self.run_dir / "secrets"),
            spec=spec,
            emit=self.messages.append,
        )
        self.check: TargetCheck
        self.keeper = self.context.connect_source()

    @property
    def run_id(self) -> str:
        return self.context.spec.run_id

    @property
    def notices(self) -> list[str]:
        return [message.text for message in self.messages if isinstance(message, Notice)]

    def plan(self) -> Plan:
        self.snapshot = export_snapshot(self.keeper)
        SNAPSHOT.write(self.run_dir, self.snapshot)
        with (
            closing(self.context.connect_source()) as source,
            closing(self.context.connect_admin("staging")) as admin,
        ):
            import_snapshot(source, self.snapshot)
            catalog = read_catalog(source)
            self.settings = read_session_settings(source)
            selected = [table for table in catalog.tables if self._selected(table)]
            self.check = check_target(
                admin,
                source,
                lambda database: self.context.connect_target("staging", database),
                delivery=0,
                connection="staging",
                twin=self.twin,
                catalog=catalog,
                selected={(table.schema_name, table.name) for table in selected},
            )
        plan = self._plan(catalog, selected)
        PLAN.write(self.run_dir, plan)
        return plan

    def _selected(self, table: Table) -> bool:
        return (
            table.readable
            and table.kind in {"table", "unlogged"}
            and not {table.qualified, f"{table.root_schema}.{table.root_name}"} & self.exclude
        )

    def _plan(self, catalog: Catalog, selected: list[Table]) -> Plan:
        facts = {"database", "server_version", "encoding", "locale_provider", "collate", "ctype", "locale"}
        return Plan(
            run_id=self.run_id,
            workflow_id="copy-all",
            created_at=datetime.now(UTC),
            source=SourceFacts(
                connection="production",
                settings=self.settings,
                **catalog.model_dump(include=facts),
            ),
            targets=(self.check.facts,),
            tables=tuple(_planned(table) for table in selected),
            shards=(
                Shard(
                    number=0,
                    target=0,
                    items=tuple(CopyItem(table=number) for number in range(len(selected))),
                    estimated_bytes=0,
                ),
            ),
            parallel=self.context.spec.workflow.limits.parallel,
            bindings=(),
            left_out=tuple(
                TableName(schema_name=table.schema_name, name=table.name)
                for table in catalog.tables
                if table.qualified in self.exclude
            ),
            not_carried=self.check.not_carried,
        )

    def _step(self, name: str, *, shard: int | None = None, delivery: int | None = None) -> StepContext:
        call = dataclasses.replace(self.context.call, step=name, shard=shard, delivery=delivery)
        return dataclasses.replace(self.context, call=call)

    def schema(self) -> schema.SchemaResult:
        return schema.run(self._step("schema"))

    def copy(self) -> None:
        settings = step_settings("copy", self.context.spec, self.context.plan(), bytes(32))
        write_settings(self.context.secrets_dir, settings)
        copy.run(self._step("copy", shard=0))

    def finish(self) -> finish.FinishResult:
        self.keeper.close()
        return finish.run(self._step("finish"))

    def publish(self) -> publish.PublishResult:
        (self.context.run_dir / RECEIPT).write_text("")
        return publish.run(self._step("publish", delivery=0))

    def all(self) -> publish.PublishResult:
        self.plan()
        self.schema()
        self.copy()
        self.finish()
        return self.publish()

    def close(self) -> None:
        self.keeper.close()


def _planned(table: Table) -> PlannedTable:
    name = TableName(schema_name=table.schema_name, name=table.name)
    columns = tuple(
        CompiledColumn(name=column.name, type=column.type, sql=sql.Identifier(column.name).as_string(None))
        for column in table.columns
        if not column.generated
    )
    return PlannedTable(
        schema_name=table.schema_name,
        name=table.name,
        load_into=name,
        columns=columns,
        format="binary" if all(column.binary_safe for column in table.columns) else "text",
        estimated_rows=table.estimated_rows,
        bytes=table.bytes,
        pages=table.pages,
    )
