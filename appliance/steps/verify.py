"""``verify``: prove that the finished twin is complete and masked, before anyone can see it."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from typing import TypedDict

import psycopg
from pydantic import BaseModel

from appliance.errors import RefusedError, WorkFailedForGoodError
from appliance.killed_runs import mark_removed
from appliance.policy.policy import refuses_kept
from appliance.postgres.building.as_in_source import names_as_in_source
from appliance.postgres.copying.erased import erased
from appliance.postgres.copying.ledger import arrived
from appliance.postgres.copying.left_out import LeftOut, counted, together
from appliance.postgres.errors import database_failure
from appliance.postgres.plan import CopyItem, DefinitionSettings, Plan, TargetFacts
from appliance.postgres.proof import evidence
from appliance.postgres.proof.kept import SaidTable
from appliance.postgres.proof.parts import Loaded, loads
from appliance.postgres.proof.results import TableProof, TwinProof, VerifiedTwins
from appliance.postgres.proof.small_relations import TOGETHER, Expected, is_small, prove_together
from appliance.postgres.proof.verification import (
    SESSION,
    copying_faults,
    prove,
    unchecked_constraints,
)
from appliance.postgres.sessions.kept_sessions import KeptSessions
from appliance.postgres.sessions.parallel_jobs import Job, Session, run_jobs
from appliance.postgres.twin.after_load import AfterLoadRecord
from appliance.postgres.twin.found_names import with_names
from appliance.steps.after_load import mending, with_after_load
from appliance.steps.calling.context import StepContext
from appliance.steps.kept.in_twin import look_at_kept
from appliance.steps.kept.said import MOST_TABLES, found_lines, said_tables
from appliance.steps.records.run_files import VERIFIED, finished_of, schema_of, settings_of

_SHOWN_FAULTS = 50


class VerifyResult(BaseModel):
    """What was proven, on all targets together."""

    tables: int
    rows: int
    masked_columns: int
    values_compared: int
    values_equal: int
    """Values of the twin that are what the mask gave for their row."""
    left_out: int = 0
    """Rows of the source that filters, and the keys behind them, leave out: counted there, apart."""
    erased: int = 0
    """Rows that are not copied because they are about erased subjects: counted on the source."""
    kept_columns: int = 0
    kept_looked_at: int = 0
    """Kept columns whose values were looked at in the twin."""
    kept_rows: int = 0
    """Rows of the twin in which they were, the tables together."""
    kept_found: int = 0
    """Kept columns in which something was found, and which were delivered all the same."""
    kept_found_in: tuple[str, ...] = ()
    """Their tables, at most fifty."""
    said: tuple[SaidTable, ...] = ()
    """Table by table, by names; of very many the first ones."""
    after_load: tuple[AfterLoadRecord, ...] = ()
    """What the workflow's own SQL has changed since, target by target."""
    notes: tuple[str, ...] = ()
    seconds: float


def run(context: StepContext) -> VerifyResult:
    """Verify every target. Raises WorkFailedError with every fault, in names and numbers."""
    began = time.monotonic()
    plan = context.plan()
    proofs, missing = _proofs(context, plan)
    tables = [table for proof in proofs for table in proof.tables]
    faults = [fault for table in tables for fault in table.faults] + missing
    if not faults:
        proofs = with_after_load(context, plan, proofs)
    # What the workflow's own SQL has written is looked at too.
    proofs = _with_kept(context, plan, proofs)
    for number, target in enumerate(plan.targets):
        faults += _unchecked(context, number, target)
    found, judged = found_lines(look for proof in proofs for look in proof.kept)
    halts = refuses_kept(context.spec.policy, context.spec.origin)
    if halts and found and not faults:
        raise _kept_personal(found)
    faults += found if halts else []
    if faults:
        shown = "\n".join(f"  {fault}" for fault in faults[:_SHOWN_FAULTS])
        raise WorkFailedForGoodError(
            "Verification failed, so the twin was not replaced.",
            f"{shown}\n  and {len(faults) - _SHOWN_FAULTS} more" if len(faults) > _SHOWN_FAULTS else shown,
            mending(after_load=any(proof.after_load is not None for proof in proofs)),
        )
    for line in found:
        context.notice(f"{line}. Mask it, or say why it is kept: {{column: …, because: …}}")
    for line in judged:
        context.notice(f"{line}. The workflow says why.")
    columns = [(table.table, column) for table in tables for column in table.columns]
    notes = dict.fromkeys(
        f"{table}.{column.column}: {column.note}" for table, column in columns if column.note
    )
    filtered = [(table.table, table.left_out) for table in tables if table.left_out is not None]
    return VerifyResult(
        tables=len(tables),
        rows=sum(table.rows for table in tables),
        masked_columns=sum(len(table.masked_columns) for table in plan.tables),
        values_compared=sum(column.compared for _, column in columns),
        values_equal=sum(table.equal for table in tables),
        left_out=sum(left.by_filter + left.by_key for _, left in filtered),
        erased=sum(left.erased for _, left in filtered),
        **_kept_counts(proofs),
        said=said_tables(plan, proofs)[:MOST_TABLES],
        after_load=tuple(proof.after_load for proof in proofs if proof.after_load is not None),
        notes=(*notes, *(f"{table}: {left.text}" for table, left in filtered if left.total)),
        seconds=round(time.monotonic() - began, 3),
    )


