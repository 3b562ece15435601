"""Noise that stays between two ends: what would go beyond one comes back from it by as much."""

from __future__ import annotations

from decimal import Decimal
from typing import TypeVar

from appliance.masking.catalogue.measures.limits import arithmetic, ends_of, number_of, written
from appliance.masking.shape import FLOATS, INTEGERS, Shape


def between(noisy: str, sql: str, shape: Shape, low: float | None, high: float | None) -> str:
    """The SQL of a noisy number between two ends, of the type of ``sql``; NaN and infinity stay."""
    if low is None and high is None:
        return noisy
    kind, ends = shape.kind, ends_of(shape)
    lowest = written(ends.lowest if low is None else number_of(low), shape)
    highest = written(ends.highest if high is None else number_of(high), shape)
    was, wide = f"{sql}::{arithmetic(shape)}", f"appliance_noisy::{arithmetic(shape)}"
    cases = []
    if low is not None:
        cases.append(f"WHEN {wide} < {lowest} AND {was} < {lowest} THEN {lowest}")
        cases.append(f"WHEN {wide} < {lowest} THEN least(2 * {lowest} - {wide}, {highest})")
    if high is not None:
        cases.append(f"WHEN {wide} > {highest} AND {was} > {highest} THEN {highest}")
        cases.append(f"WHEN {wide} > {highest} THEN greatest(2 * {highest} - {wide}, {lowest})")
    turned = f"CASE {' '.join(cases)} ELSE {wide} END"
    if kind in INTEGERS:
        beside = f"CASE WHEN {was} + 1 <= {highest} THEN {was} + 1 ELSE {was} - 1 END"
        turned = f"coalesce(nullif({turned}, {was}), {beside})"
    special = "false"
    if kind in FLOATS:
        special = "appliance_noisy IN ('NaN', 'Infinity', '-Infinity')"
    elif kind == "numeric":
        special = "scale(appliance_noisy) IS NULL"
    cast = {"real": "float4", "double": "float8"}.get(kind, kind)
    ended = f"CASE WHEN {special} THEN appliance_noisy ELSE ({turned})::{cast} END"
    return f"(SELECT {ended} FROM (SELECT {noisy} AS appliance_noisy OFFSET 0) AS appliance_moved)"


Number = TypeVar("Number", int, Decimal)


def plain_between(noisy: Number, value: Number, low: float | None, high: float | None) -> Number:
    """``between`` in Python, for a number far from the ends of its type."""
    lowest, highest = (None if end is None else number_of(end) for end in (low, high))
    turned = Decimal(noisy)
    if lowest is not None and turned < lowest:
        turned = 2 * lowest - turned if value >= lowest else lowest
        turned = turned if highest is None else min(turned, highest)
    elif highest is not None and turned > highest:
        turned = 2 * highest - turned if value <= highest else highest
        turned = turned if lowest is None else max(turned, lowest)
    if isinstance(value, Decimal):
        return type(value)(turned)
    if turned == value:
        turned = Decimal(value - 1 if highest is not None and value + 1 > highest else value + 1)
    return type(value)(turned)
