"""``schema``: make ``<twin>__next`` with the source's structure, ready for rows."""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import closing
from functools import partial

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow
from pydantic import BaseModel

from appliance.errors import WorkFailed
from appliance.postgres.copying import ledger, left_out
from appliance.postgres.plan import Plan, TargetFacts
from appliance.postgres.proof import evidence
from appliance.postgres.sessions.connect import database_failure
from appliance.postgres.source.archive_contents import Entry
from appliance.postgres.source.schema_dump import carried_entries
from appliance.postgres.twin.database import create_next
from appliance.postgres.twin.locale import LocaleSettings
from appliance.postgres.twin.post_data import create_ledger
from appliance.postgres.twin.pre_data import load_pre_data, rehearse_post_data, split_sections
from appliance.postgres.twin.refused_objects import RefusedObjects
from appliance.postgres.twin.schema import TwinSchema, schema_file
from appliance.steps.context import StepContext, write_document
from appliance.steps.schema_source import read_schema
from appliance.workflow.catalog import NotCarried

_TABLES = {"TABLE", "MATERIALIZED VIEW"}


class SchemaResult(BaseModel):
    """What was made, on all targets together."""

    databases: tuple[str, ...]
    objects: int
    not_carried: tuple[NotCarried, ...] = ()
    """What a target refused to make, found out by trying, and what needs it: besides the plan's."""
    notes: tuple[str, ...] = ()
    seconds: float


def run(context: StepContext) -> SchemaResult:
    """Dump the source's schema in the run's snapshot and load it on every target. Raises our errors."""
    began = time.monotonic()
    plan = context.plan()
    read = read_schema(context, plan)
    notes: list[str] = []
    not_carried: list[NotCarried] = []
    objects = 0
    for number, (target, found) in enumerate(zip(plan.targets, read.left_behind, strict=True)):
        kept = carried_entries(read.entries, found.objects)
        _check_planned_tables(plan, kept)
        notes += _create(context, plan, target)
        refused = RefusedObjects({(table.schema_name, table.name) for table in plan.tables} | _roots(plan))
        _load(context, target, kept, notes, refused, has_public=read.has_public)
        kept = refused.remaining(kept)
        notes += refused.sentences
        not_carried += refused.items
        objects += len(kept)
        path = schema_file(context.run_dir, number)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        twin_schema = TwinSchema(
            entries=tuple(kept),
            sequences=read.sequences,
            filled_views=read.filled_views,
            index_bytes=read.index_bytes,
        )
        write_document(path, twin_schema)
    for note in notes:
        context.notice(note)
    return SchemaResult(
        databases=tuple(target.next_database for target in plan.targets),
        objects=objects,
        not_carried=tuple(not_carried),
        notes=tuple(notes),
        seconds=round(time.monotonic() - began, 3),
    )


def _check_planned_tables(plan: Plan, entries: list[Entry]) -> None:
    made = {(entry.schema_name, entry.tag) for entry in entries if entry.kind == "TABLE"}
    missing = [table.qualified for table in plan.tables if (table.schema_name, table.name) not in made]
    if missing:
        raise WorkFailed(
            "The source's schema has changed since it was planned.",
            f"These tables are gone, or cannot be made on the target any more: {', '.join(missing[:20])}.",
            "Start a new run.",
            sqlstate="42P01",
        )


def _create(context: StepContext, plan: Plan, target: TargetFacts) -> list[str]:
    wanted = LocaleSettings(
        encoding=plan.source.encoding,
        provider=plan.source.locale_provider,
        collate=plan.source.collate,
        ctype=plan.source.ctype,
        locale=plan.source.locale,
    )
    with closing(context.connect_admin(target.connection)) as admin:
        try:
            return create_next(
                admin,
                target.next_database,
                wanted,
                workflow=plan.workflow_id,
                run=plan.run_id,
                open_database=partial(context.connect_target, target.connection),
                like=target.database,
            )
        except psycopg.Error as error:
            what = f"The database '{target.next_database}' could not be made."
            raise database_failure(what, error) from None


def _roots(plan: Plan) -> set[tuple[str, str]]:
    return {(table.root.schema_name, table.root.name) for table in plan.tables if table.root is not None}


def _load(
    context: StepContext,
    target: TargetFacts,
    entries: list[Entry],
    notes: list[str],
    refused: RefusedObjects,
    *,
    has_public: bool,
) -> None:
    before, after = split_sections(entries)

    def progress(loaded: int) -> None:
        context.progress(
            table=f"objects of {target.next_database}",
            rows=loaded,
            rows_expected=len(before),
            done=loaded == len(before),
        )

    with closing(context.connect_target(target.connection, target.next_database)) as session:
        notes += load_pre_data(session, before, progress, refused, public_schema=has_public)
        made = {entry.dump_id for entry in refused.remaining(before) if entry.kind in _TABLES}
        _rehearse(session, after, made, refused)


def _rehearse(
    session: Connection[TupleRow], after: list[Entry], made: Collection[int], refused: RefusedObjects
) -> None:
    try:
        ledger.create(session)
        evidence.create(session)
        left_out.create(session)
        create_ledger(session)
        rehearse_post_data(session, after, made, refused)
    except psycopg.Error as error:
        raise database_failure("The twin's indexes and keys could not be tried out.", error) from None
