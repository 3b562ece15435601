"""Digits out of a digest, a keyed permutation of decimal numbers, and check digits, as SQL.

``permuted_decimal`` is the network of ``permutation.py`` on decimal halves, with addition instead of XOR, as
in FF1 of NIST SP 800-38G: as many rounds, and no number of fewer than six digits.
"""

from __future__ import annotations

from collections.abc import Sequence

from appliance.masking.bindings import KeyName
from appliance.masking.examples import draw
from appliance.masking.expressions.drawing import Digest, round_message
from appliance.masking.expressions.permutation import ROUNDS
from appliance.masking.expressions.sql_text import identifier
from appliance.masking.scope import Scope

FEWEST_DIGITS = 6
MOST_DIGITS = 18
_FROM_EIGHT_BYTES = 15
_DECIMAL = 0x80
"""In a round's number of bits: the block is decimal."""
_DOUBLED = "0246813579"
"""What Luhn's algorithm makes of a digit that it doubles."""


def drawn_digits(digest: Digest, count: int) -> str:
    """Text of so many digits, 30 at most, each as likely as the others but for a share of 2**-12."""
    parts = []
    for first in (0, 8)[: 1 + (count > _FROM_EIGHT_BYTES)]:
        here = min(count, _FROM_EIGHT_BYTES)
        parts.append(f"lpad(mod({digest.number(first, 62)}, {10**here})::text, {here}, '0')")
        count -= here
    return f"({' || '.join(parts)})"


def permuted_decimal(number: str, digits: int, scope: Scope, key: KeyName) -> str:
    """The SQL of another bigint below 10**digits, for one that is not negative; NULL for NULL."""
    low_digits = digits // 2
    high, low = (identifier(scope.alias(f"appliance_{half}")) for half in ("high", "low"))
    halves = (
        f"SELECT {number} / {10**low_digits} AS {high}, mod({number}, {10**low_digits}) AS {low} OFFSET 0"
    )
    for step in range(ROUNDS):
        source, changed = (low, high) if step % 2 == 0 else (high, low)
        below = 10 ** (digits - low_digits if step % 2 == 0 else low_digits)
        drawn = scope.digest(key, round_message(source, _DECIMAL + digits, step)).number_once(62)
        other = f"mod({changed} + {drawn}, {below}) AS {changed}"
        halves = f"SELECT {other}, {source} FROM ({halves}) AS appliance_round OFFSET 0"
    return f"(SELECT {high} * {10**low_digits} + {low} FROM ({halves}) AS appliance_rounds)"


def digit(text: str, place: int) -> str:
    """The digit at a place, from 1, of text that has a digit there."""
    return f"(ascii(substr({text}, {place}, 1)) - 48)"


def weighted(text: str, weights: Sequence[int]) -> str:
    """The sum of digits from the first on, each times its weight."""
    parts = (
        f"{weight} * {digit(text, place)}" if weight != 1 else digit(text, place)
        for place, weight in enumerate(weights, 1)
        if weight
    )
    return f"({' + '.join(parts)})"


def picked_sign(signs: str, place: str) -> str:
    """One character of a fixed text, by its place from 0."""
    return f"substr('{signs}', 1 + {place}, 1)"


def luhn(text: str, count: int) -> str:
    """Luhn's check digit for text of so many digits, as text."""
    parts = []
    for place in range(1, count + 1):
        each = digit(text, place)
        # Twice the digit, without nine where that has two digits.
        parts.append(f"{each} * 2 - {each} / 5 * 9" if (count - place) % 2 == 0 else each)
    return f"mod(10 - mod({' + '.join(parts)}, 10), 10)::text"


def mod_11_10(text: str, count: int) -> str:
    """The check digit of ISO 7064, MOD 11,10. A letter A to J stands for the state 1 to 10."""
    states = ""
    for before in range(1, 11):
        for each in range(10):
            total = (before + each) % 10 or 10
            states += chr(64 + (total * 2 % 11 or 10))
    state = "'J'"
    for place in range(1, count + 1):
        state = f"substr('{states}', 1 + 10 * (ascii({state}) - 65) + {digit(text, place)}, 1)"
    return f"mod(11 - (ascii({state}) - 64), 10)::text"


def _product(row: int, each: int) -> int:
    """In the dihedral group of the pentagon."""
    if row < 5:
        return (row + each) % 5 if each < 5 else 5 + (row + each) % 5
    return 5 + (row - each) % 5 if each < 5 else (row - each) % 5


_P1 = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
_INVERSE = "0432156789"


def verhoeff(text: str, count: int) -> str:
    """Verhoeff's check digit for text of so many digits, as text."""
    power = [tuple(range(10))]
    for _ in range(7):
        power.append(tuple(_P1[each] for each in power[-1]))
    state = "'0'"
    for step in range(1, count + 1):
        permuted = power[step % 8]
        table = "".join(str(_product(row, permuted[each])) for row in range(10) for each in range(10))
        place = f"10 * (ascii({state}) - 48) + {digit(text, count + 1 - step)}"
        state = f"substr('{table}', 1 + {place}, 1)"
    return f"substr('{_INVERSE}', 1 + ascii({state}) - 48, 1)"


def plain_luhn(text: str) -> str:
    """``luhn`` in Python."""
    total = sum(
        int(_DOUBLED[int(each)] if place % 2 == 0 else each) for place, each in enumerate(reversed(text))
    )
    return str(-total % 10)


def plain_mod_11_10(text: str) -> str:
    """``mod_11_10`` in Python."""
    state = 10
    for each in text:
        state = ((state + int(each)) % 10 or 10) * 2 % 11
    return str((11 - state) % 10)


def plain_verhoeff(text: str) -> str:
    """``verhoeff`` in Python."""
    state = 0
    for step, each in enumerate(reversed(text), 1):
        permuted = int(each)
        for _ in range(step % 8):
            permuted = _P1[permuted]
        state = _product(state, permuted)
    return _INVERSE[state]


def plain_digits(digest: bytes, count: int) -> str:
    """``drawn_digits`` in Python."""
    text = ""
    for first in (0, 8)[: 1 + (count > _FROM_EIGHT_BYTES)]:
        here = min(count, _FROM_EIGHT_BYTES)
        text += f"{draw.number(digest, first, 62) % 10**here:0{here}}"
        count -= here
    return text


def plain_permuted_decimal(value: int, digits: int, key: KeyName) -> int:
    """``permuted_decimal`` in Python."""
    low_digits = digits // 2
    high, low = divmod(value, 10**low_digits)
    for step in range(ROUNDS):
        drawn = draw.number(
            draw.of_round(key, low if step % 2 == 0 else high, _DECIMAL + digits, step), 0, 62
        )
        if step % 2 == 0:
            high = (high + drawn) % 10 ** (digits - low_digits)
        else:
            low = (low + drawn) % 10**low_digits
    return int(high * 10**low_digits + low)
