"""What a scan has found, as people and as programs read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import typer
from pydantic import JsonValue

from appliance.cli.terminal.output import counted, print_table
from appliance.discovery.findings import Finding, Scan, Verdict
from appliance.documents.problems import printable
from appliance.masking.suggesting.kinds import SPOKEN
from appliance.workflow.matching.patterns import literal_pattern

_WORDS: tuple[Verdict, ...] = ("personal", "undetermined", "not personal")


def scan_json(scan: Scan, new: Sequence[str] | None) -> dict[str, JsonValue]:
    """All of it, with the columns that are new since the last scan."""
    said: dict[str, JsonValue] = scan.model_dump(mode="json")
    said["new"] = None if new is None else list(new)
    return said


def print_scan(scan: Scan, new: Sequence[str] | None) -> None:
    """The personal and the undetermined columns one by one, the others counted."""
    counts = Counter(finding.verdict for finding in scan.findings)
    for verdict in _WORDS[:2]:
        rows = [_row(finding) for finding in scan.findings if finding.verdict == verdict]
        if rows:
            typer.echo(f"{verdict.capitalize()}: {counted(len(rows), 'column')}")
            print_table(("column", "type", "what", "sure", "evidence"), rows)
            typer.echo("")
    numbers = ", ".join(f"{counts[verdict]:,} {verdict}" for verdict in _WORDS)
    typer.echo(f"{counted(scan.tables, 'table')}, {counted(len(scan.findings), 'column')}: {numbers}.")
    typer.echo(
        f"{counted(scan.rows, 'row')} of the sample {scan.seed} looked at; no value has left the server."
    )
    for missed in scan.not_looked_at:
        name = literal_pattern(missed.schema_name, missed.table_name)
        typer.echo(f"Not looked at: {printable(name)}: {missed.why}.")
    if new:
        typer.echo(f"New or changed since the last scan: {', '.join(printable(each) for each in new)}.")


def _row(finding: Finding) -> tuple[str, str, str, str, str]:
    what = SPOKEN[finding.kind] if finding.kind is not None else ""
    sure = f"{finding.score:.2f}" if finding.verdict == "personal" else ""
    name = printable(literal_pattern(*finding.place))
    return name, printable(finding.type), what, sure, printable("; ".join(finding.evidence))
