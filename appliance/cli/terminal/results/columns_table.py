"""The columns of a workflow as people and as programs read them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer
from pydantic import JsonValue

from appliance.cli.terminal.output import counted, moment, print_table
from appliance.cli.work.workflows.workflow_columns import ColumnRow
from appliance.discovery.findings import Finding
from appliance.discovery.scanned_columns import ScannedColumns
from appliance.documents.problems import printable
from appliance.masking.suggesting.kinds import SPOKEN
from appliance.workflow.matching.patterns import literal_pattern


def print_columns(
    file: Path, rows: Sequence[ColumnRow], shown: Sequence[ColumnRow], seen: ScannedColumns
) -> None:
    """The rows that pass the filters, then all of them counted."""
    print_table(
        ("table", "column", "type", "finding", "decision", "line"),
        [_cells(row) for row in shown],
        empty="No column passes the filters.",
    )
    undecided, personal = sum(row.undecided for row in rows), sum(row.personal for row in rows)
    typer.echo("")
    typer.echo(
        f"{counted(len(rows), 'column')} of {file}: {undecided:,} undecided, {personal:,} personal by the"
        f" scan of {moment(seen.at)} UTC."
    )


def columns_json(rows: Sequence[ColumnRow], seen: ScannedColumns) -> dict[str, JsonValue]:
    """The same for programs."""
    return {
        "scanned_at": seen.at.isoformat(),
        "columns": [
            {
                "schema": row.schema_name,
                "table": row.table_name,
                "column": row.column,
                "type": row.type,
                "finding": row.finding.model_dump(
                    mode="json", include={"verdict", "kind", "score", "evidence"}
                )
                if row.finding is not None
                else None,
                "outcome": row.outcome,
                "decision": row.decision,
                "line": row.line,
            }
            for row in rows
        ],
    }


def _cells(row: ColumnRow) -> tuple[str, str, str, str, str, str]:
    return (
        printable(literal_pattern(row.schema_name, row.table_name)),
        printable(row.column),
        printable(row.type),
        printable(_found(row.finding)),
        printable(row.decision),
        str(row.line or ""),
    )


def _found(finding: Finding | None) -> str:
    if finding is None:
        return "not scanned"
    what = SPOKEN[finding.kind] if finding.kind is not None else ""
    sure = f" {finding.score:.2f}" if finding.verdict == "personal" else ""
    evidence = f": {'; '.join(finding.evidence)}" if finding.evidence else ""
    return f"{finding.verdict}{f' ({what})' if what else ''}{sure}{evidence}"
