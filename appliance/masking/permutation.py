"""A keyed permutation of whole numbers: every number gets another one of the same type, and none twice.

A Feistel network (Luby and Rackoff, 1988) of four rounds over the bits below the sign, which stays. The
halves may differ in size by a bit. Every step is repeated where it is needed, instead of being computed once
in a subquery, because that is faster: the eleven hashes cost some 30 ns each.
"""

from __future__ import annotations

BITS = {"smallint": 15, "integer": 31, "bigint": 63}
"""Below the sign."""
_LOW_BITS = {"smallint": 8, "integer": 16, "bigint": 32}


def permuted(value: str, kind: str, cast: str, seed: str) -> str:
    """The SQL of another number of the same type; NULL for NULL. ``value`` is of that type."""
    bits, low_bits = BITS[kind], _LOW_BITS[kind]
    high_mask, low_mask = (1 << (bits - low_bits)) - 1, (1 << low_bits) - 1
    number = f"{value}::bigint"
    high = f"(({number} >> {low_bits}) & {high_mask})"
    low = f"({number} & {low_mask})"
    for step in (1, 3):
        high = f"({high} # ({_round(low, seed, step)} & {high_mask}))"
        low = f"({low} # ({_round(high, seed, step + 1)} & {low_mask}))"
    sign = f"(({number} >> 63) << {bits})"
    return f"({sign} | ({high} << {low_bits}) | {low})::{cast}"


def _round(half: str, seed: str, step: int) -> str:
    return f"hashint8extended({half}, {seed} # {step})"
