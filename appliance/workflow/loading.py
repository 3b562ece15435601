"""From a file or a message to a workflow, and back to YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from appliance.documents import strict_yaml
from appliance.documents.document import Document
from appliance.documents.model import validate
from appliance.documents.problems import Problem, WrongDocumentError
from appliance.workflow.document import Workflow


@dataclass(frozen=True)
class LoadedWorkflow:
    """A valid workflow and the document it came from, which knows the lines."""

    workflow: Workflow
    document: Document


def load_workflow(path: Path) -> LoadedWorkflow:
    """Read and validate a workflow file.

    Raises WrongDocumentError (exit code 2) with every problem at once.
    """
    return workflow_of(strict_yaml.read(path))


def parse_workflow(text: str | bytes, source_name: str, *, as_json: bool = False) -> LoadedWorkflow:
    """Validate a workflow that came as text. Raises WrongDocumentError with every problem at once."""
    return workflow_of(strict_yaml.load(text, source_name, as_json=as_json))


def workflow_of(document: Document) -> LoadedWorkflow:
    """Validate a document that was read already."""
    empty = _empty_words(document)
    try:
        workflow = validate(Workflow, document)
    except WrongDocumentError as error:
        raise WrongDocumentError([*error.problems, *empty]) from None
    if empty:
        raise WrongDocumentError(empty)
    return LoadedWorkflow(workflow, document)


def _empty_words(document: Document) -> list[Problem]:
    """Where null is a word of ours, nothing at all is more likely a forgotten value: refuse it."""
    problems = []
    for path, written in document.plain.items():
        is_mask = path[0] == "masks" and (len(path) == 2 or path[2:] == ("mask",))
        if written in ("", "~") and (is_mask or path == ("unlisted",)):
            expected = "a mask's name, or null to write NULL" if is_mask else "halt, null or keep"
            problems.append(document.problem(path, "has no value", expected))
    return problems


class _Dumper(yaml.SafeDumper):
    """Quotes whatever our reader would not read back as the same text."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Only double quotes keep every kind of line break, of which Unicode has several.
    plain = isinstance(strict_yaml.scalar(text), str) and text.isprintable()
    style = None if plain else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def document_yaml(data: Mapping[str, object] | Sequence[object]) -> str:
    """A document's plain data, valid or not yet, as YAML that our reader reads back as the same."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
