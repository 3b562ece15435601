"""``random_string``: letters and digits without a meaning."""

from __future__ import annotations

import base64

from pydantic import Field

from appliance.masking.examples.draw import shown_of_text
from appliance.masking.expressions.drawing import SHOWN_BYTES, text_message
from appliance.masking.expressions.sql_text import short_match
from appliance.masking.mask import KeyedParams, Mask, Masked, Original, Promises
from appliance.masking.scope import Scope, unless_empty
from appliance.masking.shape import TEXT, Shape, Value

UNIQUE_LENGTH = 16
"""82 bits: lower-case base64 holds 5.1 bits a character."""
_CHANCE = 1 / 16
"""Of a character to be the one it replaces: the likeliest, a letter, comes twice in 64."""


class RandomStringParams(KeyedParams):
    """How long it is."""

    length: int = Field(
        default=16,
        strict=True,
        ge=4,
        le=40,
        description="Characters; a shorter column gets as many as fit.",
        examples=[24],
    )


class RandomString(Mask[RandomStringParams]):
    """Lower-case letters and digits from a keyed digest."""

    name = "random_string"
    summary = "Replaces text with random-looking letters and digits."
    params = RandomStringParams
    kinds = TEXT
    proof = "disjoint"
    promises = Promises(unique="yes, from 16 characters on", length="as given", format="a-z and 0-9")
    hides = "the value and its length."
    learnt = "which rows have equal values. The n pairs open themselves and nothing else."
    originals = (Original("SN-2044-X"),)

    def compile(self, value: Value, params: RandomStringParams, scope: Scope) -> Masked:
        """base64 in lower case, with digits for its two signs."""
        length = _length(value.shape, params)
        key, message = params.key_of(self.name), text_message(value.key_text)
        chopped = 6 * length <= 8 * SHOWN_BYTES
        digest = scope.digest(key, message) if chopped else scope.hmac(key, message)
        encoded = f"encode({digest.sql}, 'base64')"
        letters = f"replace(replace(lower({encoded} COLLATE \"C\"), '+', '0'), '/', '1')"
        unique = length >= UNIQUE_LENGTH
        return Masked(
            unless_empty(value, f"left({letters}, {length})"),
            "disjoint" if unique else "by_chance",
            chance=0.0 if unique else _CHANCE**length,
            shape_sql=short_match(value.text, f"([a-z0-9]{{{length}}})?"),
            preserves_distinct=unique,
        )

    def example(self, original: Original, params: RandomStringParams) -> str:
        """For a column without a limit."""
        digest = shown_of_text(params.key_of(self.name), original.text, (6 * params.length + 7) // 8)
        letters = base64.b64encode(digest).decode().lower()
        return letters.replace("+", "0").replace("/", "1")[: params.length]

    def problems(self, shape: Shape, params: RandomStringParams, scope: Scope) -> list[str]:
        """A column too short to hide anything."""
        if _length(shape, params) < 4:
            return [f"the column has {shape.length} characters, and a random string needs at least 4"]
        return []

    def distinct(self, shape: Shape, params: RandomStringParams) -> bool:
        """If it is long enough."""
        return _length(shape, params) >= UNIQUE_LENGTH


def _length(shape: Shape, params: RandomStringParams) -> int:
    return params.length if shape.length is None else min(params.length, shape.length)
