"""What ``hash`` and ``number_noise`` make of a number, as ``permutation.py`` and ``noise.py`` say in SQL."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext

from appliance.masking.bindings import KeyName
from appliance.masking.examples import draw
from appliance.masking.expressions.noise import STEPS, scaled
from appliance.masking.expressions.permutation import BITS, LOW_BITS, ROUNDS

_LOWEST, _HIGHEST = -(1 << 31), (1 << 31) - 1
_PRECISION = 200


def permuted_integer(value: int, key: KeyName) -> int:
    """``hash`` of an ``integer``."""
    bits, low_bits = BITS["integer"], LOW_BITS["integer"]
    high_bits = bits - low_bits
    high, low = (value & ((1 << bits) - 1)) >> low_bits, value & ((1 << low_bits) - 1)
    for step in range(ROUNDS):
        if step % 2 == 0:
            high ^= _first_bits(draw.of_round(key, low, bits, step), high_bits)
        else:
            low ^= _first_bits(draw.of_round(key, high, bits, step), low_bits)
    return ((value >> 63) << bits) | (high << low_bits) | low


def noise_on_integer(value: int, share: float | None, amount: float | None, key: KeyName) -> int:
    """``number_noise`` of an ``integer`` that is neither zero, one nor at an end of the range."""
    digest = draw.of_integer(key, value)
    if share is not None:
        moved = value * (1 + float(_step(digest)) * float(scaled(share)))
    else:
        moved = value + float(_step(digest)) * float(scaled(amount or 0))
    whole = round(max(min(moved, _HIGHEST), _LOWEST))
    if whole == value or (share is not None and whole == 0):
        return value + (1 if draw.bit(digest, 3) else -1)
    return whole


def noise_on_numeric(value: Decimal, share: float | None, amount: float | None, key: KeyName) -> Decimal:
    """``number_noise`` of a ``numeric`` without a precision."""
    with localcontext() as context:
        context.prec = _PRECISION
        plain = f"{value:f}"
        trimmed = plain.rstrip("0").rstrip(".") if "." in plain else plain
        digest = draw.of_text(key, trimmed)
        scale = max(0, -int(value.as_tuple().exponent))
        if share is not None:
            kept = _rounded(value * (1 + _step(digest) * Decimal(scaled(share))), scale)
            farthest = _rounded(value * Decimal(str(1 + share)), scale + 6)
            return kept if kept not in (0, value) else farthest if farthest != value else value * 2
        largest = Decimal(str(amount))
        moved = value + _step(digest) * Decimal(scaled(amount or 0))
        kept = _rounded(moved, max(scale, max(0, -largest.adjusted()) + 3))
        return kept if kept != value else value + largest


def _step(digest: bytes) -> int:
    return draw.number(digest, 0, 20) * 2 - STEPS


def _rounded(value: Decimal, scale: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-scale), rounding=ROUND_HALF_UP)


def _first_bits(digest: bytes, width: int) -> int:
    return int.from_bytes(digest[:4], "big") >> (32 - width)
