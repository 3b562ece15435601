"""From the names under ``use`` to a document that holds the presets themselves, and needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import JsonValue

from appliance.documents.document import Document
from appliance.documents.problems import KeyPath, Problem, WrongDocumentError
from appliance.workflow.presets.files import KnownPreset, Presets
from appliance.workflow.presets.preset import version_of_file

USE = "use"


def resolved(document: Document, presets: Presets) -> tuple[Document, list[Problem]]:
    """The same document with the rules of each preset in the place of its name, and what is wrong there.

    A preset that the document brings along gives way to one of this name that is found: whose machine it is
    has the last word.
    """
    data = document.data
    used = data.get(USE) if isinstance(data, dict) else None
    if not isinstance(used, list):
        return document, []
    problems: list[Problem] = []
    entries: list[Any] = []
    inserted: dict[KeyPath, Document] = {}
    for place, entry in enumerate(used):
        path: KeyPath = (USE, place)
        try:
            known = _find(entry, presets)
        except WrongDocumentError as error:
            problems += error.problems
            known = None
        else:
            if known is None:
                problems += [document.problem(path, *said) for said in _unfound(entry, presets)]
        if known is None:
            entries.append(entry)
            continue
        entries.append(written_out(known.document.data, known.version))
        inserted[path] = known.document
    return replace(document.with_inserted(inserted), data={**data, USE: entries}), problems


def written_out(rules: Mapping[str, JsonValue], version: str) -> dict[str, JsonValue]:
    """A preset as a resolved workflow holds it."""
    return {"name": rules["name"], "version": version, **rules}


def _find(entry: object, presets: Presets) -> KnownPreset | None:
    name = entry.get("name") if isinstance(entry, dict) else entry
    return presets.find(name) if isinstance(name, str) else None


def _unfound(entry: object, presets: Presets) -> list[tuple[str, str]]:
    """What is wrong with an entry for which nothing was found here."""
    if isinstance(entry, str):
        said = presets.missing(entry)
        return [said] if said else []
    version = entry.get("version") if isinstance(entry, dict) else None
    if isinstance(version, str) and version.startswith(version_of_file("")):
        return [
            (f"says that it is the file of version `{version}`, and there is none here", "its name alone")
        ]
    return []
