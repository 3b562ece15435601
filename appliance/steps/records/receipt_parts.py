"""Parts of a receipt: the subset, the look at kept columns, places in buckets."""

from __future__ import annotations

import hashlib

from appliance.postgres.proof.kept import KeptColumnLook
from appliance.postgres.proof.results import TwinProof
from appliance.receipts.predicate import BucketFacts, KeptLook, OriginalsFound, Outcome, RowFilterFacts
from appliance.steps.records.run_spec import RunSpec, bucket_folder
from appliance.workflow.document import RowFilter


def looks_of(twin: TwinProof) -> dict[tuple[str, str], KeptLook]:
    """What was seen, by table (partitions under their root) and column."""
    return {(table.table, column.column): _look(column) for table in twin.kept for column in table.columns}


def _look(column: KeptColumnLook) -> KeptLook:
    return KeptLook(
        values=column.values,
        looks_personal=column.looks_personal,
        kind=column.kind,
        compared=column.compared,
        originals=tuple(
            OriginalsFound(masked=each.masked, places=each.found, texts=each.texts)
            for each in column.originals
            if each.found
        ),
        not_looked_at=column.not_looked_at,
        not_compared=column.not_compared,
    )


def filter_facts(tables: str, rows: RowFilter) -> RowFilterFacts:
    """Which rows a pattern lets through."""
    where = hashlib.sha256(rows.where.encode()).hexdigest() if rows.where is not None else None
    return RowFilterFacts(tables=tables, last_days=rows.last_days, by=rows.by, where_sha256=where)


def buckets_of(spec: RunSpec) -> tuple[BucketFacts, ...]:
    """Where the run's files go, whether or not they come there."""
    return tuple(
        BucketFacts(connection=each.connection, folder=bucket_folder(spec, each), formats=each.formats)
        for each in spec.workflow.buckets.values()
    )


def outcome_of(error: BaseException) -> Outcome:
    """What a receipt calls the end of a run with this error."""
    return "cancelled" if isinstance(error, KeyboardInterrupt) else "failed"
