"""One run of the target's side for tests: everything copied as it is, through the real steps."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg import sql

from appliance.masking.compiled import CompiledColumn
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
from appliance.postgres.source.snapshot import import_snapshot
from appliance.postgres.twin.target.checks import TargetCheck, check_target
from appliance.run_folder import RECEIPT
from appliance.steps import copy, finish, publish, schema
from appliance.steps.records.run_files import PLAN
from appliance.workflow.catalog import Catalog, Table
from tests.engine.clusters import Cluster
from tests.engine.stepwise_run import StepsByHand

_runs = itertools.count(1)


class TwinRun(StepsByHand):
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
        self.exclude = set(exclude)
        connections = {
            "production": source.connection(source_database, reader),
            "staging": target.connection(twin, writer),
        }
        document: dict[str, Any] = {
            "id": "copy-all",
            "unlisted": "keep",
            "deliver": [{"twin": {"connection": "staging", "grace_s": grace_s}}],
            "limits": {"parallel": parallel},
        }
        super().__init__(folder / f"run-{self.number}", connections, document, number=self.number)
        self.check: TargetCheck
        self.keeper = self.context.connect_source()

    @property
    def run_id(self) -> str:
        return self.spec.run_id

    def plan(self) -> Plan:
        self.take_snapshot(self.keeper)
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

    def schema(self) -> schema.SchemaResult:
        return schema.run(self.step("schema"))

    def copy(self) -> None:
        copy.run(self.step("copy", shard=0))

    def finish(self) -> finish.FinishResult:
        self.keeper.close()
        return finish.run(self.step("finish"))

    def publish(self) -> publish.PublishResult:
        (self.context.run_dir / RECEIPT).write_text("")
        return publish.run(self.step("publish", delivery=0))

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
