"""``number_noise``: numbers of the same size, but not the same numbers."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field, model_validator

from appliance.documents.model import wrong
from appliance.masking.catalogue.measures.limits import misfit, number_of
from appliance.masking.examples.numbers import noise_on_integer, noise_on_numeric
from appliance.masking.expressions.bounded_noise import between, plain_between
from appliance.masking.expressions.drawing import (
    Digest,
    Message,
    float_message,
    integer_message,
    numeric_message,
)
from appliance.masking.expressions.noise import float_noise, integer_noise, numeric_noise
from appliance.masking.mask import KeyedParams, Mask, Masked, Original, Promises
from appliance.masking.scope import Scope
from appliance.masking.shape import FLOATS, INTEGERS, Kind, Shape, Value

DEFAULT_PERCENT = 10.0
_CHANCE_OF_RETURN = 1e-4


class NumberNoiseParams(KeyedParams):
    """How far a number may move: by a share of itself, or by an amount."""

    percent: float | None = Field(
        default=None,
        ge=0.1,
        le=90,
        description="The farthest a number moves, in percent of itself. Its sign stays, and zero stays zero.",
        examples=[10],
    )
    amount: float | None = Field(
        default=None,
        ge=1e-6,
        le=1e15,
        description="The farthest a number moves, in its own unit, instead of percent.",
        examples=[5],
    )

    min: float | None = Field(
        default=None,
        description="The lowest number that comes out; what would be lower comes back from there.",
        examples=[0],
    )
    max: float | None = Field(
        default=None,
        description="The highest number that comes out; what would be higher comes back from there.",
        examples=[5000],
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> NumberNoiseParams:
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise wrong("min is not less than max", "the smaller one as min")
        if self.percent is not None and self.amount is not None:
            raise wrong("percent and amount are both given", "one of them")
        return self

    @property
    def share(self) -> float | None:
        """The relative limit as a fraction; None for an absolute one."""
        if self.amount is not None:
            return None
        return (self.percent if self.percent is not None else DEFAULT_PERCENT) / 100


class NumberNoise(Mask[NumberNoiseParams]):
    """The same number always moves alike."""

    name = "number_noise"
    summary = "Moves a number a little, by a share of itself or by an amount."
    params = NumberNoiseParams
    kinds = INTEGERS | FLOATS | frozenset[Kind]({"numeric"})
    proof = "by_chance"
    promises = Promises(
        length="fits the column's range and precision",
        format="with percent the sign is kept and zero stays zero, unless `min` or `max` is on its way;"
        " NaN and infinity stay",
    )
    hides = "the exact number, within the limit."
    learnt = (
        "the size of every number, which lies within the limit; which rows have equal numbers. "
        "The n pairs open themselves and nothing else."
    )
    originals = (Original("1200.00", "numeric"), Original("-3", "integer"))

    def example_params(self) -> dict[str, object]:
        """One of the two limits."""
        return {name: value for name, value in super().example_params().items() if name != "amount"}

    def compile(self, value: Value, params: NumberNoiseParams, scope: Scope) -> Masked:
        """By the kind of number."""
        kind, sql = value.shape.kind, value.sql
        zero = f"{sql} <> 0" if params.share is not None else f"{sql} IS NOT NULL"
        if kind == "numeric":
            zero += f" AND scale({sql}) IS NOT NULL AND abs({sql}) <= '1e130000'::numeric"
        elif kind in FLOATS:
            zero += f" AND {sql} NOT IN ('NaN', 'Infinity', '-Infinity')"

        def moved(digest: Digest) -> str:
            if kind in INTEGERS:
                noisy = integer_noise(sql, kind, params.share, params.amount, digest)
            elif kind == "numeric":
                noisy = numeric_noise(sql, value.shape, params.share, params.amount, digest)
            else:
                noisy = float_noise(sql, kind, params.share, params.amount, digest)
            return between(noisy, sql, value.shape, params.min, params.max)

        masked = scope.drawn(value, params.key_of(self.name), number_message(value), moved)
        # Numbers without a unit may come back to where they were.
        bounded = params.min is not None or params.max is not None
        return Masked(
            masked,
            "by_chance",
            chance=_CHANCE_OF_RETURN if bounded else 0.0,
            normal_form_sql=f"CASE WHEN {zero} THEN {sql}::text END",
        )

    def example(self, original: Original, params: NumberNoiseParams) -> str:
        """By the kind of number."""
        key = params.key_of(self.name)
        if original.type == "integer":
            whole = int(original.text)
            noisy = noise_on_integer(whole, params.share, params.amount, key)
            return str(plain_between(noisy, whole, params.min, params.max))
        number = Decimal(original.text)
        exact = noise_on_numeric(number, params.share, params.amount, key)
        return f"{plain_between(exact, number, params.min, params.max):f}"

    def problems(self, shape: Shape, params: NumberNoiseParams, scope: Scope) -> list[str]:
        """Limits that are no numbers of the type."""
        limits = (("min", params.min), ("max", params.max))
        return [
            text
            for name, limit in limits
            if limit is not None
            for text in misfit(shape, name, number_of(limit))
        ]


def number_message(value: Value) -> Message:
    """Numbers that are equal have the same message, whatever their type's size or their zeros at the end."""
    if value.shape.kind in INTEGERS:
        return integer_message(f"{value.sql}::bigint")
    if value.shape.kind == "numeric":
        return numeric_message(value.sql)
    return float_message(f"{value.sql}::float8")
