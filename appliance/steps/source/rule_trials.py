"""Checks that ``plan`` could not try, tried in the empty twin on rows that the source masks for it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.documents.problems import Problem, WrongDocumentError
from appliance.errors import WrongRequestError
from appliance.masking.compiled import CompiledColumn
from appliance.postgres.building.rules.late_rule import LateRule
from appliance.postgres.building.rules.rule_trials import Tried, try_rule
from appliance.postgres.errors import database_failure
from appliance.postgres.plan import DefinitionSettings, Plan, PlannedTable, TargetFacts
from appliance.postgres.planning.check_trials import OTHERS_NAMED
from appliance.postgres.planning.masked_rows import Row, masked_rows, may_be_sampled, other_masks
from appliance.postgres.source.catalog_reader import read_catalog
from appliance.postgres.source.lock_watch import LockWatch
from appliance.steps.calling.context import StepContext
from appliance.steps.source import trial_deadline
from appliance.steps.source.reading import read_source
from appliance.steps.source.trial_deadline import TrialDeadline
from appliance.workflow.catalog import Catalog
from appliance.workflow.matching.decisions import mask_path


def try_late_rules(
    context: StepContext,
    plan: Plan,
    target: TargetFacts,
    rules: Sequence[LateRule],
    settings: DefinitionSettings,
) -> list[str]:
    """Sentences about those that nothing decides before the load. Raises our errors, for all that are broken.

    The source masks in one session, and the twin, whose functions are the owner's, answers in another.
    """
    if not rules:
        return []
    with LockWatch(context.connect_source, context.spec.workflow.limits.yield_s) as watch:
        return read_source(
            context,
            watch,
            "rows for the checks",
            lambda source: _Trials(context, plan, target, settings, source).all_of(rules),
        )


class _Trials:
    """One target's."""

    def __init__(
        self,
        context: StepContext,
        plan: Plan,
        target: TargetFacts,
        settings: DefinitionSettings,
        source: Connection[TupleRow],
    ) -> None:
        self._context, self._plan, self._target = context, plan, target
        self._settings, self._source = settings, source
        self._catalog: Catalog | None = None

    def all_of(self, rules: Sequence[LateRule]) -> list[str]:
        """Sentences; raises WrongRequestError with every rule that is broken."""
        notes: list[str] = []
        broken: dict[Problem, None] = {}
        refused: set[tuple[int, str]] = set()
        # Those of types come first: a row that a type does not take can be held against nothing else.
        for rule in sorted(rules, key=lambda each: not each.of_type):
            if any((rule.table, name) in refused for name in rule.columns):
                continue
            table = self._plan.tables[rule.table]
            tried = self._tried(rule, {})
            if tried.undecided:
                notes.append(_undecided(rule, table, tried))
            elif tried.broken:
                broken[self._problem(rule, table, tried)] = None
                if rule.of_type:
                    refused.add((rule.table, rule.columns[0]))
        if broken:
            texts = [each.text() for each in WrongDocumentError(list(broken)).problems[:100]]
            raise WrongRequestError(
                "\n".join(texts), "No row has been copied.", "correct what is listed above, and run it again."
            )
        return notes

    def _tried(self, rule: LateRule, instead: dict[str, CompiledColumn]) -> Tried:
        table = self._plan.tables[rule.table]
        if rule.whole_row:
            return Tried(0, undecided="it looks at the row as a whole")
        columns = {each.name: each for each in table.columns} | instead
        if not all(name in columns for name in rule.columns):
            return Tried(0, undecided="it looks at more than columns")
        if not may_be_sampled(table):
            return Tried(0, undecided="no rows of the table are looked at before they are copied")
        rows = self._rows(table, [columns[name] for name in rule.columns])
        if isinstance(rows, str):
            return Tried(0, undecided=f"no masked rows could be read for it (SQLSTATE {rows})")
        settings = self._settings.of(table.schema_name, table.name)
        # A session for each: what the owner's code leaves in one meets nothing of another.
        with (
            closing(self._connect()) as twin,
            TrialDeadline(twin, self._connect, trial_deadline.SECONDS) as deadline,
        ):
            try:
                return try_rule(twin, rule, rows, settings)
            except psycopg.Error as error:
                if deadline.passed:
                    return Tried(0, undecided="it takes too long, and goes on when it is cancelled")
                raise database_failure("The twin's checks could not be tried.", error) from None

    def _connect(self) -> Connection[TupleRow]:
        return self._context.connect_target(self._target.connection, self._target.next_database)

    def _rows(self, table: PlannedTable, columns: Sequence[CompiledColumn]) -> list[Row] | str:
        try:
            return masked_rows(self._source, table, columns)
        except UnicodeDecodeError:
            return "22021"
        except psycopg.Error as error:
            if self._source.closed:
                raise
            return error.sqlstate or "XX000"

    def _problem(self, rule: LateRule, table: PlannedTable, tried: Tried) -> Problem:
        touched = [each for each in table.masked_columns if each.name in rule.columns]
        fails = f"; it fails with SQLSTATE {tried.failed_with}" if tried.failed_with else ""
        what = (
            f"{table.qualified}.{touched[0].name}: {tried.broken:,} of {tried.rows:,} rows that were tried"
            f" would {_breaking(rule)}, masked with"
            f" {' and '.join(each.mask or '' for each in touched)}{fails}"
        )
        fitting = self._others(rule, table, touched)
        ways = [f"{', '.join(fitting)}: none of these rows breaks it then"] if fitting else []
        ways.append("keep")
        if rule.kind == "check":
            ways.append(f'leave_out: ["check {rule.names[0]} on {(table.root or table).qualified}"]')
        path = mask_path(touched[0].rule, touched[0].preset)
        return self._context.spec.places.problem(path, what, ", or ".join(ways))

    def _others(self, rule: LateRule, table: PlannedTable, touched: Sequence[CompiledColumn]) -> list[str]:
        """Masks, as they are without parameters, with which no row breaks the rule."""
        if len(touched) != 1:
            return []
        if self._catalog is None:
            self._catalog = read_catalog(self._source, lambda _: ())
        known = next(
            each
            for each in self._catalog.tables
            if (each.schema_name, each.name) == (table.schema_name, table.name)
        )
        column = next(each for each in known.columns if each.name == touched[0].name)
        found: list[str] = []
        masks = other_masks(known, column, touched[0].mask, self._plan.source.encoding)
        for name, compiled in masks:
            tried = self._tried(rule, {column.name: compiled})
            if tried.rows and not tried.broken and not tried.undecided:
                found.append(name)
            if len(found) == OTHERS_NAMED:
                break
        return found


def _breaking(rule: LateRule) -> str:
    names = ", ".join(rule.names)
    if rule.kind == "type":
        return f"break the CHECK of its type, {names} {rule.expression}"
    if rule.kind == "generated":
        return f"have no value for the generated column {names}, which is computed from it"
    if rule.kind == "partitions":
        return f"fit no partition of {names}"
    return f"break the CHECK constraint {names} {rule.expression}"


def _undecided(rule: LateRule, table: PlannedTable, tried: Tried) -> str:
    name = rule.names[0]
    if rule.kind == "type":
        thing = f"The CHECK of the type of {table.qualified}.{rule.columns[0]}, {', '.join(rule.names)},"
    elif rule.kind == "generated":
        thing = f"Whether the generated column {name} of {table.qualified} has a value for each row"
    elif rule.kind == "partitions":
        thing = f"Whether a partition of {name} takes each row"
    else:
        thing = f"The CHECK constraint {name} of {table.qualified}"
    when = "when they are loaded" if rule.kind == "check" else "while they are loaded"
    return (
        f"{thing} is not decided before the load: {tried.undecided}. All rows are held against it {when}; if"
        " one breaks it the run fails, and the twin stays as it was."
    )
