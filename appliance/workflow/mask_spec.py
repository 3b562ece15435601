"""A rule as a document has it: a mask with its parameters, or a column that is kept and why."""

from __future__ import annotations

from typing import Any

from pydantic import Field, JsonValue, model_serializer, model_validator

from appliance.documents.model import StrictModel, describe, wrong
from appliance.workflow.document_types import ColumnPattern, MaskName

WHEN, CHOICES = "when", "choices"
"""The name that stands for a list of masks with conditions, and the parameter that holds the list."""


class MaskSpec(StrictModel):
    """A mask by name, with its parameters. Written as ``email`` or as ``{mask: phone, keep_prefix: 3}``.

    A list of them with conditions (``alternatives.py``) is the mask ``when``.
    Which masks there are, and what parameters each takes, is the masking catalogue's to say.
    """

    mask: MaskName = Field(description="The mask's name.", examples=["email"])
    params: dict[str, JsonValue] = Field(
        default_factory=dict, description="The mask's parameters.", examples=[{}]
    )

    @model_validator(mode="before")
    @classmethod
    def _from_document(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return {"mask": WHEN, "params": {CHOICES: list(value)}}
        if value is None or isinstance(value, str):
            return {"mask": value}
        if isinstance(value, MaskSpec):
            return value
        if not isinstance(value, dict):
            raise wrong(
                f"{describe(value)} is not a mask", "a mask's name, or {mask: name, …} with its parameters"
            )
        if isinstance(value.get("params"), dict) and value.keys() <= {"mask", "params"}:
            return value
        if WHEN in value or value.get("mask") == WHEN:
            raise wrong(
                "has a condition and says nothing of the other rows",
                "a list, its last entry for all other rows: [{when: \"role = 'staff'\", mask: keep}, email]",
            )
        params = {key: each for key, each in value.items() if key != "mask"}
        return {"params": params, **({"mask": value["mask"]} if "mask" in value else {})}

    @model_validator(mode="after")
    def _no_reserved_names(self) -> MaskSpec:
        if not self.params.keys().isdisjoint({"mask", "params"}):
            raise wrong("has a parameter with a reserved name", "parameters that the mask takes")
        return self

    @model_serializer(mode="plain")
    def _to_document(self) -> str | JsonValue:
        if self.mask == WHEN and CHOICES in self.params:
            return self.params[CHOICES]
        return {"mask": self.mask, **self.params} if self.params else self.mask


class KeptBecause(StrictModel):
    """A column that was judged: it is kept, and is not said to look personal."""

    column: ColumnPattern = Field(
        description="A pattern schema.table.column.", examples=["public.product.name"]
    )
    because: str = Field(
        min_length=1,
        max_length=500,
        description="Why it is kept, though it may look personal.",
        examples=["names of products"],
    )


def kept_patterns_of(keep: tuple[ColumnPattern | KeptBecause, ...]) -> tuple[str, ...]:
    """The patterns of what is kept, in whichever form they are written."""
    return tuple(each if isinstance(each, str) else each.column for each in keep)
