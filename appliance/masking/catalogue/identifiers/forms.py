"""How national numbers are built: what is drawn, the check digits that follow, and how it is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from appliance.masking.examples import draw
from appliance.masking.expressions.digits import (
    digit,
    luhn,
    mod_11_10,
    picked_sign,
    plain_luhn,
    plain_mod_11_10,
    plain_verhoeff,
    verhoeff,
    weighted,
)
from appliance.masking.expressions.drawing import Digest


@dataclass(frozen=True)
class Step:
    """What a check digit, or another order, makes of the text so far: in SQL over SQL, and in Python."""

    sql: Callable[[str], str]
    plain: Callable[[str], str]


_ELEVEN_DOWN = "00987654321"
"""11 minus the rest, and 0 for the rests 0 and 1."""
_ROOM = 10**15
"""Of the 62 bits of half a digest: a choice among so many is even but for a share of 2**-12."""


@dataclass(frozen=True)
class Piece:
    """One of ``count`` signs or numbers that is drawn, or with a count of 1 a fixed text."""

    count: int
    shown: Callable[[str], str]
    """From the SQL of a bigint below ``count`` to SQL text."""
    plain: Callable[[int], str]
    """The same in Python."""


@dataclass(frozen=True)
class Form:
    """A number of one country."""

    name: str
    pieces: tuple[Piece, ...]
    steps: tuple[Step, ...]
    written: str
    """A # for each character, and what stands between them where a value has anything between."""

    @property
    def length(self) -> int:
        """Characters without what stands between them."""
        return self.written.count("#")

    def drawn(self, digest: Digest) -> str:
        """The SQL of all pieces, from two numbers of the digest."""
        parts, room, first = [], 1, 0
        for piece in self.pieces:
            if room * piece.count > _ROOM:
                room, first = 1, 8
            number = f"mod({digest.number(first, 62)} / {room}, {piece.count})"
            parts.append(piece.shown(number))
            room *= piece.count
        return f"({' || '.join(parts)})"

    def whole(self, digest: Digest, name: str) -> str:
        """The SQL of the number without anything between; ``name`` is a column that stands for it."""
        sql = f"SELECT {self.drawn(digest)} AS {name} OFFSET 0"
        for step in self.steps:
            sql = f"SELECT {step.sql(name)} AS {name} FROM ({sql}) AS appliance_step OFFSET 0"
        return f"({sql})"

    def example(self, digest: bytes) -> str:
        """The number in Python, without anything between."""
        text, room, first = "", 1, 0
        for piece in self.pieces:
            if room * piece.count > _ROOM:
                room, first = 1, 8
            text += piece.plain(draw.number(digest, first, 62) // room % piece.count)
            room *= piece.count
        for step in self.steps:
            text = step.plain(text)
        return text

    def example_apart(self, text: str) -> str:
        """``apart`` in Python."""
        signs = iter(text)
        return "".join(next(signs) if each == "#" else each for each in self.written)

    def apart(self, text: str) -> str:
        """The SQL of the number as people write it."""
        parts, place = [], 1
        for group in _groups(self.written):
            if group[0] == "#":
                parts.append(f"substr({text}, {place}, {len(group)})")
                place += len(group)
            else:
                parts.append(f"'{group}'")
        return " || ".join(parts)

    @property
    def numbers(self) -> int:
        """How many there are."""
        return prod(piece.count for piece in self.pieces)


def _groups(written: str) -> list[str]:
    found: list[str] = []
    for each in written:
        if found and (each == "#") == (found[-1][0] == "#"):
            found[-1] += each
        else:
            found.append(each)
    return found


def number(first: int, last: int, width: int) -> Piece:
    """A number in a range, with zeros before it."""
    return Piece(
        last - first + 1,
        lambda drawn: f"lpad(({first} + {drawn})::text, {width}, '0')",
        lambda drawn: f"{first + drawn:0{width}}",
    )


def digits(count: int) -> Piece:
    """So many digits."""
    return number(0, 10**count - 1, count)


def one_of(texts: str, width: int = 1) -> Piece:
    """One of some texts of the same width, which stand side by side."""
    return Piece(
        len(texts) // width,
        lambda drawn: f"substr('{texts}', 1 + {width} * {drawn}::int, {width})",
        lambda drawn: texts[width * drawn : width * (drawn + 1)],
    )


def fixed(text: str) -> Piece:
    return one_of(text, len(text))


BIRTHDAY = (number(40, 99, 2), number(1, 12, 2), number(1, 28, 2))
"""Year, month, day: 1940 to 1999."""


def luhn_after(count: int, skipped: int = 0) -> Step:
    """Luhn's digit of ``count`` digits after ``skipped`` characters."""
    return Step(
        lambda text: f"{text} || {luhn(f'substr({text}, {skipped + 1})', count)}",
        lambda text: text + plain_luhn(text[skipped:]),
    )


def looked_up(weights: Sequence[int], modulus: int, signs: str) -> Step:
    """The sign in the place that a weighted sum has, modulo something."""
    return Step(
        lambda text: f"{text} || {picked_sign(signs, f'mod({weighted(text, weights)}, {modulus})')}",
        lambda text: text + signs[_sum(text, weights) % modulus],
    )


def eleven_minus(weights: tuple[int, ...]) -> Step:
    """11 minus the sum modulo 11, where 10 and 11 become 0."""
    return looked_up(weights, 11, _ELEVEN_DOWN)


def mod_97(count: int) -> Step:
    """What is missing to the next multiple of 97, of the first digits as one number."""
    return Step(
        lambda text: f"{text} || {two_digits(f'97 - mod(left({text}, {count})::bigint, 97)')}",
        lambda text: f"{text}{97 - int(text[:count]) % 97:02}",
    )


def rest_of(count: int, modulus: int, signs: str = "", skipped: int = 0) -> Step:
    """The rest of the first digits as one number, without those of ``skipped``, or the sign in its place."""
    end = f"right({{}}, {count - skipped})" if skipped else "''"

    def sql(text: str) -> str:
        whole = f"left({text}, {skipped or count})"
        whole = f"({whole} || {end.format(text)})::bigint" if skipped else f"{whole}::bigint"
        rest = f"mod({whole}, {modulus})"
        return f"{text} || {picked_sign(signs, f'{rest}::int') if signs else two_digits(rest)}"

    def plain(text: str) -> str:
        whole = text[:skipped] + text[len(text) - count + skipped :] if skipped else text[:count]
        rest = int(whole) % modulus
        return text + (signs[rest] if signs else f"{rest:02}")

    return Step(sql, plain)


def pair(weights: Sequence[int], check: Callable[[int], int]) -> Step:
    """The last drawn digit and its check digit together, where some sums would have no check digit.

    ``weights`` are those of all drawn digits. For each sum of the others and each drawn digit a table has the
    next digit that has a check digit, and this.
    """
    table = ""
    for total in range(11):
        for drawn in range(10):
            choices = [(drawn + more) % 10 for more in range(10)]
            last = next(each for each in choices if check((total + weights[-1] * each) % 11) < 10)
            table += f"{last}{check((total + weights[-1] * last) % 11)}"
    count = len(weights)

    def sql(text: str) -> str:
        place = f"20 * mod({weighted(text, weights[:-1])}, 11) + 2 * {digit(text, count)}"
        return f"left({text}, {count - 1}) || substr('{table}', 1 + {place}, 2)"

    def plain(text: str) -> str:
        place = 20 * (_sum(text, weights[:-1]) % 11) + 2 * int(text[count - 1])
        return text[: count - 1] + table[place : place + 2]

    return Step(sql, plain)


def behind(more: str) -> Step:
    return Step(lambda text: f"{text} || '{more}'", lambda text: text + more)


def two_digits(sql: str) -> str:
    return f"lpad(({sql})::text, 2, '0')"


def iso_11_10(count: int) -> Step:
    """The check digit of ISO 7064, MOD 11,10, of so many digits."""
    return Step(lambda text: f"{text} || {mod_11_10(text, count)}", lambda text: text + plain_mod_11_10(text))


def verhoeff_after(count: int) -> Step:
    """Verhoeff's check digit of so many digits."""
    return Step(lambda text: f"{text} || {verhoeff(text, count)}", lambda text: text + plain_verhoeff(text))


def _sum(text: str, weights: Sequence[int]) -> int:
    return sum(int(each) * weight for each, weight in zip(text, weights, strict=False) if weight)
