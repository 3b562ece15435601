"""The parameters of the mask ``json``: paths, and what becomes of what stands there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from pydantic import Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from appliance.masking.json.paths import Branch, WrongPathError, parse_path
from appliance.masking.mask import Params
from appliance.workflow.document import MaskSpec

ENDS: dict[str, Literal["delete", "keep"]] = {"delete": "delete", "keep": "keep"}
"""What may stand at a path instead of a mask."""


class OrAnEnd:
    """For an editor: what may stand at a place is a mask or one of these words."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = list(words)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [handler(schema), {"enum": self._words}]}


class JsonParams(Params):
    """Which paths, and a mask for each."""

    paths: dict[str, Annotated[MaskSpec, OrAnEnd(ENDS)]] = Field(
        min_length=1,
        max_length=50,
        description="A mask for each path. Lists on the way are gone through, with or without [*]; a *"
        " between dots stands for every key of an object. Besides a mask, `delete` takes the key and its"
        " value away, and `keep` keeps a value where the others are deleted.",
        examples=[
            {
                "contact.email": "email",
                "orders[*].card": {"mask": "partial", "keep_last": 4},
                "devices.*.serial": "hash",
                "note": "delete",
            }
        ],
    )
    others: Literal["keep", "delete"] = Field(
        default="keep",
        description="What becomes of all that no path leads to.",
        examples=["delete"],
    )

    def nested(self) -> Iterator[tuple[tuple[str, ...], str | MaskSpec]]:
        """Each path with its mask, or with what is wrong with the path, for the check of a document."""
        tree: Branch[bool] = Branch()
        for path, spec in self.paths.items():
            try:
                tree.add(parse_path(path), True)
            except WrongPathError as wrong:
                yield ("paths", path), f"is no path to mask: {wrong}"
            wrong_end = why_no_end(path, spec, self.others)
            if wrong_end is not None:
                yield ("paths", path), wrong_end
            elif spec.mask not in ENDS:
                yield ("paths", path), spec


def why_no_end(path: str, spec: MaskSpec, others: str) -> str | None:
    """Why ``delete`` or ``keep`` cannot stand at a path."""
    if spec.mask not in ENDS:
        return None
    if spec.params:
        return f"{spec.mask} has no parameters"
    if spec.mask == "keep" and others == "keep":
        return "all that no path leads to is kept already; keep says something with `others: delete`"
    if spec.mask == "delete" and path.strip("$[*]") == "":
        return "a document cannot be deleted from itself; the mask null makes it null"
    return None
