"""What is wrong with workflow files, as far as it shows without a database."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.documents import strict_yaml
from appliance.documents.document import MAX_BYTES, Document
from appliance.documents.problems import Problem, WrongDocumentError, path_text
from appliance.masking.registry import parameter_models
from appliance.workflow.loading import workflow_of
from appliance.workflow.mask_check import check_masks

STANDARD_INPUT = Path("-")


@dataclass(frozen=True)
class Outcome:
    """One file; ``id`` is known only of a workflow that is valid by itself."""

    file: Path
    id: str | None
    problems: tuple[Problem, ...]

    def as_json(self) -> dict[str, object]:
        """For programs."""
        problems = [
            {"line": each.line, "path": path_text(each.path), "what": each.what, "expected": each.expected}
            for each in self.problems
        ]
        return {"file": str(self.file), "valid": not self.problems, "id": self.id, "problems": problems}


def validate_files(files: Sequence[Path]) -> list[Outcome]:
    """An outcome for each file. Two of the same id are both wrong: they would be one DAG."""
    found = [_validate_file(file) for file in files]
    return [_with_other_ids(outcome, found) for outcome in found]


def _validate_file(file: Path) -> Outcome:
    workflow_id = None
    problems: tuple[Problem, ...] = ()
    try:
        document = _read(file)
    except WrongDocumentError as error:
        return Outcome(file, None, error.problems)
    try:
        workflow_id = workflow_of(document).workflow.id
    except WrongDocumentError as error:
        problems = error.problems
    return Outcome(file, workflow_id, (*problems, *check_masks(document, parameter_models())))


def _read(file: Path) -> Document:
    if file == STANDARD_INPUT:
        return strict_yaml.load(sys.stdin.buffer.read(MAX_BYTES + 1), "standard input")
    return strict_yaml.read(file)


def _with_other_ids(outcome: Outcome, found: list[Outcome]) -> Outcome:
    others = [
        str(other.file)
        for other in found
        if outcome.id is not None and other.id == outcome.id and other.file != outcome.file
    ]
    if not others:
        return outcome
    what = f"`{outcome.id}` is also the id of {', '.join(others)}"
    problem = Problem(("id",), what, "another id", source=str(outcome.file))
    return Outcome(outcome.file, outcome.id, (*outcome.problems, problem))
