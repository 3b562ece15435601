"""Every column that a workflow selects: what was found in it, and which line of the document decides it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from appliance.cli.work.workflows.scanning import ScanRequest, look, scans_folder
from appliance.connections.file import load_connections, select_connections
from appliance.discovery.findings import Finding
from appliance.discovery.scanned_columns import ScannedColumns, columns_file, keep_columns, read_columns
from appliance.documents.problems import Places, WrongDocumentError
from appliance.errors import WrongRequestError
from appliance.masking.document_check import mask_problems
from appliance.settings.settings import load_settings
from appliance.system.beneath import become_owner_of, lesser_owner
from appliance.workflow.document import Workflow
from appliance.workflow.drift import Outcome, decision_text
from appliance.workflow.loading import load_workflow
from appliance.workflow.matching.rules import Decision, Keep, Rule, match_rules


@dataclass(frozen=True)
class ColumnRow:
    """One column; those of partitions are one, under their root."""

    schema_name: str
    table_name: str
    column: str
    type: str
    finding: Finding | None
    outcome: Outcome
    decision: str
    line: int | None
    """Of the document, where one line decides it."""

    @property
    def undecided(self) -> bool:
        """Nothing covers it, so a run would stop."""
        return self.outcome == "halted"

    @property
    def personal(self) -> bool:
        """A scan says so."""
        return self.finding is not None and self.finding.verdict == "personal"


@dataclass(frozen=True)
class ColumnsRequest:
    """What is asked for on the command line."""

    file: Path
    scan: str | None = None
    connections_file: Path | None = None
    state: Path | None = None


def columns_of(request: ColumnsRequest) -> tuple[list[ColumnRow], ScannedColumns]:
    """The rows, and the scan that they rest on. Raises WrongRequestError, WorkFailedError for a new scan."""
    loaded = load_workflow(request.file, load_settings().config_dir)
    if problems := mask_problems(loaded.document):
        raise WrongDocumentError(problems)
    seen = _scanned(request, loaded.workflow)
    return rows_of(loaded.workflow, loaded.document.places(), seen), seen


def rows_of(workflow: Workflow, places: Places, seen: ScannedColumns) -> list[ColumnRow]:
    """The columns of the selected tables, in the catalog's order. Pure."""
    matching = match_rules(workflow, seen.catalog, places)
    findings = {finding.place: finding for finding in seen.findings}
    rows: dict[tuple[str, str, str], ColumnRow] = {}
    for selected in matching.tables:
        for column, decision in selected.columns:
            place = (*selected.table.all_names[-1], column.name)
            outcome, text = decision_text(decision)
            finding, line = findings.get(place), _line(workflow, places, decision)
            rows.setdefault(place, ColumnRow(*place, column.type, finding, outcome, text, line))
    return list(rows.values())


def _scanned(request: ColumnsRequest, workflow: Workflow) -> ScannedColumns:
    settings = load_settings()
    connection = request.scan or workflow.source
    if request.scan is not None:
        file = request.connections_file or settings.connections_file
        select_connections(load_connections(file), [connection], str(file))
        asked = ScanRequest(connection, (), request.connections_file, request.state)
        found, catalog = look(settings, asked)
        folder = scans_folder(settings, request.state)
        return keep_columns(columns_file(folder, connection), found, catalog, whole=True)
    folder = scans_folder(settings, request.state)
    owner = folder.parent
    if lesser_owner(owner) is not None:
        become_owner_of(owner)
    seen = read_columns(columns_file(folder, connection))
    if seen is None:
        raise WrongRequestError(
            f"No scan of '{connection}' is kept here, so its columns are not known.",
            "A scan keeps names, types and findings, and no value.",
            f"appliance scan {connection}, or add: --scan {connection}",
        )
    return seen


def _line(workflow: Workflow, places: Places, decision: Decision) -> int | None:
    """The line that decides: a mask's pattern, an entry of keep, or unlisted."""
    if isinstance(decision, Rule):
        return _own_line(places, decision)
    if isinstance(decision, Keep) and decision.preset is not None:
        return _own_line(places, decision)
    if isinstance(decision, Keep) and decision.pattern is None:
        return places.problem(("unlisted",), "").line
    if isinstance(decision, Keep) and decision.pattern in workflow.kept_patterns:
        return places.problem(("keep", workflow.kept_patterns.index(decision.pattern)), "").line
    return None


def _own_line(places: Places, decision: Rule | Keep) -> int | None:
    """Of the workflow itself: of a preset's rule that of the preset's name."""
    if decision.preset is not None:
        return places.problem(decision.preset.path, "").line
    return places.problem(decision.path, "").line if isinstance(decision, Rule) else None
