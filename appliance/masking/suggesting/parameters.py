"""Masks with parameters that follow from a column's name or type."""

from __future__ import annotations

import re

from appliance.masking.expressions.neutral import neutral_value
from appliance.masking.shape import PLAIN_KINDS, Shape
from appliance.workflow.catalog import Column
from appliance.workflow.document import MaskSpec

_EXTENSION_TYPES = ("citext", "hstore", "ltree")


def with_axis(mask: str, name: str, shape: Shape) -> MaskSpec:
    """A column of one number is a latitude or a longitude, as its name says."""
    if mask == "position" and shape.kind != "point":
        axis = "longitude" if re.search("lon|lng", name) else "latitude"
        return MaskSpec(mask=mask, params={"axis": axis})
    return MaskSpec(mask=mask)


def neutral_constant(column: Column, shape: Shape) -> MaskSpec | None:
    """A value that says nothing, for a type that no other mask knows."""
    if shape.is_array:
        return MaskSpec(mask="constant", params={"value": []})
    if shape.kind in ("json", "jsonb"):
        return MaskSpec(mask="constant", params={"value": {}})
    of_the_server = "." not in column.base_type or column.base_type.rpartition(".")[2] in _EXTENSION_TYPES
    if (
        shape.kind not in PLAIN_KINDS
        or column.base_kind not in ("base", "range", "multirange")
        or not of_the_server
    ):
        return None
    neutral = neutral_value(column)
    return None if neutral is None else MaskSpec(mask="constant", params={"value": neutral.split("'")[1]})