def _with_kept(context: StepContext, plan: Plan, proofs: tuple[TwinProof, ...]) -> tuple[TwinProof, ...]:
    """The proofs, with what is seen in the kept columns; written down together."""
    looked = []
    for number, proof in enumerate(proofs):
        kept = look_at_kept(context, plan, number, proof.rows)
        looked.append(proof.model_copy(update={"kept": kept}))
    VERIFIED.write(context.run_dir, VerifiedTwins(twins=tuple(looked)))
    return tuple(looked)


def _kept_personal(lines: list[str]) -> RefusedError:
    more = len(lines) - _SHOWN_FAULTS
    shown = lines[:_SHOWN_FAULTS] + ([f"and {more} more"] if more > 0 else [])
    return RefusedError(
        "\n".join(["What is kept looks personal, so the twin was not replaced.", *shown]),
        "The policy halts a run that keeps such values (kept_looks_personal). No reader has seen the copy.",
        "Mask these columns, or say why one is kept: {column: …, because: …}. What a scan"
        " says of them: appliance scan CONNECTION --tables PATTERN",
        rule="kept_looks_personal",
    )


class _KeptCounts(TypedDict):
    kept_columns: int
    kept_looked_at: int
    kept_rows: int
    kept_found: int
    kept_found_in: tuple[str, ...]


def _kept_counts(proofs: tuple[TwinProof, ...]) -> _KeptCounts:
    looks = [look for proof in proofs[:1] for look in proof.kept]
    columns = {(look.table, column.column): column for look in looks for column in look.columns}
    found = [table for (table, _), column in columns.items() if column.found]
    return {
        "kept_columns": len(columns),
        "kept_looked_at": sum(column.not_looked_at is None for column in columns.values()),
        "kept_rows": sum(look.rows for look in looks),
        "kept_found": len(found),
        "kept_found_in": tuple(dict.fromkeys(found))[:_SHOWN_FAULTS],
    }


def _proofs(context: StepContext, plan: Plan) -> tuple[tuple[TwinProof, ...], list[str]]:
    """What came of every twin, and what has not arrived. The evidence has served then, and is removed.

    It goes when the proofs are written down: an attempt that finds them, and the evidence gone, was made
    after one that had come so far.
    """
    with contextlib.ExitStack() as open_sessions:
        every = [
            open_sessions.enter_context(KeptSessions(partial(_session, context, plan, number)))
            for number in range(len(plan.targets))
        ]
        return _proofs_in(context, plan, every)


def _proofs_in(
    context: StepContext, plan: Plan, every: Sequence[KeptSessions]
) -> tuple[tuple[TwinProof, ...], list[str]]:
    there, missing = True, []
    for number, sessions in enumerate(every):
        with sessions.session() as session:
            try:
                there = there and evidence.is_there(session)
                missing += copying_faults(plan, _items(plan, number), set(arrived(session)))
                if plan.left_out_sql is not None and not counted(session):
                    missing.append("what the filters leave out was not counted on the source")
            except psycopg.Error as error:
                raise database_failure("The ledger of the copied rows could not be read.", error) from None
    if there or not VERIFIED.is_in(context.run_dir):
        twins = [
            TwinProof(
                database=target.next_database, tables=tuple(_prove_all(context, plan, number, sessions))
            )
            for number, (target, sessions) in enumerate(zip(plan.targets, every, strict=True))
        ]
        VERIFIED.write(context.run_dir, VerifiedTwins(twins=tuple(twins)))
    for sessions in every:
        with sessions.session() as session:
            try:
                evidence.drop(session)
            except psycopg.Error as error:
                raise database_failure(
                    "The evidence of the verification could not be removed.", error
                ) from None
    mark_removed(context.run_dir)
    return VERIFIED.read(context.run_dir).twins, missing


