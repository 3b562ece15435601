"""A preset: a named set of rules, as its file says it and as a resolved workflow holds it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag

from appliance.documents.model import StrictModel, describe, wrong
from appliance.documents.named_types import named, shape
from appliance.documents.names import WORKFLOW_ID
from appliance.workflow.document_types import ColumnPattern, Title
from appliance.workflow.mask_spec import KeptBecause, MaskSpec, kept_patterns_of

_FROM_FILE = "file-"
_VERSION = rf"[1-9][0-9]{{0,8}}|{_FROM_FILE}[0-9a-f]{{12}}"

PresetName = Annotated[
    str,
    named(WORKFLOW_ID, "the name of a preset: 1 to 63 of a-z, 0-9 and -, for example company-pii"),
    shape(WORKFLOW_ID),
]
PresetVersion = Annotated[str, named(_VERSION, "what the dashboard or the appliance has put there")]


class PresetRules(StrictModel):
    """A preset as its author writes it."""

    name: PresetName = Field(
        description="What workflows call it under `use`; its file has the same name.",
        examples=["company-pii"],
    )
    title: Title = Field(
        default="",
        max_length=200,
        description="What people call it.",
        examples=["What is personal in all of our databases"],
    )
    masks: dict[ColumnPattern, MaskSpec] = Field(
        default_factory=dict,
        description="How columns are masked, by pattern, as in a workflow.",
        examples=[{"*.*.email": "email", "*.*.phone*": {"mask": "phone", "keep_prefix": 3}}],
    )
    keep: tuple[ColumnPattern | KeptBecause, ...] = Field(
        default=(),
        description="Patterns of columns that are copied as they are, as in a workflow.",
        examples=[["*.*.id", "*.*.created_at"]],
    )

    @property
    def kept_patterns(self) -> tuple[str, ...]:
        """The patterns of ``keep``, in whichever form they are written."""
        return kept_patterns_of(self.keep)


class Preset(PresetRules):
    """A preset in a workflow that is resolved, with the version that was used."""

    version: PresetVersion | None = Field(
        default=None,
        description="The dashboard's number, or the beginning of the file's digest; never written by hand.",
        examples=["3"],
    )

    @property
    def is_of_file(self) -> bool:
        """It was read from a file of this machine."""
        return self.version is not None and self.version.startswith(_FROM_FILE)

    @property
    def said(self) -> str:
        """Its name and version, for people."""
        return f"{self.name} {self.version}" if self.version else self.name


def version_of_file(digest: str) -> str:
    """The version of a preset that is a file, by the SHA-256 of what it says."""
    return f"{_FROM_FILE}{digest[:12]}"


def _is_name_or_rules(value: Any) -> Any:
    if isinstance(value, str | dict | Preset):
        return value
    raise wrong(f"{describe(value)} is not a preset", "a preset's name, for example company-pii")


def _form(value: Any) -> str:
    return "name" if isinstance(value, str) else "preset"


Used = Annotated[
    Annotated[PresetName, Tag("name")] | Annotated[Preset, Tag("preset")],
    Discriminator(_form),
    BeforeValidator(_is_name_or_rules),
    shape(WORKFLOW_ID),
]
"""A preset by its name, as workflows are written, or resolved: with its rules. Schemas know the name alone,
for people write no more."""
