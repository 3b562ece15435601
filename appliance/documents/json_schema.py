"""JSON Schemas of the documents that people write, and the comment by which an editor finds one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaValue

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Kind = Literal["workflow", "connections", "policy", "settings", "subjects", "preset"]

INSTALLED = Path("/opt/appliance/current/docs/schemas")
"""Where the live release of an appliance has them."""
_CHECKOUT = Path(__file__).parents[2] / "docs" / "schemas"


def document_schema(model: type[BaseModel], title: str) -> JsonSchemaValue:
    """A draft 2020-12 schema of a document that is one model."""
    return in_markdown({"$schema": DIALECT, **model.model_json_schema(mode="validation"), "title": title})


def in_markdown(schema: JsonSchemaValue) -> JsonSchemaValue:
    """The same with its descriptions as editors render them: docstrings have two backquotes, Markdown one."""
    text: JsonSchemaValue = json.loads(json.dumps(schema).replace("``", "`"))
    return text


def printed(schema: JsonSchemaValue) -> str:
    """The text of a schema's file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def editor_line(kind: Kind, folders: Iterable[Path] = (INSTALLED, _CHECKOUT)) -> str:
    """A comment for the head of a document, with its line break: the first schema that is on this machine.

    Empty where there is none, as after an installation by pip alone.
    """
    files = (folder / f"{kind}.json" for folder in folders)
    found = next((file for file in files if file.is_file()), None)
    return comment(str(found)) if found else ""


def comment(place: str) -> str:
    """What the YAML language server looks for: ``place`` is a path, or relative to the document."""
    return f"# yaml-language-server: $schema={place}\n"
