"""``uuid``: another UUID, in a column of the type or of text."""

from __future__ import annotations

from uuid import UUID

from appliance.masking.examples import draw
from appliance.masking.expressions.drawing import Digest, text_message
from appliance.masking.expressions.sql_text import short_match
from appliance.masking.mask import KeyedParams, Mask, Masked, Original, Promises
from appliance.masking.scope import Scope, unless_empty
from appliance.masking.shape import Kind, Shape, Value

_WITHOUT_HYPHENS, _WITH_HYPHENS = 32, 36


class Uuid(Mask[KeyedParams]):
    """A version 4 UUID from the text form, so that columns of both types still join."""

    name = "uuid"
    summary = "Replaces a UUID with another one, also where it is kept as text."
    params = KeyedParams
    kinds = frozenset[Kind]({"text", "uuid"})
    proof = "disjoint"
    promises = Promises(
        unique="yes",
        length="36 characters in text, or 32 without hyphens where the column has no room for them",
        format="a UUID of version 4 in small letters; text and uuid columns with the same UUIDs still join",
    )
    hides = "the value; nothing of it is in the output."
    learnt = "which rows have equal values. The n pairs open themselves and nothing else."
    originals = (Original("0b52f1b0-6a05-4b1d-8a3e-2f5f6f3f9a01"),)

    def compile(self, value: Value, params: KeyedParams, scope: Scope) -> Masked:
        """Two of the sixteen bytes are fixed; 112 bits remain."""
        digest = scope.digest(params.key_of(self.name), text_message(value.key_text))
        made = f"{_bytes(digest)}::uuid"
        if value.shape.kind == "uuid":
            form = short_match(value.text, ".{14}4.{4}[89ab].*")
            return Masked(made, "disjoint", shape_sql=form, preserves_distinct=True)
        plain = value.shape.length is not None and value.shape.length < _WITH_HYPHENS
        sql = _bytes(digest) if plain else f"{made}::text"
        gap, groups = ("", "[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}") if plain else ("-", "")
        form = groups or gap.join(
            ("[0-9a-f]{8}", "[0-9a-f]{4}", "4[0-9a-f]{3}", "[89ab][0-9a-f]{3}", "[0-9a-f]{12}")
        )
        return Masked(
            unless_empty(value, sql),
            "disjoint",
            shape_sql=short_match(value.text, f"({form} *)?"),
            preserves_distinct=True,
        )

    def example(self, original: Original, params: KeyedParams) -> str:
        """As ``compile`` says."""
        made = bytearray(draw.of_text(params.key_of(self.name), original.text)[:16])
        made[6], made[8] = 64, 128
        return str(UUID(bytes=bytes(made)))

    def problems(self, shape: Shape, params: KeyedParams, scope: Scope) -> list[str]:
        """A column too short for a UUID."""
        if shape.length is not None and shape.length < _WITHOUT_HYPHENS:
            return [f"the column has {shape.length} characters, and a UUID needs {_WITHOUT_HYPHENS}"]
        return []

    def distinct(self, shape: Shape, params: KeyedParams) -> bool:
        return True


def _bytes(digest: Digest) -> str:
    return f"encode(set_byte(set_byte(substr({digest.sql}, 1, 16), 6, 64), 8, 128), 'hex')"
