"""``choice``: one of a list that you write, with weights."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated

from pydantic import Field, JsonValue, model_validator

from appliance.documents.model import wrong
from appliance.masking.catalogue.measures.coarser import NUMBERS
from appliance.masking.catalogue.measures.number_noise import number_message
from appliance.masking.constant_values import WrongConstantError, constant_text
from appliance.masking.examples import draw
from appliance.masking.expressions.drawing import Digest, Message, text_message
from appliance.masking.expressions.sql_text import literal
from appliance.masking.mask import Mask, Masked, Original, Promises, SubjectParams, subject_problems
from appliance.masking.scope import Scope, unless_empty
from appliance.masking.shape import Kind, Shape, Value

_EVEN = 1 << 30
Weight = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]


class ChoiceParams(SubjectParams):
    """Of what, and how often each comes."""

    values: tuple[JsonValue, ...] = Field(
        min_length=2,
        max_length=500,
        description="What may come out. Each must be a value of the column's type.",
        examples=[["basic", "plus", "pro"]],
    )
    weights: tuple[Weight, ...] | None = Field(
        default=None,
        description="How often each of the values comes, as whole numbers beside each other; by default all"
        " alike.",
        examples=[[70, 25, 5]],
    )

    @model_validator(mode="after")
    def _as_many(self) -> ChoiceParams:
        if self.weights is not None and len(self.weights) != len(self.values):
            raise wrong(
                f"there are {len(self.weights)} weights for {len(self.values)} values", "one weight a value"
            )
        return self

    def ends(self) -> list[int]:
        """The end of each value's share of the numbers that are drawn."""
        weights = self.weights or (1,) * len(self.values)
        total, so_far = sum(weights), 0
        ends: list[int] = []
        for each in weights:
            so_far += each
            ends.append(so_far * _EVEN // total)
        return ends


class Choice(Mask[ChoiceParams]):
    """Where the digest's number falls."""

    name = "choice"
    summary = "Replaces a value with one of a list, as often as you say."
    params = ChoiceParams
    kinds = NUMBERS | frozenset[Kind]({"text", "numeric", "boolean", "enum", "uuid", "inet"})
    proof = "outside_domain"
    promises = Promises(
        length="that of the values, checked against the column's",
        format="one of the values; of equal originals the same, so weights hold over many different ones",
    )
    hides = "the value; it may come out again by chance where it is in the list."
    learnt = (
        "which rows have the same output, and so may have equal values (or the same subject). The n pairs"
        " open themselves and nothing else."
    )
    originals = (Original("gold"),)

    def compile(self, value: Value, params: ChoiceParams, scope: Scope) -> Masked:
        """By the value's digest, or by that of the row's subject."""
        cast = value.shape.cast
        typed = [f"{literal(constant_text(value.shape, each))}::{cast}" for each in params.values]
        ends = params.ends()

        def chosen(digest: Digest) -> str:
            cases = (
                f"WHEN appliance_drawn < {end} THEN {each}" for end, each in zip(ends, typed, strict=True)
            )
            drawn = f"SELECT {digest.number(0, 30)} AS appliance_drawn OFFSET 0"
            return f"(SELECT CASE {' '.join(cases)} END FROM ({drawn}) AS appliance_choice)"

        source = self.drawn_from(params, _message(value), scope)
        sql = scope.drawn(value, params.key_of(self.name), source.message, chosen)
        member = Value("c.v", value.shape).text
        rows = ", ".join(f"({each})" for each in typed)
        shares = [end - start for start, end in zip([0, *ends], ends, strict=False)]
        return Masked(
            unless_empty(value, sql) if value.shape.kind == "text" else sql,
            "outside_domain",
            chance=max(shares) / _EVEN,
            output_domain_sql=f"SELECT {member} FROM (VALUES {rows}) AS c (v)",
            repeats=source.by_value,
        )

    def example(self, original: Original, params: ChoiceParams) -> str:
        """In a column of text."""
        key = params.key_of(self.name)
        if params.subject_columns:
            digest = draw.of_subject(key, params.subject_columns)
        else:
            digest = draw.of_text(key, original.text)
        drawn = draw.number(digest, 0, 30)
        chosen = next(each for end, each in zip(params.ends(), params.values, strict=True) if drawn < end)
        return chosen if isinstance(chosen, str) else json.dumps(chosen)

    def problems(self, shape: Shape, params: ChoiceParams, scope: Scope) -> list[str]:
        """Values that are none of the column's type, or a subject that is not there."""
        found = subject_problems(params, scope)
        for each in params.values:
            try:
                constant_text(replace(shape, array_cast=None), each)
            except WrongConstantError as misfit:
                found.append(f"values: {json.dumps(each, ensure_ascii=False)[:60]} {misfit}")
        return found


def _message(value: Value) -> Message:
    if value.shape.kind in NUMBERS:
        return number_message(value)
    return text_message(value.key_text)
