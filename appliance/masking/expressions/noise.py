"""The arithmetic of noise on numbers: total over every value of a type, and never the number itself.

A keyed digest of the number gives an odd whole number between -STEPS and STEPS, so the noise is never zero.
Where rounding would undo it, the number moves by its smallest unit instead.
"""

from __future__ import annotations

from decimal import Decimal

from appliance.masking.expressions.drawing import Digest
from appliance.masking.shape import Shape

STEPS = 1_048_575
_RANGES = {
    "smallint": (-32768, 32767),
    "integer": (-2147483648, 2147483647),
    "bigint": (-9223372036854775808, 9223372036854775807),
}
_NEAR_LARGEST_BIGINT = "9223372036854774784"
"""The largest double below 2^63."""


def _step(digest: Digest) -> str:
    """An odd number between -STEPS and STEPS."""
    return f"({digest.number(0, 20)} * 2 - {STEPS})"


def scaled(limit: float, zeros: int = 0) -> str:
    """``limit`` / STEPS as a decimal literal."""
    return format(Decimal(limit) / STEPS, f".{30 + zeros}f").rstrip("0")


def integer_noise(sql: str, kind: str, share: float | None, amount: float | None, digest: Digest) -> str:
    """For smallint, integer and bigint."""
    lowest, highest = _RANGES[kind]
    if share is not None:
        moved = f"{sql}::float8 * (1 + {_step(digest)}::float8 * {scaled(share)}::float8)"
    else:
        moved = f"{sql}::float8 + {_step(digest)}::float8 * {scaled(amount or 0)}::float8"
    top = _NEAR_LARGEST_BIGINT if kind == "bigint" else str(highest)
    whole = f"greatest(least({moved}, {top}::float8), '{lowest}'::float8)::{kind}"
    up = digest.bit(3)
    # greatest and least pass over NULL.
    unless_null = f"CASE WHEN {sql} IS NOT NULL THEN"
    if share is None:
        unit = f"CASE WHEN {sql} < {highest} AND ({up} OR {sql} = '{lowest}') THEN 1 ELSE -1 END"
        return f"{unless_null} coalesce(nullif({whole}, {sql}), ({sql} + {unit})::{kind}) END"
    unit = (
        f"CASE WHEN {sql} = 0 THEN 0 WHEN {sql} IN (1, '{lowest}') THEN 1"
        f" WHEN {sql} IN (-1, {highest}) THEN -1 WHEN {up} THEN 1 ELSE -1 END"
    )
    return f"{unless_null} coalesce(nullif(nullif({whole}, {sql}), 0), ({sql} + {unit})::{kind}) END"


def numeric_noise(sql: str, shape: Shape, share: float | None, amount: float | None, digest: Digest) -> str:
    """For numeric. NaN and infinity have no scale, which is how every major can tell them."""
    step = f"{_step(digest)}::numeric"
    if share is not None:
        moved = f"{sql} * (1 + {step} * {scaled(share)})"
    else:
        moved = f"{sql} + {step} * {scaled(amount or 0)}"
    if shape.precision is None:
        masked = _free_numeric(sql, moved, share, amount)
    else:
        masked = _bounded_numeric(sql, moved, share, shape, digest)
    return (
        f"CASE WHEN scale({sql}) IS NULL THEN {sql} WHEN abs({sql}) > '1e130000'::numeric THEN {sql} * 0.5"
        f" ELSE {masked} END"
    )


def _free_numeric(sql: str, moved: str, share: float | None, amount: float | None) -> str:
    """As many digits after the point as before; a few more where that would undo the noise."""
    if share is not None:
        kept = f"round({moved}, scale({sql}))"
        farthest = f"round({sql} * {Decimal(str(1 + share))}, scale({sql}) + 6)"
        # A numeric has at most 16,383 digits after the point: there only a whole step is left to go.
        return f"coalesce(nullif(nullif({kept}, {sql}), 0), nullif({farthest}, {sql}), {sql} * 2)"
    largest = Decimal(str(amount))
    digits = max(0, -largest.adjusted()) + 3
    kept = f"round({moved}, greatest(scale({sql}), {digits}))"
    return f"coalesce(nullif({kept}, {sql}), {sql} + {largest:f})"


def _bounded_numeric(sql: str, moved: str, share: float | None, shape: Shape, digest: Digest) -> str:
    precision, scale = shape.precision or 0, shape.scale or 0
    unit = Decimal(1).scaleb(-scale)
    highest = Decimal(1).scaleb(precision - scale) - unit
    top, one = f"{highest:f}", f"{unit:f}"
    whole = f"greatest(least(round({moved}, {scale}), {top}), -{top})"
    up = digest.bit(3)
    if share is None:
        direction = f"CASE WHEN {sql} < {top} AND ({up} OR {sql} <= -{top}) THEN {one} ELSE -{one} END"
        return f"coalesce(nullif({whole}, {sql}), {sql} + {direction})"
    # With a single unit in either direction, zero and the ends of the range are walls.
    direction = (
        f"CASE WHEN {sql} = 0 THEN 0 WHEN {sql} IN ({one}, -{top}) THEN {one}"
        f" WHEN {sql} IN (-{one}, {top}) THEN -{one} WHEN {up} THEN {one} ELSE -{one} END"
    )
    return f"coalesce(nullif(nullif({whole}, {sql}), 0), {sql} + {direction})"


def float_noise(sql: str, kind: str, share: float | None, amount: float | None, digest: Digest) -> str:
    """For real and double precision. Near the ends of the range there is nothing but zero and half."""
    cast = "float4" if kind == "real" else "float8"
    smallest, largest = ("1e-36", "1e38") if kind == "real" else ("1e-290", "1e307")
    wide = f"{sql}::float8"
    if share is not None:
        moved = f"{wide} * (1 + {_step(digest)}::float8 * {scaled(share)}::float8)"
        farthest = f"({wide} * {1 + share}::float8)::{cast}"
        too_small = f" WHEN abs({wide}) < '{smallest}'::float8 THEN 0"
    else:
        moved = f"{wide} + {_step(digest)}::float8 * {scaled(amount or 0)}::float8"
        farthest = f"({wide} * 0.5::float8)::{cast}"
        too_small = ""
    return (
        f"CASE WHEN {sql} IN (0, 'NaN', 'Infinity', '-Infinity') AND {_unmoved(sql, share)} THEN {sql}"
        f" WHEN abs({wide}) > '{largest}'::float8 THEN ({wide} * 0.5::float8)::{cast}{too_small}"
        f" ELSE coalesce(nullif(({moved})::{cast}, {sql}), {farthest}) END"
    )


def _unmoved(sql: str, share: float | None) -> str:
    """Zero moves by an amount, not by a share."""
    return "true" if share is not None else f"{sql} <> 0"
