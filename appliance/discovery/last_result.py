"""The last scan of a connection, kept to show what is new: names, words, kinds and scores, nothing else."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from appliance.discovery.findings import Scan
from appliance.durable import write_file
from appliance.workflow.matching.patterns import literal_pattern


class LastResult(BaseModel):
    """By column: the word, the kind, the score."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: dict[str, tuple[str, str | None, float]]


def new_since(path: Path, scan: Scan) -> list[str] | None:
    """Columns that were not there at the last scan, or were judged otherwise; None where there was none."""
    last = _read(path)
    if last is None:
        return None
    now = _columns(scan)
    return [name for name, said in now.items() if name not in last or last[name][:2] != said[:2]]


def keep_result(path: Path, scan: Scan, *, whole: bool) -> None:
    """Keep the result for the next time; one of a part of the tables beside what is known of the others."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    before = {} if whole else _read(path) or {}
    result = LastResult(columns={**before, **_columns(scan)})
    write_file(path, result.model_dump_json(), durable=False, mode=0o600)


def _columns(scan: Scan) -> dict[str, tuple[str, str | None, float]]:
    return {
        literal_pattern(*finding.place): (finding.verdict, finding.kind, finding.score)
        for finding in scan.findings
    }


def _read(path: Path) -> dict[str, tuple[str, str | None, float]] | None:
    try:
        return LastResult.model_validate_json(path.read_bytes()).columns
    except (FileNotFoundError, ValidationError):
        return None
