"""``plan``: read the source's catalog, decide everything, look at the targets, and write ``plan.json``."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from functools import partial

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow
from pydantic import BaseModel

from appliance.discovery.kept.columns import kept_that_look_personal
from appliance.discovery.kept.look import KeptLook, kept_look
from appliance.errors import ApplianceError, Explanation, WrongRequestError
from appliance.postgres.errors import database_failure
from appliance.postgres.exporting.relations import check_chosen
from appliance.postgres.plan import Plan
from appliance.postgres.planning.planning import PlanRequest, TableKey, make_plan
from appliance.postgres.planning.space_estimate import (
    bytes_of_files,
    check_room,
    check_target_room,
    target_space,
)
from appliance.postgres.source.catalog_reader import read_catalog
from appliance.postgres.source.lock_room import read_lock_room
from appliance.postgres.source.lock_watch import LockWatch
from appliance.postgres.source.session_settings import read_session_settings
from appliance.postgres.twin.ownership import Owners
from appliance.postgres.twin.target.checks import TargetCheck, check_target
from appliance.steps.calling.context import StepContext
from appliance.steps.records.column_files import KEPT, UNCOVERED
from appliance.steps.records.run_files import CATALOG, DRIFT, FORMER_CATALOG, PLAN
from appliance.steps.source.reading import read_source
from appliance.subjects.erased import ERASED_KEY, erased_rows
from appliance.system.disk import space_of
from appliance.system.postgres_programs import find_pg_dump
from appliance.workflow.catalog import Catalog
from appliance.workflow.conditions.alternatives import judged_patterns
from appliance.workflow.drift import Drift, drift, drift_notes, shape_of_catalog
from appliance.workflow.matching.rules import Matching, match_rules, selected_oids

_SYSTEM_IDENTIFIER = "SELECT system_identifier::text FROM pg_control_system()"


class PlanSummary(BaseModel):
    """What a person wants to know of a plan at once."""

    tables: int
    columns: int
    masked_columns: int
    shards: int
    rows: int
    """Estimated, before row filters."""
    bytes: int
    not_carried: int
    epoch: int
    """The generation of the masks' keys."""
    warnings: list[str]
    fallbacks: list[str]


def run(context: StepContext) -> PlanSummary:
    """Make the plan and write it to the run's folder.

    Raises WrongRequestError, RefusedError or WorkFailedError.
    """
    try:
        plan, kept = planned(context)
    except ApplianceError:
        # What has come since the last run may be why.
        for text in drift_notes(DRIFT.read(context.run_dir)) if DRIFT.is_in(context.run_dir) else ():
            context.notice(text)
        raise
    check_room(space_of(context.run_dir), bytes_of_files(plan) * len(context.spec.workflow.exported))
    _check_targets_room(context, plan)
    PLAN.write(context.run_dir, plan)
    KEPT.write(context.run_dir, kept)
    for text in (*plan.warnings, *plan.fallbacks, *drift_notes(plan.drift)):
        context.notice(text)
    return summary_of(plan)


def planned(context: StepContext) -> tuple[Plan, KeptLook]:
    """The plan, made in the run's snapshot, and what of the kept columns is to be looked at."""
    with LockWatch(context.connect_source, context.spec.workflow.limits.yield_s) as watch:
        return read_source(context, watch, "the catalog", lambda source: _plan_in(context, watch, source))


def _plan_in(context: StepContext, watch: LockWatch, source: Connection[TupleRow]) -> tuple[Plan, KeptLook]:
    spec = context.spec
    try:
        catalog = read_catalog(source, partial(selected_oids, spec.workflow))
        changed = _drift(context, catalog)
        request = PlanRequest(
            run_id=spec.run_id,
            workflow=spec.workflow,
            policy=spec.policy,
            origin=spec.origin,
            places=spec.places,
            catalog=catalog,
            snapshot=context.snapshot(),
            approved=spec.approved,
            key_name=spec.key_name,
            epoch=spec.epoch,
            erased=spec.erased,
            settings=read_session_settings(source),
            drift=changed,
            note_uncovered=lambda found: UNCOVERED.write(context.run_dir, found),
        )
        matchings: list[Matching] = []

        def look_at_kept(matching: Matching) -> list[str]:
            matchings.append(matching)
            if not spec.erased:
                return kept_that_look_personal(source, catalog.encoding, matching, judged)
            # Who was erased is looked at no more. The key to that stands in a session of its own.
            but = erased_rows(spec.erased, catalog.tables).where

            def look(keyed: Connection[TupleRow]) -> list[str]:
                return kept_that_look_personal(keyed, catalog.encoding, matching, judged, but)

            return read_source(context, watch, "the kept columns", look, keys=(ERASED_KEY.setting,))

        judged = judged_patterns(spec.workflow, local=spec.origin == "local")
        plan = make_plan(
            request,
            source,
            lambda selected: _check_targets(context, source, catalog, selected),
            look_at_kept,
        )
        room = read_lock_room(source)
    except psycopg.Error as error:
        raise database_failure("The source's catalog could not be read.", error) from None
    check_chosen(spec.workflow, plan, catalog)
    if "archive" in spec.workflow.formats:
        for target in plan.targets:
            find_pg_dump(target.server_version, "what is built")
    return plan, kept_look(matchings[0], plan, judged, room)


