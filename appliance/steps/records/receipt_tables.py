"""Parts of a receipt: each table with what was done to its columns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from appliance.masking.compiled import Branch
from appliance.postgres.plan import Plan, PlannedTable
from appliance.postgres.proof.parts import loads
from appliance.postgres.proof.results import TableProof, TwinProof
from appliance.receipts.predicate import AlternativeFacts, KeptColumn, KeptLook, MaskedColumn, TableFacts
from appliance.steps.records.receipt_parts import keyed_digest, looks_of
from appliance.workflow.document import Workflow
from appliance.workflow.mask_spec import KeptBecause


def catalogue_digest(plan: Plan) -> str:
    """Over the tables that were read, and their columns."""
    read = [
        [table.qualified, [[column.name, column.type] for column in table.columns]] for table in plan.tables
    ]
    return hashlib.sha256(json.dumps(sorted(read), ensure_ascii=False).encode()).hexdigest()


def table_facts(key: bytes, workflow: Workflow, plan: Plan, twin: TwinProof | None) -> tuple[TableFacts, ...]:
    """What was done to each table, and what came of proving it, as far as the run came."""
    proofs = {table.table: table for table in twin.tables} if twin is not None else {}
    looks = looks_of(twin) if twin is not None else {}
    because = {each.column: each.because for each in workflow.all_kept if isinstance(each, KeptBecause)}
    facts = []
    for loaded in loads(plan):
        table, proof = plan.tables[loaded.number], proofs.get(loaded.relation.qualified)
        known = TableFacts(table=loaded.relation.qualified)
        if proof is not None:
            known = TableFacts(
                table=proof.table,
                rows_source=proof.source_rows,
                rows_twin=proof.rows,
                gathered=proof.gathered,
                searched=proof.searched,
                left_out=proof.left_out.total if proof.left_out is not None else 0,
            )
        facts.append(
            known.model_copy(
                update={
                    "filtered": any(plan.tables[each].where_sql is not None for each in loaded.sources),
                    "masked": tuple(_masked(key, table, proof, looks)),
                    "kept": tuple(
                        KeptColumn(
                            column=column.name,
                            type=column.type,
                            rule=column.rule,
                            preset=column.preset.name if column.preset else None,
                            because=because.get(column.rule or ""),
                            look=looks.get((_root(table), column.name)),
                        )
                        for column in table.columns
                        if column.mask is None
                    ),
                }
            )
        )
    return tuple(facts)


def _root(table: PlannedTable) -> str:
    return table.root.qualified if table.root is not None else table.qualified


def _masked(
    key: bytes,
    table: PlannedTable,
    proof: TableProof | None,
    looks: Mapping[tuple[str, str], KeptLook],
) -> list[MaskedColumn]:
    found = []
    for column in table.masked_columns:
        # Of a document each path is proven apart: its label follows the column's name.
        parts = [
            each
            for each in (proof.columns if proof is not None else ())
            if each.column == column.name or each.column.startswith(f"{column.name} ")
        ]
        equal = [each.equal for each in parts if each.equal is not None]
        found.append(
            MaskedColumn(
                column=column.name,
                type=column.type,
                mask=column.mask or "",
                options=column.options,
                rule=column.rule,
                preset=column.preset.name if column.preset else None,
                promise=column.proof,
                keeps_distinct=column.preserves_distinct,
                compared=sum(each.compared for each in parts) if parts else None,
                equal=sum(equal) if equal else None,
                outside=sum(each.outside for each in parts) if parts else None,
                follows=column.follows,
                subjects=column.subjects,
                alternatives=tuple(_alternative(key, each) for each in column.branches),
                look=looks.get((_root(table), column.name)),
            )
        )
    return found


def _alternative(key: bytes, branch: Branch) -> AlternativeFacts:
    when = keyed_digest(key, "mask condition", branch.when) if branch.when is not None else None
    return AlternativeFacts(mask=branch.mask, options=branch.options, when_keyed=when)
