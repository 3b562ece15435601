"""What fits a number's type, and what of a step does: pure arithmetic, before there is SQL."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from appliance.masking.shape import FLOATS, INTEGERS, Shape

_INTEGER_ENDS = {
    "smallint": (-(1 << 15), (1 << 15) - 1),
    "integer": (-(1 << 31), (1 << 31) - 1),
    "bigint": (-(1 << 63), (1 << 63) - 1),
}
_FAR = Decimal("1e100")
"""Of a type without ends near: what is farther out is moved here, since arithmetic fails near the ends."""
_FAR_FLOAT = Decimal("1e30")


@dataclass(frozen=True)
class Ends:
    """The lowest and the highest number, and the smallest step between two."""

    lowest: Decimal
    highest: Decimal
    unit: Decimal | None


def ends_of(shape: Shape) -> Ends:
    """Of a column's type."""
    if shape.kind in INTEGERS:
        first, last = _INTEGER_ENDS[shape.kind]
        return Ends(Decimal(first), Decimal(last), Decimal(1))
    if shape.kind in FLOATS:
        return Ends(-_FAR_FLOAT, _FAR_FLOAT, None)
    if shape.precision is None:
        return Ends(-_FAR, _FAR, None)
    unit = Decimal(1).scaleb(-(shape.scale or 0))
    highest = Decimal(10**shape.precision - 1) * unit
    return Ends(-highest, highest, unit)


def misfit(shape: Shape, name: str, number: Decimal) -> list[str]:
    """Why a number of a workflow is none of the column's type."""
    ends = ends_of(shape)
    if not ends.lowest <= number <= ends.highest:
        return [f"{name}: {number} is out of range for {shape.cast}"]
    if ends.unit is not None and number % ends.unit:
        return [f"{name}: {number} has more digits after the point than {shape.cast} keeps"]
    return []


def number_of(value: float) -> Decimal:
    """A number of a document, as it is written there."""
    return Decimal(int(value)) if value == int(value) else Decimal(str(value))


def written(number: Decimal, shape: Shape) -> str:
    """A literal of the type in which the arithmetic is done."""
    return f"'{number:f}'::{arithmetic(shape)}"


def arithmetic(shape: Shape) -> str:
    """Floats stay floats, all else is numeric: exact, and without an end near."""
    return "float8" if shape.kind in FLOATS else "numeric"
