"""``round``, ``bucket`` and ``clamp``: numbers that say less."""

from __future__ import annotations

from abc import ABC, abstractmethod
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import Field, model_validator

from appliance.documents.model import wrong
from appliance.masking.catalogue.measures.limits import arithmetic, ends_of, misfit, number_of, written
from appliance.masking.mask import Mask, Masked, Original, Params, Promises
from appliance.masking.scope import Scope
from appliance.masking.shape import FLOATS, INTEGERS, Kind, Shape, Value

NUMBERS: frozenset[Kind] = INTEGERS | FLOATS | frozenset[Kind]({"numeric"})
_FORMAT = "NaN and infinity stay; numbers beyond 1e100 (floats 1e30) become that"
P = TypeVar("P", bound=Params)


class Coarser(Mask[P], ABC):
    """A mask of numbers that changes nothing where it is applied again, so that what it leaves is found."""

    kinds = NUMBERS
    proof = "partial"
    originals: ClassVar[tuple[Original, ...]] = (Original("1847", "integer"), Original("-36.6", "numeric"))

    @abstractmethod
    def coarse(self, number: str, shape: Shape, params: P) -> str:
        """The SQL of the result, of a finite number of the type of the arithmetic."""

    @abstractmethod
    def plain(self, number: Decimal, params: P, *, whole: bool) -> Decimal:
        """The same in Python."""

    def compile(self, value: Value, params: P, scope: Scope) -> Masked:
        """Inside the type's ends."""
        shape, sql = value.shape, value.sql
        ends = ends_of(shape)
        lowest, highest = written(ends.lowest, shape), written(ends.highest, shape)
        near = f"least(greatest({sql}::{arithmetic(shape)}, {lowest}), {highest})"
        finite = f"{sql} IS NOT NULL"
        if shape.kind == "numeric":
            finite = f"scale({sql}) IS NOT NULL"
        elif shape.kind in FLOATS:
            finite = f"{sql} NOT IN ('NaN', 'Infinity', '-Infinity')"
        made = f"CASE WHEN {finite} THEN ({self.coarse(near, shape, params)})::{shape.cast} ELSE {sql} END"
        return Masked(made, "partial", leak_sql=f"{sql} IS DISTINCT FROM ({made})")

    def example(self, original: Original, params: P) -> str:
        """A whole number, and one with a digit after the point."""
        made = self.plain(Decimal(original.text), params, whole=original.type == "integer")
        return f"{made:f}"


class RoundParams(Params):
    """How far."""

    to: float = Field(
        gt=1e-6,
        le=1e15,
        description="The result is a multiple of this; halves go away from zero, of floats to the even one.",
        examples=[100],
    )


class Round(Coarser[RoundParams]):
    """The nearest multiple."""

    name = "round"
    summary = "Rounds a number to the nearest multiple of a step."
    params = RoundParams
    promises = Promises(deterministic="yes: there is no key", length="fits the column's type", format=_FORMAT)
    hides = "where within a step a number is."
    learnt = "every number up to half a step; there is no key."

    def coarse(self, number: str, shape: Shape, params: RoundParams) -> str:
        step = number_of(params.to)
        ends = ends_of(shape)
        least, most = _inside(ends.lowest, ends.highest, step)
        rounded = f"round({_divided(number, step, shape)}) * {written(step, shape)}"
        return f"greatest(least({rounded}, {written(most, shape)}), {written(least, shape)})"

    def plain(self, number: Decimal, params: RoundParams, *, whole: bool) -> Decimal:
        step = number_of(params.to)
        return (number / step).quantize(Decimal(1), ROUND_HALF_UP) * step + 0

    def problems(self, shape: Shape, params: RoundParams, scope: Scope) -> list[str]:
        """A step that is no number of the type."""
        return misfit(shape, "to", number_of(params.to))


