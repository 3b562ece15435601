"""What ``appliance connections check`` checks for, and how it shows what it has found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import typer

from appliance.cli.terminal.findings import print_findings
from appliance.cli.terminal.output import print_json
from appliance.errors import ApplianceError
from appliance.postgres.checks.connection import ConnectionReport
from appliance.settings.settings import Settings
from appliance.system.findings import failed
from appliance.workflow.document import Workflow
from appliance.workflow.loading import load_workflow


def known_workflows(settings: Settings, files: Iterable[Path]) -> list[Workflow]:
    """Those of the files, which must be valid, else all valid ones of the appliance.

    A file of the appliance's own that is wrong is named, and the others are checked for all the same.
    """
    given = [load_workflow(file).workflow for file in files]
    if given:
        return given
    found = []
    for folder in settings.workflow_dirs:
        for path in sorted(folder.glob("[!.]*")):
            if path.suffix not in {".yaml", ".yml", ".json"}:
                continue
            try:
                found.append(load_workflow(path).workflow)
            except ApplianceError as error:
                typer.echo(f"{error.text()}\n", err=True)
    return found


def print_reports(reports: Sequence[ConnectionReport], *, as_json: bool, quiet: bool = False) -> None:
    """Each connection, with the findings and what to do about them; ``quiet``: only what is not well."""
    if as_json:
        print_json(
            {
                "ok": not any(failed(report.findings) for report in reports),
                "connections": [
                    {
                        "name": report.name,
                        "reads": [workflow.id for workflow in report.reads],
                        "writes": [workflow.id for workflow in report.writes],
                        "ok": not failed(report.findings),
                        "findings": [finding.as_json() for finding in report.findings],
                    }
                    for report in reports
                ],
            }
        )
        return
    if not reports:
        typer.echo("There is no connection to check.")
    if quiet:
        reports = [report for report in reports if any(each.state != "ok" for each in report.findings)]
    for number, report in enumerate(reports):
        if number:
            typer.echo("")
        typer.echo(f"{report.name}: {report.uses}")
        print_findings(report.findings, quiet=quiet)
