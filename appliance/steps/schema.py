"""``schema``: make ``<twin>__next`` with the source's structure, ready for rows."""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow
from pydantic import BaseModel

from appliance.errors import SourceChangedError, WrongRequestError
from appliance.killed_runs import mark_unfinished
from appliance.postgres.building.as_in_source import accepted
from appliance.postgres.building.late_checks import LateCheck, let_hold_null, take_off
from appliance.postgres.building.once import create_ledger
from appliance.postgres.building.pre_data import load_pre_data, rehearse_post_data, split_sections
from appliance.postgres.building.refused_objects import RefusedObjects
from appliance.postgres.building.rules.late_rule import LateRule
from appliance.postgres.building.rules.late_rules import late_rules
from appliance.postgres.copying import erased, ledger, left_out
from appliance.postgres.errors import database_failure
from appliance.postgres.plan import DefinitionSettings, Plan, TargetFacts
from appliance.postgres.proof import evidence
from appliance.postgres.source.archive_contents import Entry
from appliance.postgres.source.schema_dump import carried_entries
from appliance.postgres.twin.database import create_next
from appliance.postgres.twin.schema import TwinSchema
from appliance.postgres.twin.target.locale import LocaleSettings
from appliance.steps.calling.context import StepContext
from appliance.steps.records.run_files import schema_of, settings_of
from appliance.steps.source.rule_trials import try_late_rules
from appliance.steps.source.structure import SourceSchema, read_schema
from appliance.workflow.catalog import NotCarried


class SchemaResult(BaseModel):
    """What was made, on all targets together."""

    databases: tuple[str, ...]
    objects: int
    not_carried: tuple[NotCarried, ...] = ()
    """What a target refused to make, found out by trying, and what needs it: besides the plan's."""
    notes: tuple[str, ...] = ()
    seconds: float


def run(context: StepContext) -> SchemaResult:
    """Dump the source's schema in the run's snapshot and load it on every target. Raises our errors.

    Checks that the plan could not try are tried on masked rows in the empty twin.
    """
    return make_schema(context, context.plan())


def make_schema(context: StepContext, plan: Plan) -> SchemaResult:
    """The same for any plan of the run. Raises our errors."""
    began = time.monotonic()
    read = read_schema(context, plan)
    notes: list[str] = []
    not_carried: list[NotCarried] = []
    objects = 0
    for number, (target, found) in enumerate(zip(plan.targets, read.left_behind, strict=True)):
        kept = carried_entries(read.entries, found.objects, found.checks)
        _check_planned_tables(plan, kept)
        notes += _create(context, plan, target)
        refused = RefusedObjects({(table.schema_name, table.name) for table in plan.tables} | _roots(plan))
        loaded = _load(context, plan, target, kept, refused, read=read)
        kept = refused.remaining(kept)
        notes += [*loaded.notes, *refused.sentences]
        notes += try_late_rules(context, plan, target, loaded.rules, loaded.settings)
        not_carried += refused.items
        objects += len(kept)
        settings_of(number).write(context.run_dir, loaded.settings)
        twin_schema = TwinSchema(
            entries=tuple(kept),
            sequences=read.sequences,
            filled_views=read.filled_views,
            index_bytes=read.index_bytes,
            checks=loaded.checks,
        )
        schema_of(number).write(context.run_dir, twin_schema)
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
        raise SourceChangedError(
            "The source's schema has changed since it was planned.",
            f"These tables are gone, or cannot be made on the target any more: {', '.join(missing[:20])}.",
            SourceChangedError.NEXT_STEP,
            sqlstate="40001",
        )


def _check_tables_come_first(plan: Plan, after: Collection[Entry]) -> None:
    """Raise WrongRequestError where a planned table needs what relies on a key, which is made after rows."""
    late = {(entry.schema_name, entry.tag) for entry in after if entry.kind == "TABLE"}
    found = [table.qualified for table in plan.tables if (table.schema_name, table.name) in late]
    if found:
        raise WrongRequestError(
            f"Tables cannot be made before their rows: {', '.join(found[:20])}.",
            "They need the row type of a materialised view that relies on a key (GROUP BY id), and both come"
            " after the rows. pg_dump cannot put them in order either.",
            "Name all columns in the view's GROUP BY, or leave the tables out under tables.exclude.",
        )


def _create(context: StepContext, plan: Plan, target: TargetFacts) -> list[str]:
    wanted = LocaleSettings(
        encoding=plan.source.encoding,
        provider=plan.source.locale_provider,
        collate=plan.source.collate,
        ctype=plan.source.ctype,
        locale=plan.source.locale,
        icu_rules=plan.source.icu_rules,
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


@dataclass(frozen=True)
class _Loaded:
    """What came of loading the schema into one target."""

    settings: DefinitionSettings
    checks: tuple[LateCheck, ...]
    rules: list[LateRule]
    notes: list[str]


def _load(
    context: StepContext,
    plan: Plan,
    target: TargetFacts,
    entries: list[Entry],
    refused: RefusedObjects,
    *,
    read: SourceSchema,
) -> _Loaded:
    before, after = split_sections(entries)
    _check_tables_come_first(plan, after)

    def progress(loaded: int) -> None:
        context.progress(
            table=f"objects of {target.next_database}",
            rows=loaded,
            rows_expected=len(before),
            done=loaded == len(before),
        )

    mark_unfinished(context.run_dir)
    with closing(context.connect_target(target.connection, target.next_database)) as session:
        notes = load_pre_data(
            session,
            before,
            progress,
            refused,
            public_schema=read.has_public,
            settings=plan.source.settings,
        )
        settings, not_taken = _settings(session, plan.source.settings)
        rules, checks = _take_checks_off(session, plan, read)
        _rehearse(session, refused.remaining(before), after, settings, refused)
    return _Loaded(settings, checks, rules, [*notes, *not_taken])


def _settings(
    session: Connection[TupleRow], wanted: DefinitionSettings
) -> tuple[DefinitionSettings, list[str]]:
    try:
        return accepted(session, wanted)
    except psycopg.Error as error:
        raise database_failure("The source's settings could not be tried out.", error) from None


def _take_checks_off(
    session: Connection[TupleRow], plan: Plan, read: SourceSchema
) -> tuple[list[LateRule], tuple[LateCheck, ...]]:
    try:
        let_hold_null(session, read.nullable)
        return late_rules(session, plan.tables), take_off(session)
    except psycopg.Error as error:
        raise database_failure("The twin's checks could not be put off.", error) from None


def _rehearse(
    session: Connection[TupleRow],
    made: list[Entry],
    after: list[Entry],
    settings: DefinitionSettings,
    refused: RefusedObjects,
) -> None:
    try:
        ledger.create(session)
        evidence.create(session)
        left_out.create(session)
        erased.create(session)
        create_ledger(session)
        rehearse_post_data(session, after, made, refused, settings)
    except psycopg.Error as error:
        raise database_failure("The twin's indexes and keys could not be tried out.", error) from None
