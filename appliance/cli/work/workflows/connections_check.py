"""What ``appliance connections check`` checks for, and how it shows what it has found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import typer

from appliance.buckets.checking import check_bucket
from appliance.cli.terminal.findings import print_findings
from appliance.cli.terminal.output import print_json
from appliance.connections.file import PLACEHOLDER, Connections, unchanged_keys
from appliance.errors import ApplianceError
from appliance.policy.policy import Policy
from appliance.postgres.checks.connection import ConnectionReport, check_connections
from appliance.settings.settings import Settings
from appliance.system.findings import fail, failed, warn
from appliance.workflow.document import Workflow
from appliance.workflow.loading import load_workflow


def known_workflows(settings: Settings, files: Iterable[Path]) -> list[Workflow]:
    """Those of the files, which must be valid, else all valid ones of the appliance.

    A file of the appliance's own that is wrong is named, and the others are checked for all the same.
    """
    given = [load_workflow(file, settings.config_dir).workflow for file in files]
    if given:
        return given
    found = []
    for folder in settings.workflow_dirs:
        for path in sorted(folder.glob("[!.]*")):
            if path.suffix not in {".yaml", ".yml", ".json"}:
                continue
            try:
                found.append(load_workflow(path, settings.config_dir).workflow)
            except ApplianceError as error:
                typer.echo(f"{error.text()}\n", err=True)
    return found


def check_all(
    known: Connections, workflows: Sequence[Workflow], policy: Policy, names: Sequence[str]
) -> list[ConnectionReport]:
    """Databases as runs read and write them, buckets as runs deliver to them."""
    wanted = [name for name in names if name not in known.buckets]
    needed = {each.connection for workflow in workflows for each in workflow.buckets.values()}
    absent = [] if names else sorted(needed - known.buckets.keys())
    databases = check_connections(known, workflows, policy, wanted) if wanted or not names else []
    buckets = [name for name in known.buckets if not names or name in names]
    with ThreadPoolExecutor(max_workers=8) as pool:
        tried = list(pool.map(lambda name: _check_bucket(known, name, workflows), buckets))
    return [*databases, *tried, *(_no_bucket(known, name, workflows) for name in absent)]


def _check_bucket(known: Connections, name: str, workflows: Sequence[Workflow]) -> ConnectionReport:
    delivering = _delivering(name, workflows)
    roots = dict.fromkeys(
        bucket.root(workflow.id)
        for workflow in delivering
        for bucket in workflow.buckets.values()
        if bucket.connection == name
    )
    report = ConnectionReport(name, delivers=delivering)
    if keys := unchanged_keys(known.buckets[name]):
        found = fail if delivering else warn
        what = f"Still {PLACEHOLDER}: {', '.join(f'{name}.{key}' for key in keys)}."
        return replace(report, findings=[found("file", what, "Fill it in in connections.yaml.")])
    return replace(report, findings=check_bucket(name, known.buckets[name], list(roots) or [""]))


def _no_bucket(known: Connections, name: str, workflows: Sequence[Workflow]) -> ConnectionReport:
    what = "is a database, and a bucket is wanted" if name in known else "is not in connections.yaml"
    finding = fail(
        "file",
        f"'{name}' {what}.",
        "Add it: appliance connections template WORKFLOW.yaml shows how.",
    )
    return ConnectionReport(name, delivers=_delivering(name, workflows), findings=[finding])


def _delivering(name: str, workflows: Sequence[Workflow]) -> tuple[Workflow, ...]:
    return tuple(
        workflow
        for workflow in workflows
        if any(bucket.connection == name for bucket in workflow.buckets.values())
    )


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
                        "delivers": [workflow.id for workflow in report.delivers],
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
