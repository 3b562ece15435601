"""What is wrong with workflow files, as far as it shows without a database."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from appliance.documents import strict_yaml
from appliance.documents.document import MAX_BYTES, Document
from appliance.documents.problems import Problem, WrongDocumentError, path_text
from appliance.masking.document_check import mask_problems
from appliance.settings.settings import load_settings
from appliance.workflow.loading import workflow_of
from appliance.workflow.presets.files import PresetFiles
from appliance.workflow.presets.resolving import resolved
from appliance.workflow.twin_owners import TwinClaim, shared_twins

STANDARD_INPUT = Path("-")


@dataclass(frozen=True)
class Outcome:
    """One file; ``id`` is known only of a workflow that is valid by itself."""

    file: Path
    id: str | None
    problems: tuple[Problem, ...]
    claim: TwinClaim | None = None
    """Where it delivers, of one that is valid by itself."""

    def as_json(self) -> dict[str, object]:
        """For programs."""
        problems = [
            {"line": each.line, "path": path_text(each.path), "what": each.what, "expected": each.expected}
            for each in self.problems
        ]
        return {"file": str(self.file), "valid": not self.problems, "id": self.id, "problems": problems}


def validate_files(files: Sequence[Path]) -> list[Outcome]:
    """An outcome for each file. Two of the same id are both wrong: they would be one DAG.

    So are two that would build their twins in one place, unless one of them says that it replaces the other.
    """
    found = [_validate_file(file) for file in files]
    return [_with_other_twins(_with_other_ids(outcome, found), found) for outcome in found]


def _validate_file(file: Path) -> Outcome:
    workflow_id, claim = None, None
    problems: tuple[Problem, ...] = ()
    try:
        document = _read(file)
    except WrongDocumentError as error:
        return Outcome(file, None, error.problems)
    presets = _presets(file)
    with_rules, _ = resolved(document, presets)
    try:
        workflow = workflow_of(document, presets).workflow
        workflow_id, claim = workflow.id, TwinClaim.of(workflow)
    except WrongDocumentError as error:
        problems = error.problems
    return Outcome(file, workflow_id, (*problems, *mask_problems(with_rules)), claim)


def _presets(file: Path) -> PresetFiles:
    return PresetFiles.of(load_settings().config_dir, None if file == STANDARD_INPUT else file)


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
    return replace(outcome, problems=(*outcome.problems, problem))


def _with_other_twins(outcome: Outcome, found: list[Outcome]) -> Outcome:
    if outcome.claim is None:
        return outcome
    others = [other.claim for other in found if other.claim is not None and other.file != outcome.file]
    problems = [
        Problem(
            ("deliver",), f"{shared.what[0].lower()}{shared.what[1:-1]}", shared.fix, source=str(outcome.file)
        )
        for shared in shared_twins(outcome.claim, others)
    ]
    return replace(outcome, problems=(*outcome.problems, *problems))
