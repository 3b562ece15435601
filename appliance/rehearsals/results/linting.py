"""squawk, the linter for migrations: started on each file, its findings joined with the statements measured.

https://squawkhq.com
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError

from appliance.rehearsals.results.report import Finding, StatementReport
from appliance.rehearsals.statements import Statement

PROGRAM = "squawk"
NOT_THERE = "The linter squawk is not installed here (pip install squawk-cli): nothing was linted."
_WITHIN_S = 60


class _Said(BaseModel):
    """One finding, as squawk's JSON has it: lines and columns from 0."""

    line: int
    column: int
    message: str
    help: str | None = None
    rule_name: str


_ALL = TypeAdapter(list[_Said])


def find_linter() -> str | None:
    """Its path: beside this Python, or on the PATH."""
    beside = Path(sys.executable).with_name(PROGRAM)
    return str(beside) if beside.is_file() else shutil.which(PROGRAM)


def lint(program: str, name: str, text: str, server_version: int) -> list[Finding]:
    """Its findings about a file's text, if any. Raises OSError, ValueError where it does not answer."""
    version = f"{server_version // 10_000}.{server_version % 10_000}"
    command = [program, "--reporter", "json", "--pg-version", version, "--stdin-filepath", name]
    try:
        done = subprocess.run(  # noqa: S603
            command, input=text.encode(), capture_output=True, check=False, timeout=_WITHIN_S
        )
        said = _ALL.validate_json(done.stdout or b"[]")
    except (ValidationError, subprocess.TimeoutExpired):
        raise ValueError(PROGRAM) from None
    return [
        Finding(
            rule=each.rule_name,
            line=each.line + 1,
            column=each.column,
            message=each.message,
            help=each.help or "",
        )
        for each in said
    ]


def lint_all(
    texts: Sequence[tuple[str, str]], server_version: int
) -> tuple[dict[str, list[Finding]], tuple[str, ...]]:
    """Findings by file, and a note where there could be none."""
    program = find_linter()
    if program is None:
        return {}, (NOT_THERE,)
    try:
        return {name: lint(program, name, text, server_version) for name, text in texts}, ()
    except (OSError, ValueError):
        return {}, (f"The linter {program} gave no answer that could be read: nothing was linted.",)


def with_findings(
    reports: Sequence[StatementReport], statements: Sequence[Statement], findings: dict[str, list[Finding]]
) -> tuple[StatementReport, ...]:
    """Each statement with what the linter says of it: from where it begins to where the next one does."""
    its: dict[int, list[Finding]] = {}
    for name, found in findings.items():
        for each in found:
            before = [
                place
                for place, statement in enumerate(statements)
                if statement.file == name and (statement.line, statement.column) <= (each.line, each.column)
            ]
            its.setdefault(before[-1] if before else 0, []).append(each)
    return tuple(
        report.model_copy(update={"findings": tuple(its.get(place, ()))})
        for place, report in enumerate(reports)
    )
