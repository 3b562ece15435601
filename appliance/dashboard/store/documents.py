"""Checks workflow documents as they are typed, with the appliance's own models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from appliance.contract.calls import MAX_DOCUMENT_BYTES
from appliance.documents import strict_yaml
from appliance.documents.document import Document
from appliance.documents.problems import Problem, WrongDocumentError, path_text
from appliance.masking.document_check import mask_problems
from appliance.workflow.document import Workflow
from appliance.workflow.loading import NO_PRESETS, workflow_of
from appliance.workflow.presets.files import KnownPreset, Presets, preset_of
from appliance.workflow.presets.resolving import resolved

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
    resolved: dict[str, Any]
    """The data with the rules of presets in the place of their names, as appliances are sent it."""

    @property
    def notes(self) -> list[str]:
        """What is no mistake, and may be one."""
        missing = self.workflow.missing_presets if self.workflow else ()
        return [
            f"There is no preset {name} here: each appliance needs a file presets/{name}.yaml."
            for name in missing
        ]

    def by_line(self) -> list[ProblemLine]:
        """The problems as they are shown."""
        return problem_lines(self.problems)


def check(text: str, presets: Presets = NO_PRESETS) -> Checked:
    """Read and validate a document; never raises for what is in it."""
    try:
        document = _read(text)
    except WrongDocumentError as error:
        return Checked(text, {}, None, error.problems, {})
    data = document.data if isinstance(document.data, dict) else {}
    with_rules, _ = resolved(document, presets)
    whole = with_rules.data if data else {}
    problems = mask_problems(with_rules) if data else []
    workflow = None
    try:
        workflow = workflow_of(document, presets).workflow
    except WrongDocumentError as error:
        problems = [*error.problems, *problems]
    if problems:
        return Checked(text, data, None, WrongDocumentError(problems).problems, whole)
    return Checked(text, data, workflow, (), whole)


def check_preset(text: str) -> list[ProblemLine]:
    """Everything that is wrong with a preset's document."""
    try:
        require_preset(text)
    except WrongDocumentError as error:
        return problem_lines(error.problems)
    return []


def problem_lines(problems: Iterable[Problem]) -> list[ProblemLine]:
    """Problems as they are shown."""
    return [ProblemLine(each.line, path_text(each.path), each.what, each.expected) for each in problems]


def require_preset(text: str) -> KnownPreset:
    """The preset that a document is; raises WrongDocumentError with everything that is wrong with it."""
    known = preset_of(_read(text, "preset"))
    if problems := mask_problems(known.document):
        raise WrongDocumentError(problems, "Correct the document; nothing was changed.")
    return known


def _read(text: str, name: str = SOURCE) -> Document:
    if len(text.encode(errors="replace")) > MAX_DOCUMENT_BYTES:
        raise WrongDocumentError([Problem((), "is too large", f"at most {MAX_DOCUMENT_BYTES // 1024} KiB")])
    return strict_yaml.load(text, name)


def require(text: str, presets: Presets = NO_PRESETS) -> Workflow:
    """The workflow that a document is; raises WrongDocumentError with everything that is wrong with it."""
    checked = check(text, presets)
    if checked.workflow is None:
        raise WrongDocumentError(checked.problems, "Correct the document; nothing was changed.")
    return checked.workflow
