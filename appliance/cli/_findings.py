"""How findings are printed: one line each, then what to do about those that are not well."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from appliance.findings import Finding

_COLOURS = {"ok": typer.colors.GREEN, "warn": typer.colors.YELLOW, "fail": typer.colors.RED}


def print_findings(findings: Sequence[Finding]) -> None:
    """Plain in a pipe. Statements stand alone on their lines, so that they can be pasted."""
    width = max((len(finding.check) for finding in findings), default=0)
    for finding in findings:
        state = finding.state.ljust(4)
        if sys.stdout.isatty():
            state = typer.style(state, fg=_COLOURS[finding.state])
        typer.echo(f"  {state}  {finding.check.ljust(width)}  {finding.what}")
        if finding.state == "ok":
            continue
        if finding.next_step:
            typer.echo(f"{' ' * (width + 10)}Next: {finding.next_step}")
        for statement in finding.sql:
            typer.echo(f"{' ' * (width + 12)}{statement}")