def _session(context: StepContext, plan: Plan, number: int) -> Session:
    target = plan.targets[number]
    session = context.connect_target(target.connection, target.next_database, keyed=True)
    # Each relation has a session of its own already; workers besides would only build the same hash tables.
    workers = max(0, plan.parallel // max(1, len(loads(plan))) - 1)
    session.execute(f"SET max_parallel_workers_per_gather = {workers}; {SESSION}".encode())
    return session


def _prove_all(context: StepContext, plan: Plan, number: int, sessions: KeptSessions) -> list[TableProof]:
    """What came of each relation of a twin."""
    items = _items(plan, number)
    found: list[TableProof] = []

    relations = loads(plan)
    settings = settings_of(number).read(context.run_dir)
    with sessions.session() as session:
        try:
            evidence.index(session)
            copied = arrived(session)
            left_out = counted(session) if plan.left_out_sql is not None else {}
            gone = erased(session)
        except psycopg.Error as error:
            raise database_failure("The ledger of the copied rows could not be read.", error) from None
    sent: Counter[int] = Counter()
    for item in items:
        sent[item.table] += copied.get(item.key, (0, 0))[0]

    def with_left_out(proof: TableProof, loaded: Loaded) -> TableProof:
        if not (left_out.keys() | gone.keys()) & set(loaded.sources):
            return proof
        # A table without a count is not filtered: all that the server sent, or would have, is all there is.
        counts = [
            left_out.get(source, LeftOut(rows=sent[source] + gone.get(source, 0))).model_copy(
                update={"erased": gone.get(source, 0)}
            )
            for source in loaded.sources
        ]
        return proof.model_copy(update={"left_out": together(counts)})

    def proven(session: Session, some: Sequence[Expected]) -> None:
        proofs = _proofs_of(session, plan, settings, some)
        for each, proof in zip(some, proofs, strict=True):
            found.append(with_left_out(proof, each.loaded))
            context.progress(table=proof.table, rows=proof.rows, rows_expected=proof.rows, done=True)

    def job(some: Sequence[Expected]) -> Job:
        # The largest first, so that the last to finish is a small one.
        rows = sum(each.rows for each in some)
        return Job(some[0].loaded.relation.qualified, lambda session: proven(session, some), (-rows,))

    expected = [Expected(loaded, sum(sent[source] for source in loaded.sources)) for loaded in relations]
    small = [each for each in expected if is_small(plan, each)]
    several = [small[at : at + TOGETHER] for at in range(0, len(small), TOGETHER)]
    alone = [[each] for each in expected if not is_small(plan, each)]
    run_jobs([job(some) for some in (*alone, *several)], sessions.open, plan.parallel, close=sessions.close)
    return sorted(found, key=lambda proof: proof.table)


def _proofs_of(
    session: Session, plan: Plan, settings: DefinitionSettings, some: Sequence[Expected]
) -> list[TableProof]:
    """What came of some relations; where one of them is in the way of the others, one by one."""
    if len(some) > 1:
        try:
            return prove_together(session, plan, some)
        except psycopg.Error as error:
            if session.broken or isinstance(error, psycopg.errors.QueryCanceled):
                raise database_failure("The twin could not be verified.", error) from None
    return [_prove(session, plan, settings, each) for each in some]


def _prove(session: Session, plan: Plan, settings: DefinitionSettings, expected: Expected) -> TableProof:
    relation = expected.loaded.relation
    try:
        path = names_as_in_source(settings.of(relation.schema_name, relation.name))
        return with_names(session, lambda: prove(session, plan, expected.loaded, expected.rows), path)
    except psycopg.Error as error:
        what = "A table of the twin could not be verified."
        raise database_failure(what, error, table=relation.qualified) from None


def _items(plan: Plan, number: int) -> list[CopyItem]:
    """Every piece that was to be copied to a target."""
    return [item for shard in plan.shards if shard.target == number for item in shard.items]


def _unchecked(context: StepContext, number: int, target: TargetFacts) -> list[str]:
    """Constraints that are not validated, unless the source had not either."""
    entries = schema_of(number).read(context.run_dir).entries
    as_in_source = {entry.tag for entry in entries if "NOT VALID" in entry.sql}
    # A key into rows that the workflow leaves out is in the plan, as not carried.
    as_planned = finished_of(number).read(context.run_dir).unchecked
    with closing(context.connect_target(target.connection, target.next_database)) as session:
        try:
            names = unchecked_constraints(session)
        except psycopg.Error as error:
            raise database_failure("The twin's constraints could not be looked at.", error) from None
    return [
        f"constraint {name} was not validated" for name in names if name not in {*as_in_source, *as_planned}
    ]
