"""Decide everything about a run before a row is read. Whatever is wrong is found here, all of it at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.documents.problems import Places, Problem, WrongDocumentError
from appliance.errors import RefusedError, WrongRequestError
from appliance.masking.suggesting.uncovered import UncoveredColumns, refusal, uncovered_columns
from appliance.policy.policy import Origin, Policy, Refusal, check_workflow, notices
from appliance.postgres.copying import ledger
from appliance.postgres.copying.left_out import left_out_query
from appliance.postgres.plan import (
    NO_SETTINGS,
    DefinitionSettings,
    Plan,
    Snapshot,
)
from appliance.postgres.planning.check_trials import check_problems, without_left_out
from appliance.postgres.planning.columns import CompiledTables, compile_tables
from appliance.postgres.planning.linked_notes import linked_notes
from appliance.postgres.planning.own_values import check_own_values
from appliance.postgres.planning.planned import (
    bindings_of,
    left_out_tables,
    looked_into,
    planned_table,
    shards_of,
    source_facts,
    with_rows,
    without_erased,
)
from appliance.postgres.planning.problems import (
    filter_problems,
    filter_warnings,
    quasi_problems,
    reading_role,
    refused_conditions,
    refused_filters,
    refused_selects,
    unlogged_tables,
    unreadable_tables,
    without_xml,
    wrong_constants,
)
from appliance.postgres.planning.reader_checks import check_reader
from appliance.postgres.planning.reading_path import settle_reading
from appliance.postgres.planning.row_condition_sql import apart
from appliance.postgres.planning.row_filters import RowConditions, row_conditions
from appliance.postgres.planning.warnings import (
    free_sql_warnings,
    kept_notes,
    long_row_warnings,
    source_warnings,
)
from appliance.postgres.proof import evidence
from appliance.postgres.sessions.bindings import check_room
from appliance.postgres.twin.target.checks import TargetCheck
from appliance.postgres.twin.target.without_xml import check_xml
from appliance.subjects.erased import ERASED_KEY, Erased, erased_rows
from appliance.workflow.catalog import Catalog
from appliance.workflow.conditions.alternatives import judged_patterns
from appliance.workflow.document import Workflow
from appliance.workflow.drift import NO_DRIFT, Drift
from appliance.workflow.matching.rules import Matching, match_rules, without_uncovered

TableKey = tuple[str, str]
CheckTargets = Callable[[Collection[TableKey]], Sequence[TargetCheck]]
"""Looks at every target for the tables that are copied; WrongRequestError for one that cannot take a twin."""

_LONGEST_CONDITION = 1 << 20
"""Row filters that reach a table by very many paths would make a statement that no server plans in time."""


@dataclass(frozen=True)
class PlanRequest:
    """What a plan is made from."""

    run_id: str
    workflow: Workflow
    policy: Policy
    origin: Origin
    places: Places
    catalog: Catalog
    snapshot: Snapshot
    key_name: str
    epoch: int
    approved: tuple[str, ...] = ()
    """What the owner lets the cloud keep of the source, besides what policy does."""
    settings: DefinitionSettings = NO_SETTINGS
    """What sessions on the source have set."""
    erased: tuple[Erased, ...] = ()
    """Whom the run leaves out."""
    drift: Drift = NO_DRIFT
    """What has changed since the last run."""
    preview: bool = False
    """Columns that nothing covers are left out instead of stopping the plan, for nothing is copied by it."""
    note_uncovered: Callable[[UncoveredColumns], None] = lambda _: None
    """Is given the columns that nothing covers, if there are any."""


@dataclass
class _Findings:
    """All that is wrong so far."""

    problems: list[Problem] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    fixes: list[str] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    uncovered: RefusedError | None = None

    @property
    def stops(self) -> bool:
        """Whether the run ends here, whatever else is found."""
        return bool(self.problems or self.lines or self.refusals or self.uncovered)

    def stop(self) -> None:
        """Raise one error with everything, if there is anything."""
        refused = [f"{refusal.what} (policy rule {refusal.rule})" for refusal in self.refusals]
        texts = [problem.text() for problem in WrongDocumentError(self.problems).problems[:100]] + self.lines
        if texts:
            uncovered = [self.uncovered.what, self.uncovered.why] if self.uncovered else []
            fixes = self.fixes or ["correct what is listed above, and run it again."]
            raise WrongRequestError(
                "\n".join([*texts, *refused, *uncovered]), "No row has been read.", "\n".join(fixes)
            )
        if refused:
            more = [self.uncovered.what, self.uncovered.why] if self.uncovered else []
            raise RefusedError(
                "\n".join(refused + more),
                "The policy of this appliance belongs to its owner, and no workflow can change it.",
                "Change the workflow, or ask the owner of policy.yaml.",
                rule=self.refusals[0].rule,
            )
        if self.uncovered is not None:
            raise self.uncovered


def make_plan(
    request: PlanRequest,
    source: Connection[TupleRow],
    check_targets: CheckTargets,
    look_at_kept: Callable[[Matching], Sequence[str]],
) -> Plan:
    """The plan, made in the run's snapshot that ``source`` has imported.

    Raises WrongRequestError with all that must be corrected, or else RefusedError where policy or an
    uncovered column forbids the run. psycopg errors of the source pass.
    """
    workflow = request.workflow
    catalog = without_left_out(request.catalog, workflow.leave_out)
    if lacking := workflow.missing_presets:
        # Without its rules, what they mask might be kept by others.
        raise WrongRequestError(
            f"The rules of the preset {lacking[0]} are not known.",
            "The document was read without the place where presets lie.",
            "appliance preset list",
        )
    matching = match_rules(workflow, catalog, request.places)
    if request.preview:
        matching = without_uncovered(matching)
    judged = judged_patterns(workflow, local=request.origin == "local")
    compiled = compile_tables(
        matching.tables, request.places, catalog.encoding, matching.references, judged=judged
    )
    findings = _examine(request, matching, compiled, source)
    if not findings.stops:
        # A sample of what policy forbids is not taken, not even to count it.
        held, said = kept_notes(request.policy, request.origin, look_at_kept(matching))
        findings.refusals, findings.warnings = findings.refusals + held, findings.warnings + said
    checks: Sequence[TargetCheck] = ()
    try:
        checks = check_targets(with_rows(matching))
    except WrongRequestError as error:
        findings.lines += [error.what, error.why]
        findings.fixes.append(error.next_step)
    findings.stop()
    conditions = row_conditions(matching.tables, catalog.tables, request.snapshot.taken_at)
    _check_conditions(conditions)
    free = apart(matching.tables)
    about_erased = erased_rows(request.erased, catalog.tables)
    tables = tuple(
        without_erased(
            planned_table(each, compiled, conditions.where.get(each.table.all_names[0]), free), about_erased
        )
        for each in matching.tables
        if each.table.kind != "partitioned"
    )
    check_own_values(tables)
    reading = settle_reading(
        source,
        tables,
        request.settings,
        trust_owners=request.policy.foreign_functions != "refuse",
        whole=frozenset(each.all_names[0] for each in catalog.tables if each.ctid_readable),
    )
    tables = reading.tables
    if reading.refused:
        raise WrongRequestError(
            "\n".join(reading.refused), "No row has been read.", "As above, in the source."
        )
    if unread := without_xml(source, tables):
        raise WrongRequestError(
            "\n".join(unread), "No row has been read.", "Give these columns another mask, and run it again."
        )
    check_xml(source, tables, checks)
    refused = refused_selects(source, tables)
    if refused:
        _Findings(problems=wrong_constants(source, tables, request.places)).stop()
        raise WrongRequestError(
            "\n".join(refused), "No row has been read.", "Report this: a mask made SQL that is wrong."
        )
    broken = check_problems(source, matching.tables, tables, request.places, catalog.encoding)
    _Findings(problems=broken).stop()
    targets = tuple(check.facts for check in checks)
    plan = Plan(
        run_id=request.run_id,
        workflow_id=workflow.id,
        created_at=datetime.now(UTC),
        source=source_facts(workflow.source, catalog, request.settings),
        targets=targets,
        tables=tables,
        shards=shards_of(workflow, catalog, tables, len(targets)),
        parallel=workflow.limits.parallel,
        key_name=request.key_name,
        epoch=request.epoch,
        bindings=bindings_of(tables),
        left_out_sql=left_out_query(matching.tables, catalog.tables, request.snapshot.taken_at, tables),
        left_out=left_out_tables(matching, catalog),
        not_carried=tuple(
            dict.fromkeys([*catalog.not_carried, *(item for check in checks for item in check.not_carried)])
        ),
        warnings=(
            *findings.warnings,
            *matching.notices,
            *compiled.warnings,
            *filter_warnings(matching.tables),
            *source_warnings(catalog, tables),
            *linked_notes(tuple(workflow.subjects), matching.tables, tables, catalog.encoding),
            *long_row_warnings(tables, workflow.limits.memory_mb),
            *notices(request.policy, catalog),
            *free_sql_warnings(tables),
            *(text for check in checks for text in check.warnings),
        ),
        fallbacks=tuple(text for check in checks for text in check.fallbacks),
        drift=request.drift,
    )
    known = [ERASED_KEY] if request.erased else []
    check_room((*plan.bindings, *evidence.bindings(plan), *known))
    return plan


def _examine(
    request: PlanRequest, matching: Matching, compiled: CompiledTables, source: Connection[TupleRow]
) -> _Findings:
    workflow, places = request.workflow, request.places
    findings = _Findings(problems=[*matching.problems, *compiled.problems])
    read = [*(each.table for each in matching.tables), *looked_into(matching, request.catalog)]
    reader = check_reader(source, request.policy, workflow.source, read)
    findings.lines += reader.lines
    findings.fixes += reader.fixes
    findings.warnings += reader.warnings
    findings.problems += quasi_problems(workflow, matching.tables, places)
    malformed = filter_problems(workflow, places)
    findings.problems += malformed
    if not malformed:
        findings.problems += refused_filters(source, matching.tables, workflow, places)
    findings.problems += refused_conditions(source, matching.tables, places)
    findings.lines += unreadable_tables(matching.tables, reading_role(source))
    if any(table.schema_name == ledger.SCHEMA for table in request.catalog.tables):
        findings.lines.append(
            f"The source has a schema '{ledger.SCHEMA}', and the appliance makes one of that name in the twin"
            " while it is built. Rename the source's."
        )
    if request.snapshot.in_recovery:
        findings.lines += unlogged_tables(matching.tables)
    findings.refusals += check_workflow(
        request.policy,
        workflow,
        matching,
        origin=request.origin,
        catalog=request.catalog,
        approved=request.approved,
    )
    findings.uncovered = refusal(matching, workflow.id, request.catalog.encoding)
    if findings.uncovered is not None:
        request.note_uncovered(uncovered_columns(matching, request.catalog.encoding))
    return findings


def _check_conditions(conditions: RowConditions) -> None:
    where, cycle = conditions.where, conditions.cycle
    if conditions.unfollowed:
        raise WrongRequestError(
            "\n".join(conditions.unfollowed),
            "A row that refers to one that is left out is left out too. To find it, the reader would run what"
            " another role may change, or compare otherwise than the constraint does.",
            "Filter no table under rows that these keys lead to, or leave out the tables that have the keys"
            " under tables.exclude.",
        )
    if cycle:
        raise WrongRequestError(
            f"Rows are filtered around a circle of foreign keys: {' → '.join(cycle)}.",
            "Which rows to copy would depend on itself.",
            "Filter none of these tables under rows, or leave one of them out under tables.exclude.",
        )
    longest = max(where, key=lambda name: len(where[name]), default=None)
    if longest is not None and len(where[longest]) > _LONGEST_CONDITION:
        raise WrongRequestError(
            f"Row filters reach the table {'.'.join(longest)} through too many foreign keys.",
            "Each way is a part of the condition, and it became too long.",
            "Filter fewer tables under rows, or leave some out under tables.exclude.",
        )
