"""From a file or a message to a workflow, and back to YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from appliance.documents import strict_yaml
from appliance.documents.document import Document
from appliance.documents.model import validate
from appliance.documents.problems import WrongDocumentError
from appliance.workflow.document import Workflow
from appliance.workflow.empty_words import empty_words
from appliance.workflow.presets.files import FOLDER, KnownPreset, PresetFiles, Presets
from appliance.workflow.presets.resolving import resolved


@dataclass(frozen=True)
class LoadedWorkflow:
    """A valid workflow and the document it came from, which knows the lines. Its presets are resolved."""

    workflow: Workflow
    document: Document
    as_written: Document
    """Before its presets were resolved."""


class NoPresets:
    """For documents that stand alone, and for those whose presets stand in them already."""

    def find(self, name: str) -> KnownPreset | None:  # noqa: ARG002 - as Presets has it
        """None: there is none."""
        return None

    def missing(self, name: str) -> tuple[str, str]:
        """What is wrong where a document uses one."""
        return f"there is no preset `{name}` here", "a workflow that uses none"


NO_PRESETS = NoPresets()


def load_workflow(path: Path, config_dir: Path | None = None) -> LoadedWorkflow:
    """Read and validate a workflow file.

    Its presets lie beside it, or in ``config_dir``. Raises WrongDocumentError (exit code 2) with every
    problem at once.
    """
    beside = PresetFiles((path.parent / FOLDER,))
    presets = beside if config_dir is None else PresetFiles.of(config_dir, path)
    return workflow_of(strict_yaml.read(path), presets)


def parse_workflow(
    text: str | bytes, source_name: str, *, as_json: bool = False, presets: Presets = NO_PRESETS
) -> LoadedWorkflow:
    """Validate a workflow that came as text. Raises WrongDocumentError with every problem at once."""
    return workflow_of(strict_yaml.load(text, source_name, as_json=as_json), presets)


def workflow_of(document: Document, presets: Presets = NO_PRESETS) -> LoadedWorkflow:
    """Validate a document that was read already."""
    as_written = document
    document, lacking = resolved(document, presets)
    lacking += empty_words(document)
    try:
        workflow = validate(Workflow, document)
    except WrongDocumentError as error:
        raise WrongDocumentError([*error.problems, *lacking]) from None
    if lacking:
        raise WrongDocumentError(lacking)
    return LoadedWorkflow(workflow, document, as_written)


class _Dumper(yaml.SafeDumper):
    """Quotes whatever our reader would not read back as the same text."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Only double quotes keep every kind of line break, of which Unicode has several.
    plain = isinstance(strict_yaml.scalar(text), str) and text.isprintable()
    style = None if plain else "|" if _is_of_plain_lines(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _is_of_plain_lines(text: str) -> bool:
    """Whether a text, such as SQL, can stand as the lines that it has."""
    lines = text.removesuffix("\n").split("\n")
    return (
        len(lines) > 1
        and not text.startswith((" ", "\n"))
        and bool(lines[-1])
        and all(line.isprintable() and line == line.rstrip() for line in lines)
    )


_Dumper.add_representer(str, _text)


def document_yaml(data: Mapping[str, object] | Sequence[object]) -> str:
    """A document's plain data, valid or not yet, as YAML that our reader reads back as the same."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
