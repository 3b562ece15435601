"""Checks workflow documents as they are typed, with the appliance's own models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from appliance.contract.calls import MAX_DOCUMENT_BYTES
from appliance.documents import strict_yaml
from appliance.documents.document import Document
from appliance.documents.problems import Problem, WrongDocumentError, path_text
from appliance.masking.registry import parameter_models
from appliance.workflow.document import Workflow
from appliance.workflow.loading import workflow_of
from appliance.workflow.mask_check import check_masks

SOURCE = "workflow"


@dataclass(frozen=True)
class ProblemLine:
    """One thing that is wrong with a document, in words."""

    line: int | None
    key: str
    what: str
    expected: str


@dataclass(frozen=True)
class Checked:
    """A document's text, what it says, and everything that is wrong with it."""

    text: str
    data: dict[str, Any]
    """Plain data; empty where the text is no mapping at all."""
    workflow: Workflow | None
    problems: tuple[Problem, ...]

    def by_line(self) -> list[ProblemLine]:
        """The problems as they are shown."""
        return [
            ProblemLine(problem.line, path_text(problem.path), problem.what, problem.expected)
            for problem in self.problems
        ]


def check(text: str) -> Checked:
    """Read and validate a document; never raises for what is in it."""
    try:
        document = _read(text)
    except WrongDocumentError as error:
        return Checked(text, {}, None, error.problems)
    data = document.data if isinstance(document.data, dict) else {}
    problems = check_masks(document, parameter_models()) if data else []
    workflow = None
    try:
        workflow = workflow_of(document).workflow
    except WrongDocumentError as error:
        problems = [*error.problems, *problems]
    if problems:
        return Checked(text, data, None, WrongDocumentError(problems).problems)
    return Checked(text, data, workflow, ())


def _read(text: str) -> Document:
    if len(text.encode(errors="replace")) > MAX_DOCUMENT_BYTES:
        raise WrongDocumentError([Problem((), "is too large", f"at most {MAX_DOCUMENT_BYTES // 1024} KiB")])
    return strict_yaml.load(text, SOURCE)


def require(text: str) -> Workflow:
    """The workflow that a document is; raises WrongDocumentError with everything that is wrong with it."""
    checked = check(text)
    if checked.workflow is None:
        raise WrongDocumentError(checked.problems, "Correct the document; nothing was changed.")
    return checked.workflow
