"""How findings are printed: one line each, then what to do about those that are not well."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence

import typer

from appliance.system.findings import Finding

_COLOURS = {"ok": typer.colors.GREEN, "warn": typer.colors.YELLOW, "fail": typer.colors.RED}
_NARROWEST = 60


def print_findings(findings: Sequence[Finding], *, quiet: bool = False) -> None:
    """Plain in a pipe, wrapped on a terminal. Statements stay whole on lines of their own, to be pasted.

    ``quiet``: only those that are not well.
    """
    findings = [finding for finding in findings if not quiet or finding.state != "ok"]
    column = max((len(finding.check) for finding in findings), default=0) + 10
    for finding in findings:
        state = finding.state.ljust(4)
        if sys.stdout.isatty():
            state = typer.style(state, fg=_COLOURS[finding.state])
        first, *more = _lines(finding.what, column)
        typer.echo(f"  {state}  {finding.check.ljust(column - 8)}{first}")
        if finding.state != "ok" and finding.next_step:
            more += _lines(finding.explanation.next_line, column)
        if finding.state != "ok":
            more += [f"  {statement}" for statement in finding.sql]
        for line in more:
            typer.echo(f"{' ' * column}{line}")


def _lines(text: str, column: int) -> list[str]:
    if not sys.stdout.isatty():
        return [text]
    width = max(shutil.get_terminal_size().columns, _NARROWEST) - column
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
