"""Presets as files: ``NAME.yaml`` beside the documents that use them, and in the appliance's own folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from appliance.contract.fields import document_digest
from appliance.documents import strict_yaml
from appliance.documents.document import Document
from appliance.documents.model import validate
from appliance.documents.problems import WrongDocumentError, did_you_mean
from appliance.system.beneath import as_owner_of
from appliance.workflow.empty_words import empty_words
from appliance.workflow.presets.preset import PresetRules, version_of_file

FOLDER = "presets"
SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class KnownPreset:
    """A preset that was found, and the document that it is."""

    rules: PresetRules
    document: Document
    version: str


class Presets(Protocol):
    """Where presets are looked for."""

    def find(self, name: str) -> KnownPreset | None:
        """The preset of that name; None where there is none. Raises WrongDocumentError for a wrong one."""

    def missing(self, name: str) -> tuple[str, str] | None:
        """What is wrong where there is none, and what was expected; None where one may be missing here."""


@dataclass(frozen=True)
class PresetFiles:
    """Folders with presets; of two of one name, that of the first folder counts."""

    folders: tuple[Path, ...]

    @classmethod
    def of(cls, config_dir: Path, document: Path | None = None) -> PresetFiles:
        """The appliance's own, and before them those that lie beside a document."""
        own = config_dir / FOLDER
        beside = [] if document is None else [document.parent / FOLDER]
        return cls(tuple(dict.fromkeys([*beside, own])))

    def find(self, name: str) -> KnownPreset | None:
        """The preset of that name; None where there is none. Raises WrongDocumentError for a wrong one."""
        path = next((path for path in self.paths() if path.stem == name), None)
        return read_preset(path) if path is not None else None

    def missing(self, name: str) -> tuple[str, str]:
        """What is wrong where there is none, and what was expected."""
        known = sorted({path.stem for path in self.paths()})
        close = did_you_mean(name, known)
        hint = f" (did you mean {close}?)" if close else ""
        places = " or ".join(str(folder / f"{name}.yaml") for folder in self.folders)
        others = f"; known here: {', '.join(known)}" if known else ""
        return f"there is no preset `{name}` here{hint}", f"the file {places}{others}"

    def paths(self) -> Iterator[Path]:
        """The files, those that count first."""
        for folder in self.folders:
            try:
                with as_owner_of(folder):
                    found = sorted(folder.iterdir())
            except OSError:
                continue
            yield from (path for path in found if path.suffix in SUFFIXES and not path.name.startswith("."))


def read_preset(path: Path) -> KnownPreset:
    """Read and validate a preset's file. Raises WrongDocumentError with every problem at once."""
    with as_owner_of(path):
        document = strict_yaml.read(path)
    return preset_of(document, path.stem)


def preset_of(document: Document, name: str | None = None) -> KnownPreset:
    """Validate a preset's document that was read already. ``name`` is that of its file."""
    if empty := empty_words(document):
        raise WrongDocumentError(empty)
    rules = validate(PresetRules, document)
    if name is not None and rules.name != name:
        what = f"the preset is called `{rules.name}`, and its file {name}"
        raise WrongDocumentError([document.problem(("name",), what, f"`name: {name}`, or another file name")])
    return KnownPreset(rules, document, version_of_file(document_digest(document.data)))