def _drift(context: StepContext, catalog: Catalog) -> Drift:
    """What has changed since the last run; kept in the run's folder, also where the plan halts at it."""
    former = FORMER_CATALOG.read(context.run_dir) if FORMER_CATALOG.is_in(context.run_dir) else None
    found = drift(former, catalog, match_rules(context.spec.workflow, catalog))
    CATALOG.write(context.run_dir, shape_of_catalog(catalog))
    DRIFT.write(context.run_dir, found)
    return found


def _check_targets_room(context: StepContext, plan: Plan) -> None:
    for target in plan.targets:
        try:
            with closing(context.connect_admin(target.connection)) as admin:
                space = target_space(admin)
        except psycopg.Error as error:
            what = f"The target '{target.connection}' could not be looked at."
            raise database_failure(what, error) from None
        check_target_room(plan, target.connection, space)


def summary_of(plan: Plan) -> PlanSummary:
    """Counts of a plan."""
    return PlanSummary(
        tables=len(plan.tables),
        columns=sum(len(table.columns) for table in plan.tables),
        masked_columns=sum(len(table.masked_columns) for table in plan.tables),
        shards=len(plan.shards),
        rows=plan.estimated_rows,
        bytes=sum(table.bytes for table in plan.tables),
        not_carried=len(plan.not_carried),
        epoch=plan.epoch,
        warnings=list(plan.warnings),
        fallbacks=list(plan.fallbacks),
    )


def _check_targets(
    context: StepContext, source: Connection[TupleRow], catalog: Catalog, selected: Collection[TableKey]
) -> list[TargetCheck]:
    """Look at every delivery's target; one WrongRequestError for all that are wrong."""
    checks: list[TargetCheck] = []
    wrong: list[ApplianceError] = []
    for number in context.spec.workflow.built:
        try:
            checks.append(_check_target(context, number, source, catalog, selected))
        except WrongRequestError as error:
            wrong.append(error)
    if wrong:
        raise WrongRequestError.of(Explanation.joined([error.explanation for error in wrong]))
    return checks


def _check_target(
    context: StepContext,
    number: int,
    source: Connection[TupleRow],
    catalog: Catalog,
    selected: Collection[TableKey],
) -> TargetCheck:
    connection = context.spec.workflow.built[number]
    twin = context.twin_name(connection)
    try:
        with closing(context.connect_admin(connection)) as admin:
            if (
                number in context.spec.workflow.twins
                and twin == catalog.database
                and _system_identifier(admin) == _system_identifier(source)
            ):
                raise WrongRequestError(
                    f"The connection '{connection}' is the source itself: '{twin}' on the same server.",
                    "The twin would replace the database it is a copy of.",
                    f"Give {connection} another dbname or host in connections.yaml.",
                )
            return check_target(
                admin,
                source,
                lambda database: context.connect_target(connection, database),
                delivery=number,
                connection=connection,
                twin=twin,
                catalog=catalog,
                selected=selected,
                powerful_role=connection in context.spec.policy.powerful_roles,
                leave_out=context.spec.workflow.leave_out,
                golden=number in context.spec.workflow.twins
                and context.spec.workflow.twins[number].golden is True,
                scratch_of=context.spec.workflow.id if number in context.spec.workflow.scratch else None,
                owners=Owners(context.spec.workflow.id, context.spec.workflow.replaces),
            )
    except psycopg.Error as error:
        raise database_failure(f"The target '{connection}' could not be looked at.", error) from None


def _system_identifier(connection: Connection[TupleRow]) -> object:
    row = connection.execute(_SYSTEM_IDENTIFIER).fetchone()
    return row[0] if row else None
