"""``constant``: the same value for everyone."""

from __future__ import annotations

import json
import typing

from pydantic import Field, JsonValue

from appliance.masking.constant_values import WrongConstantError, constant_text
from appliance.masking.expressions.sql_text import literal
from appliance.masking.mask import Mask, Masked, Original, Params, Promises
from appliance.masking.scope import Scope
from appliance.masking.shape import Kind, Shape, Value


class ConstantParams(Params):
    """The value, and what happens to NULL."""

    value: JsonValue = Field(
        description="What every value becomes. It must be a value of the column's type.",
        examples=["redacted"],
    )
    keep_null: bool = Field(
        default=False,
        strict=True,
        description="Leave NULL as it is instead of replacing it.",
        examples=[True],
    )


class Constant(Mask[ConstantParams]):
    """One typed value for all rows, checked against the column's type and length when a run is planned."""

    name = "constant"
    summary = "Replaces every value with one that you choose."
    params = ConstantParams
    kinds = frozenset(typing.get_args(Kind))
    proof = "constant"
    promises = Promises(
        deterministic="yes: always the constant",
        keeps_null="with keep_null",
        length="the constant's, checked against the column's",
        format="the constant's, checked against the column's type",
    )
    hides = "the value, whole."
    learnt = "nothing but where there is a row (with `keep_null`, which rows have a value)."
    originals = (Original("Ann Lee"), Original("NULL"))
    whole_value = True

    def compile(self, value: Value, params: ConstantParams, scope: Scope) -> Masked:
        """A literal of the column's type."""
        cast = value.shape.array_cast or value.shape.cast
        typed = f"{literal(constant_text(value.shape, params.value))}::{cast}"
        sql = f"CASE WHEN {value.sql} IS NULL THEN NULL ELSE {typed} END" if params.keep_null else typed
        text = Value(f"({typed})", value.shape).text
        return Masked(sql, proof="constant", output_domain_sql=f"SELECT {text}")

    def example(self, original: Original, params: ConstantParams) -> str:
        """The constant as it is written."""
        if original.text == "NULL" and params.keep_null:
            return "NULL"
        value = params.value
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    def problems(self, shape: Shape, params: ConstantParams, scope: Scope) -> list[str]:
        """A value that is none of the column's type, or that the source would hold against owners' CHECKs."""
        if shape.holds_checked:
            return [f"{shape.array_cast or shape.cast} is made of a domain with a CHECK; use null or keep"]
        try:
            constant_text(shape, params.value)
        except WrongConstantError as wrong:
            shown = json.dumps(params.value, ensure_ascii=False)
            shown = shown if len(shown) <= 60 else f"{shown[:60]}…"
            return [f"value: {shown} {wrong}"]
        return []
