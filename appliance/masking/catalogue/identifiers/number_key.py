"""``number_key``: another whole number, none twice."""

from __future__ import annotations

from appliance.masking.examples.numbers import permuted_integer
from appliance.masking.expressions.digits import (
    FEWEST_DIGITS,
    MOST_DIGITS,
    permuted_decimal,
    plain_permuted_decimal,
)
from appliance.masking.expressions.permutation import BITS, permuted
from appliance.masking.mask import KeyedParams, Mask, Masked, Original, Promises
from appliance.masking.scope import Scope
from appliance.masking.shape import INTEGERS, Kind, Shape, Value


class NumberKey(Mask[KeyedParams]):
    """A keyed permutation: binary for the whole-number types, decimal for numeric."""

    name = "number_key"
    summary = "Replaces a whole number that is a key with another one, none twice."
    params = KeyedParams
    kinds = INTEGERS | frozenset[Kind]({"numeric"})
    proof = "by_chance"
    promises = Promises(
        unique="yes",
        length="fits the column's range; a numeric gets at most the digits that it has room for",
        format="the sign stays; of a numeric also zero, all digits after the point, and those before its"
        " last 18",
    )
    hides = "the number, but for what the promise about its form names."
    learnt = (
        "which rows have equal values, and the sign; of a numeric also the digits after the point and those"
        " before its last 18. The n pairs open themselves and nothing else."
    )
    originals = (Original("4711", "integer"), Original("4711.50", "numeric"))

    def compile(self, value: Value, params: KeyedParams, scope: Scope) -> Masked:
        """Depends on the type."""
        key, kind = params.key_of(self.name), value.shape.kind
        if kind in INTEGERS:
            sql = permuted(value.sql, kind, value.shape.cast, scope, key)
            chance = 0.5 ** BITS[kind]
            return Masked(
                sql, "by_chance", chance=chance, preserves_distinct=True, repeats=kind != "smallint"
            )
        digits = _digits(value.shape)
        below = f"1{'0' * digits}::numeric"
        low = f"mod(trunc(abs({value.sql})), {below})"
        other = permuted_decimal(f"{low}::bigint", digits, scope, key)
        # A permutation without zero: what would become zero takes the place that zero would have.
        of_zero = permuted_decimal("0::bigint", digits, scope, key)
        moved = f"abs({value.sql}) - {low} + coalesce(nullif({other}, 0), {of_zero})"
        masked = f"scale({value.sql}) IS NOT NULL AND {low} <> 0"
        return Masked(
            f"CASE WHEN {masked} THEN sign({value.sql}) * ({moved}) ELSE {value.sql} END",
            "by_chance",
            chance=2.0 / 10**digits,
            normal_form_sql=f"CASE WHEN {masked} THEN {value.sql}::text END",
            preserves_distinct=True,
            repeats=True,
        )

    def example(self, original: Original, params: KeyedParams) -> str:
        """Of a whole number, and of one with digits after the point."""
        key = params.key_of(self.name)
        if original.type == "integer":
            return str(permuted_integer(int(original.text), key))
        whole, _, rest = original.text.partition(".")
        return f"{plain_permuted_decimal(int(whole), MOST_DIGITS, key)}{'.' if rest else ''}{rest}"

    def problems(self, shape: Shape, params: KeyedParams, scope: Scope) -> list[str]:
        """A numeric with too few digits to choose from."""
        if shape.kind != "numeric" or ((shape.scale or 0) >= 0 and _digits(shape) >= FEWEST_DIGITS):
            return []
        return [f"the column is {shape.cast}, and a key needs {FEWEST_DIGITS} digits before the point"]

    def distinct(self, shape: Shape, params: KeyedParams) -> bool:
        return True


def _digits(shape: Shape) -> int:
    if shape.precision is None:
        return MOST_DIGITS
    return min(MOST_DIGITS, shape.precision - (shape.scale or 0))