class BucketParams(Params):
    """Either buckets of one size, or their lower ends."""

    size: float | None = Field(
        default=None,
        gt=1e-6,
        le=1e15,
        description="How wide each bucket is; one begins at zero.",
        examples=[10],
    )
    bounds: Annotated[tuple[float, ...], Field(min_length=1, max_length=100)] | None = Field(
        default=None,
        description="Where buckets begin, in rising order, instead of size. What is lower is in the first.",
        examples=[[0, 18, 30, 45, 65]],
    )
    show: Literal["low", "middle"] = Field(
        default="low",
        description="Which number stands for all of a bucket of one size: its lower end, or its middle.",
        examples=["middle"],
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> BucketParams:
        if (self.size is None) == (self.bounds is None):
            raise wrong("neither size nor bounds is given, or both are", "one of them")
        if self.bounds is not None and list(self.bounds) != sorted(set(self.bounds)):
            raise wrong("bounds are not in rising order", "each larger than the one before")
        if self.bounds is not None and self.show != "low":
            raise wrong("show is given with bounds, whose buckets have no middle", "show with size")
        return self


class Bucket(Coarser[BucketParams]):
    """One number for all of a bucket."""

    name = "bucket"
    summary = "Replaces a number with the one that stands for its bucket."
    params = BucketParams
    promises = Promises(deterministic="yes: there is no key", length="fits the column's type", format=_FORMAT)
    hides = "where within a bucket a number is."
    learnt = "every number's bucket; there is no key."

    def example_params(self) -> dict[str, object]:
        """One of both ways."""
        return {"size": 10, "show": "middle"}

    def plain_params(self) -> BucketParams:
        """One of both must be set."""
        return BucketParams(size=10)

    def coarse(self, number: str, shape: Shape, params: BucketParams) -> str:
        if params.bounds is not None:
            bounds = [written(number_of(each), shape) for each in params.bounds]
            cases = " ".join(f"WHEN {number} >= {each} THEN {each}" for each in reversed(bounds[1:]))
            return f"CASE {cases} ELSE {bounds[0]} END" if cases else bounds[0]
        step, more = number_of(params.size or 1), _more(params, shape)
        ends = ends_of(shape)
        least, most = _inside(ends.lowest - more, ends.highest - more, step)
        low = f"floor({_divided(number, step, shape)}) * {written(step, shape)}"
        low = f"greatest(least({low}, {written(most, shape)}), {written(least, shape)})"
        return f"{low} + {written(more, shape)}" if more else low

    def plain(self, number: Decimal, params: BucketParams, *, whole: bool) -> Decimal:
        if params.bounds is not None:
            bounds = [number_of(each) for each in params.bounds]
            return max([each for each in bounds if each <= number], default=bounds[0])
        step, more = number_of(params.size or 1), _more(params, Shape("integer" if whole else "numeric", ""))
        return (number / step).quantize(Decimal(1), ROUND_FLOOR) * step + more

    def problems(self, shape: Shape, params: BucketParams, scope: Scope) -> list[str]:
        """Steps and bounds that are no numbers of the type."""
        if params.bounds is not None:
            return [text for each in params.bounds for text in misfit(shape, "bounds", number_of(each))]
        step = number_of(params.size or 1)
        return misfit(shape, "size", step) or misfit(shape, "half of size", _more(params, shape))


def _divided(number: str, step: Decimal, shape: Shape) -> str:
    """A quotient that does not underflow."""
    if shape.kind in FLOATS:
        number = f"CASE WHEN abs({number}) < '1e-30'::float8 THEN 0 ELSE {number} END"
    return f"({number}) / {written(step, shape)}"


def _more(params: BucketParams, shape: Shape) -> Decimal:
    """From a bucket's lower end to what stands for it."""
    half = number_of(params.size or 1) / 2
    if params.show == "low":
        return Decimal(0)
    return half.to_integral_value(ROUND_FLOOR) if shape.kind in INTEGERS else half


def _inside(lowest: Decimal, highest: Decimal, step: Decimal) -> tuple[Decimal, Decimal]:
    """The lowest and the highest multiple of a step between two ends."""
    return (
        (lowest / step).to_integral_value(ROUND_CEILING) * step,
        (highest / step).to_integral_value(ROUND_FLOOR) * step,
    )


class ClampParams(Params):
    """Between what."""

    min: float | None = Field(default=None, description="What is less becomes this.", examples=[0])
    max: float | None = Field(default=None, description="What is more becomes this.", examples=[90])

    @model_validator(mode="after")
    def _some(self) -> ClampParams:
        if self.min is None and self.max is None:
            raise wrong("neither min nor max is given", "one of them, or both")
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise wrong("min is not less than max", "the smaller one as min")
        return self


class Clamp(Coarser[ClampParams]):
    """Outliers become the limit; all else stays."""

    name = "clamp"
    summary = "Replaces outliers by a limit, and keeps all other numbers."
    params = ClampParams
    promises = Promises(deterministic="yes: there is no key", length="fits the column's type", format=_FORMAT)
    hides = "by how much a number is beyond a limit."
    learnt = "every number within the limits, and which are beyond them; there is no key."

    def plain_params(self) -> ClampParams:
        """One of both must be set."""
        return ClampParams(min=0, max=90)

    def coarse(self, number: str, shape: Shape, params: ClampParams) -> str:
        for name, limit in (("greatest", params.min), ("least", params.max)):
            if limit is not None:
                number = f"{name}({number}, {written(number_of(limit), shape)})"
        return number

    def plain(self, number: Decimal, params: ClampParams, *, whole: bool) -> Decimal:
        if params.min is not None:
            number = max(number, number_of(params.min))
        return number if params.max is None else min(number, number_of(params.max))

    def problems(self, shape: Shape, params: ClampParams, scope: Scope) -> list[str]:
        """Limits that are no numbers of the type."""
        limits = (("min", params.min), ("max", params.max))
        return [
            text
            for name, limit in limits
            if limit is not None
            for text in misfit(shape, name, number_of(limit))
        ]
