"""``hash``: a keyed pseudonym of the same type, for identifiers that other tables refer to."""

from __future__ import annotations

from pydantic import Field

from appliance.masking.bindings import KeyName
from appliance.masking.examples.draw import shown_of_text
from appliance.masking.examples.numbers import permuted_integer
from appliance.masking.expressions.drawing import (
    SHOWN_BYTES,
    Digest,
    bytes_message,
    text_message,
    uuid_message,
)
from appliance.masking.expressions.permutation import BITS, permuted
from appliance.masking.expressions.sql_text import short_match
from appliance.masking.mask import KeyedParams, Mask, Masked, Original, Promises
from appliance.masking.scope import Scope, unless_empty
from appliance.masking.shape import INTEGERS, Kind, Shape, Value

UNIQUE_DIGITS = 16
"""64 bits: among a million values two meet with a probability of 3e-8."""
FEWEST_DIGITS = 8


class HashParams(KeyedParams):
    """How long the pseudonym of a text is."""

    length: int = Field(
        default=32,
        strict=True,
        ge=FEWEST_DIGITS,
        le=64,
        description="Hexadecimal digits of a text's pseudonym; a shorter column gets as many as fit.",
        examples=[20],
    )


class Hash(Mask[HashParams]):
    """A keyed digest for text, uuid and bytea; a keyed permutation for whole numbers."""

    name = "hash"
    summary = "Replaces a value with a keyed pseudonym of the same type."
    params = HashParams
    kinds = frozenset[Kind]({"text", "uuid", "bytea", "inet"}) | INTEGERS
    proof = "disjoint"
    promises = Promises(
        unique="yes (for text from 16 digits on; not for inet)",
        length="hexadecimal digits as given; bytea gets 32 bytes",
        format="a uuid stays a uuid (version 4), a whole number stays one of its type with its sign,"
        " an address becomes one of 10.0.0.0/8 or fd00::/8",
    )
    hides = "the value and, for text and bytes, its length: without the key no guess can be tried."
    learnt = (
        "which rows have equal values, also in other tables of the domain; of whole numbers the "
        "sign as well, of addresses the family and the length of the prefix. The n pairs open "
        "themselves and nothing else: no other original can be computed or tried."
    )
    originals = (Original("Ann Lee"), Original("4711", "integer"))

    def compile(self, value: Value, params: HashParams, scope: Scope) -> Masked:
        """Depends on the kind of value."""
        key = params.key_of(self.name)
        kind = value.shape.kind
        if kind in INTEGERS:
            sql = permuted(value.sql, kind, value.shape.cast, scope, key)
            return Masked(
                sql,
                "by_chance",
                chance=0.5 ** BITS[kind],
                preserves_distinct=True,
                repeats=kind != "smallint",
            )
        if kind == "uuid":
            version_4 = short_match(value.text, ".{14}4.{4}[89ab].*")
            sql = _uuid(scope.digest(key, uuid_message(value.sql)))
            return Masked(sql, "disjoint", shape_sql=version_4, preserves_distinct=True)
        if kind == "bytea":
            # Its text form may be too long to be made: 1 GB of bytes are 2 GB of digits.
            digest = f"encode(sha256({value.sql}), 'hex')"
            sql = scope.hmac(key, bytes_message(value.sql)).sql
            long = f"octet_length({value.sql}) = 32"
            return Masked(sql, "disjoint", normal_form_sql=digest, shape_sql=long, preserves_distinct=True)
        if kind == "inet":
            alone = f"set_masklen({value.sql}, CASE WHEN family({value.sql}) = 4 THEN 32 ELSE 128 END)"
            private = f"({alone} << '10.0.0.0/8'::inet OR {alone} << 'fd00::/8'::inet)"
            return Masked(_address(value, scope, key), "by_chance", shape_sql=private)
        return self._text(value, params, scope)

    def _text(self, value: Value, params: HashParams, scope: Scope) -> Masked:
        digits = _digits(value.shape, params)
        key, message = params.key_of(self.name), text_message(value.key_text)
        chopped = digits <= 2 * SHOWN_BYTES
        digest = scope.digest(key, message) if chopped else scope.hmac(key, message)
        unique = digits >= UNIQUE_DIGITS
        return Masked(
            unless_empty(value, digest.hex(digits)),
            "disjoint" if unique else "by_chance",
            chance=0.0 if unique else 16.0**-digits,
            shape_sql=short_match(value.text, f"([0-9a-f]{{{digits}}})?"),
            preserves_distinct=unique,
        )

    def example(self, original: Original, params: HashParams) -> str:
        """A text's digits, or another number."""
        key = params.key_of(self.name)
        if original.type == "integer":
            return str(permuted_integer(int(original.text), key))
        return shown_of_text(key, original.text, (params.length + 1) // 2).hex()[: params.length]

    def problems(self, shape: Shape, params: HashParams, scope: Scope) -> list[str]:
        """A column too short for a pseudonym."""
        if shape.kind == "text" and _digits(shape, params) < FEWEST_DIGITS:
            return [f"the column has {shape.length} characters, and a hash needs at least {FEWEST_DIGITS}"]
        return []

    def distinct(self, shape: Shape, params: HashParams) -> bool:
        """Not for addresses, nor for text of less than 64 bits."""
        if shape.kind == "text":
            return _digits(shape, params) >= UNIQUE_DIGITS
        return shape.kind != "inet"


def _digits(shape: Shape, params: HashParams) -> int:
    return params.length if shape.length is None else min(params.length, shape.length)


def _uuid(digest: Digest) -> str:
    """Two of the bytes are fixed to make it a random (version 4) UUID of RFC 9562; 112 bits remain."""
    return f"encode(set_byte(set_byte(substr({digest.sql}, 1, 16), 6, 64), 8, 128), 'hex')::uuid"


def _address(value: Value, scope: Scope, key: KeyName) -> str:
    def chosen(digest: Digest) -> str:
        number = digest.number(0, 24)
        four = f"'10.0.0.0'::inet + {number}"
        other_four = f"'10.0.0.0'::inet + ({number} # 1)"
        six = f"'fd00::'::inet + {digest.number(0, 63)}"
        four = f"coalesce(nullif({four}, {value.sql}), {other_four})"
        return f"CASE WHEN family({value.sql}) = 6 THEN {six} ELSE {four} END"

    # A constant plus NULL is NULL, so NULL stays NULL.
    return f"set_masklen({scope.drawn(value, key, text_message(value.text), chosen)}, masklen({value.sql}))"
