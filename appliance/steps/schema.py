"""``schema``: make ``<twin>__next`` with the source's structure, ready for rows."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow
from pydantic import BaseModel

from appliance.errors import WorkFailed
from appliance.postgres import evidence, ledger
from appliance.postgres.archive_contents import Entry
from appliance.postgres.connect import database_failure
from appliance.postgres.left_behind import LeftBehind, find_left_behind, read_abilities
from appliance.postgres.lock_watch import Covered, LockWatch
from appliance.postgres.plan import Plan, TargetFacts
from appliance.postgres.post_data import create_ledger
from appliance.postgres.pre_data import load_pre_data, rehearse_post_data, split_sections
from appliance.postgres.schema_dump import PgDump, carried_entries, dump_schema, find_pg_dump
from appliance.postgres.sequences import SequenceValue, read_sequences
from appliance.postgres.target_database import create_next
from appliance.postgres.target_locale import LocaleSettings
from appliance.postgres.twin_schema import TwinSchema, schema_file
from appliance.steps.context import StepContext, write_document
from appliance.steps.reading import giving_way, read_source
from appliance.steps.secrets import service_environment

_FILLED_VIEWS = """
SELECT n.nspname::text, c.relname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'm' AND c.relispopulated ORDER BY 1, 2
"""
# A constraint's index is made by the constraint, and goes by its oid.
_INDEX_BYTES = """
SELECT coalesce(k.oid, i.indexrelid)::bigint, coalesce(pg_relation_size(i.indexrelid), 0)
FROM pg_index AS i LEFT JOIN pg_constraint AS k
ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
WHERE i.indexrelid >= 16384
"""


@dataclass(frozen=True)
class _Source:
    """What the dump does not say."""

    sequences: tuple[SequenceValue, ...]
    filled_views: tuple[tuple[str, str], ...]
    index_bytes: dict[int, int]
    has_public: bool


class SchemaResult(BaseModel):
    """What was made, on all targets together."""

    databases: tuple[str, ...]
    objects: int
    rehearsed: bool
    """Indexes, keys and triggers were made once on the empty tables, and undone."""
    notes: tuple[str, ...] = ()
    seconds: float


def run(context: StepContext) -> SchemaResult:
    """Dump the source's schema in the run's snapshot and load it on every target. Raises our errors."""
    began = time.monotonic()
    plan = context.plan()
    program = find_pg_dump(plan.source.server_version)
    with LockWatch(context.connect_source, context.spec.workflow.limits.yield_s) as watch:
        left_behind = [_left_behind(context, watch, target) for target in plan.targets]
        read = read_source(context, watch, "sequences and indexes", _read_source)
        entries = giving_way(
            context, watch, "the schema", lambda covered: _dump(context, plan, program, left_behind, covered)
        )
    notes: list[str] = []
    rehearsed = True
    objects = 0
    for number, (target, found) in enumerate(zip(plan.targets, left_behind, strict=True)):
        kept = carried_entries(entries, found.objects)
        _check_planned_tables(plan, kept)
        notes += _create(context, plan, target)
        rehearsed &= _load(context, target, kept, notes, read.has_public)
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
        rehearsed=rehearsed,
        notes=tuple(notes),
        seconds=round(time.monotonic() - began, 3),
    )


def _left_behind(context: StepContext, watch: LockWatch, target: TargetFacts) -> LeftBehind:
    def compare(source: Connection[TupleRow]) -> LeftBehind:
        try:
            with closing(context.connect_admin(target.connection)) as admin:
                return find_left_behind(source, read_abilities(admin))
        except psycopg.Error as error:
            raise database_failure("The source and the target could not be compared.", error) from None

    return read_source(context, watch, "what a target cannot have", compare)


def _read_source(source: Connection[TupleRow]) -> _Source:
    try:
        public = source.execute("SELECT FROM pg_namespace WHERE nspname = 'public'").fetchone()
        return _Source(
            sequences=tuple(read_sequences(source)),
            filled_views=tuple((schema, name) for schema, name in source.execute(_FILLED_VIEWS)),
            index_bytes=dict(source.execute(_INDEX_BYTES).fetchall()),
            has_public=public is not None,
        )
    except psycopg.Error as error:
        raise database_failure("The source's sequences and indexes could not be read.", error) from None


def _dump(
    context: StepContext, plan: Plan, program: PgDump, left_behind: list[LeftBehind], covered: Covered
) -> list[Entry]:
    # A name of its own: its session is known by nothing else.
    covered.name = f"{context.application_name[:54]} pg_dump"
    return dump_schema(
        program,
        service_environment(context.secrets_dir, plan.source.connection, covered.name),
        snapshot=context.snapshot().snapshot_id,
        lock_timeout_s=context.spec.workflow.limits.lock_timeout_s,
        left_out={table for found in left_behind for table in found.unreadable},
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


def _load(
    context: StepContext, target: TargetFacts, entries: list[Entry], notes: list[str], has_public: bool
) -> bool:
    before, after = split_sections(entries)

    def progress(loaded: int) -> None:
        context.progress(
            table=f"objects of {target.next_database}",
            rows=loaded,
            rows_expected=len(before),
            done=loaded == len(before),
        )

    with closing(context.connect_target(target.connection, target.next_database)) as session:
        notes += load_pre_data(session, before, progress, public_schema=has_public)
        return _rehearse(session, after)


def _rehearse(session: Connection[TupleRow], after: list[Entry]) -> bool:
    try:
        ledger.create(session)
        evidence.create(session)
        create_ledger(session)
        return rehearse_post_data(session, after)
    except psycopg.Error as error:
        raise database_failure("The twin's indexes and keys could not be tried out.", error) from None
