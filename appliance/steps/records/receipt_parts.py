"""Parts of a receipt: the document, the subset, the SQL after the load, the look, places in buckets."""

from __future__ import annotations

import json

from appliance.contract.fields import document_digest
from appliance.keys.keys import derived_key
from appliance.postgres.proof.kept import KeptColumnLook
from appliance.postgres.proof.results import TwinProof
from appliance.postgres.twin.after_load import AfterLoadRecord
from appliance.receipts.predicate import (
    AfterLoadFacts,
    BucketFacts,
    KeptLook,
    OriginalsFound,
    Outcome,
    PresetFacts,
    RowFilterFacts,
    TableChanged,
    WorkflowFacts,
)
from appliance.steps.records.run_spec import RunSpec, bucket_folder
from appliance.workflow.document import WHEN
from appliance.workflow.presets.preset import Preset
from appliance.workflow.row_filter import RowFilter


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


def filter_facts(key: bytes, tables: str, rows: RowFilter) -> RowFilterFacts:
    """Which rows a pattern lets through."""
    where = keyed_digest(key, "row condition", rows.where) if rows.where is not None else None
    return RowFilterFacts(tables=tables, last_days=rows.last_days, by=rows.by, where_keyed=where)


def keyed_digest(key: bytes, *parts: str) -> str:
    """Of text that authors write values into: from a plain digest a short value could be guessed."""
    return derived_key(key, "receipts", *parts).hex()


def workflow_facts(key: bytes, spec: RunSpec) -> WorkflowFacts:
    """Which document the run followed. What the dashboard sent is known there: a plain digest."""
    workflow = spec.workflow
    digest = spec.workflow_digest or document_digest(workflow.model_dump(mode="json"))
    own = (
        any(each.where is not None for each in workflow.rows.values())
        or any(mask.mask == WHEN for _, mask in workflow.all_masks)
        or bool(workflow.after_load)
    )
    keyed = own and spec.origin == "local"
    return WorkflowFacts(
        id=workflow.id,
        title=workflow.title,
        digest=keyed_digest(key, "workflow", digest) if keyed else digest,
        digest_keyed=keyed,
        origin=spec.origin,
        presets=tuple(_preset(key, each) for each in workflow.presets),
    )


def _preset(key: bytes, preset: Preset) -> PresetFacts:
    rules = json.dumps(preset.model_dump(mode="json", exclude={"version"}), sort_keys=True)
    number = None if preset.is_of_file or preset.version is None else int(preset.version)
    return PresetFacts(name=preset.name, version=number, digest_keyed=keyed_digest(key, "preset", rules))


def after_load_facts(key: bytes, database: str, record: AfterLoadRecord) -> AfterLoadFacts:
    """What the workflow's own SQL did to one twin."""
    return AfterLoadFacts(
        database=database,
        pieces=record.pieces,
        sql_keyed=keyed_digest(key, "after_load", record.sha256),
        counted=record.counted,
        changes=tuple(TableChanged(**each.model_dump()) for each in record.changes),
        made=record.made,
        dropped=record.dropped,
        constraints_dropped=record.constraints_dropped,
    )


def buckets_of(spec: RunSpec) -> tuple[BucketFacts, ...]:
    """Where the run's files go, whether or not they come there."""
    return tuple(
        BucketFacts(connection=each.connection, folder=bucket_folder(spec, each), formats=each.formats)
        for each in spec.workflow.buckets.values()
    )


def outcome_of(error: BaseException) -> Outcome:
    """What a receipt calls the end of a run with this error."""
    return "cancelled" if isinstance(error, KeyboardInterrupt) else "failed"
