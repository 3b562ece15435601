"""A preview as people and as programs read it."""

from __future__ import annotations

from collections.abc import Sequence

import typer
from pydantic import JsonValue

from appliance.cli.terminal.output import counted, print_table
from appliance.documents.problems import printable
from appliance.steps.local.preview import Cell, TablePreview
from appliance.workflow.matching.patterns import literal_pattern


def print_preview(tables: Sequence[TablePreview], *, originals: bool) -> None:
    """Row by row: each column with its mask, what the source holds, and what the twin would."""
    for table in tables:
        typer.echo(f"{_name(table)}: {counted(len(table.rows), 'row')}")
        if table.why_not:
            typer.echo(f"  Not shown: {table.why_not}.")
        for row in table.rows:
            _print_row(table, row, originals=originals)
        if table.kept and not originals:
            typer.echo(f"  Kept as they are: {', '.join(map(printable, table.kept))}")
        if table.undecided:
            names = ", ".join(map(printable, table.undecided))
            typer.echo(f"  Not decided, and not looked at; a run would stop: {names}")
        typer.echo("")
    if not tables:
        typer.echo("The workflow masks no column.")
    elif not originals:
        typer.echo("Of the originals only the shape has left the source: a for letters, 9 for digits.")


def preview_json(tables: Sequence[TablePreview]) -> dict[str, JsonValue]:
    """The same for programs; an original is never in it."""
    return {
        "tables": [
            {
                "schema": table.schema_name,
                "table": table.name,
                "masks": dict(table.masks),
                "kept": list(table.kept),
                "undecided": list(table.undecided),
                "why_not": table.why_not or None,
                "rows": [
                    {
                        name: {"shape": cell.shape, "twin": cell.twin}
                        if name in table.masks
                        else {"shape": cell.shape}
                        for name, cell in row.items()
                    }
                    for row in table.rows
                ],
            }
            for table in tables
        ]
    }


def _print_row(table: TablePreview, row: dict[str, Cell], *, originals: bool) -> None:
    columns = ["column", "mask", "original" if originals else "shape of the original", "twin"]
    lines = []
    for name, cell in row.items():
        mask = table.masks.get(name)
        if mask is None and not originals:
            continue
        first = cell.original if originals else cell.shape
        second = _shown(cell.twin) if mask is not None else "as it is"
        lines.append([printable(name), mask or "kept", _shown(first), second])
    print_table(columns, lines)
    if lines:
        typer.echo("")


def _shown(text: str | None) -> str:
    if text is None:
        return "NULL"
    return printable(text) if text else "''"


def _name(table: TablePreview) -> str:
    return printable(literal_pattern(table.schema_name, table.name))
