"""How national numbers are built: what is drawn, the check digits that follow, and how it is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from appliance.masking.digits import digit, luhn, mod_11_10, picked_sign, verhoeff, weighted
from appliance.masking.drawing import Digest

Step = Callable[[str], str]
"""From the SQL of the text so far to that of the text with a check digit in it."""
_ROOM = 10**15
"""Of the 62 bits of half a digest: a choice among so many is even but for a share of 2**-12."""


@dataclass(frozen=True)
class Piece:
    """One of ``count`` signs or numbers that is drawn, or with a count of 1 a fixed text."""

    count: int
    shown: Callable[[str], str]
    """From the SQL of a bigint below ``count`` to SQL text."""


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
            sql = f"SELECT {step(name)} AS {name} FROM ({sql}) AS appliance_step OFFSET 0"
        return f"({sql})"

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
    return Piece(last - first + 1, lambda drawn: f"lpad(({first} + {drawn})::text, {width}, '0')")


def digits(count: int) -> Piece:
    """So many digits."""
    return number(0, 10**count - 1, count)


def sign(signs: str) -> Piece:
    """One of some characters."""
    return Piece(len(signs), lambda drawn: picked_sign(signs, f"{drawn}::int"))


def one_of(texts: str, width: int) -> Piece:
    """One of some texts of the same width, which stand side by side."""
    return Piece(len(texts) // width, lambda drawn: f"substr('{texts}', 1 + {width} * {drawn}::int, {width})")


def fixed(text: str) -> Piece:
    return Piece(1, lambda drawn: f"'{text}'")


BIRTHDAY = (number(40, 99, 2), number(1, 12, 2), number(1, 28, 2))
"""Year, month, day: 1940 to 1999."""


def luhn_after(count: int, skipped: int = 0) -> Step:
    """Luhn's digit of ``count`` digits after ``skipped`` characters."""
    return lambda text: f"{text} || {luhn(f'substr({text}, {skipped + 1})', count)}"


def looked_up(weights: Sequence[int], modulus: int, signs: str) -> Step:
    """The sign in the place that a weighted sum has, modulo the length of the signs."""
    return lambda text: f"{text} || {picked_sign(signs, f'mod({weighted(text, weights)}, {modulus})')}"


def of_number(count: int, modulus: int, shown: Callable[[str], str], before: str = "") -> Step:
    """What follows from the first ``count`` digits as one number, modulo something."""
    whole = "('" + before + "' || left({}, " + str(count) + "))::bigint"
    return lambda text: f"{text} || {shown(f'mod({whole.format(text)}, {modulus})')}"


def pair(weights: Sequence[int], check: Callable[[int], int], extra: int = 0) -> Step:
    """The last drawn digit and its check digit together, where some sums would have no check digit.

    ``weights`` are those of all drawn digits. For each sum of the others and each drawn digit a table has the
    next digit that has a check digit, and this.
    """
    table = ""
    for total in range(11):
        for drawn in range(10):
            choices = [(drawn + more) % 10 for more in range(10)]
            last = next(each for each in choices if check((total + weights[-1] * each + extra) % 11) < 10)
            table += f"{last}{check((total + weights[-1] * last + extra) % 11)}"
    count = len(weights)

    def step(text: str) -> str:
        place = f"20 * mod({weighted(text, weights[:-1])}, 11) + 2 * {digit(text, count)}"
        return f"left({text}, {count - 1}) || substr('{table}', 1 + {place}, 2)"

    return step


def two_digits(sql: str) -> str:
    return f"lpad(({sql})::text, 2, '0')"


def after(*steps: Callable[[str], str]) -> Step:
    """What some functions make of the text, behind it."""
    return lambda text: " || ".join([text, *(step(text) for step in steps)])


def iso_11_10(count: int) -> Step:
    return lambda text: f"{text} || {mod_11_10(text, count)}"


def verhoeff_after(count: int) -> Step:
    return lambda text: f"{text} || {verhoeff(text, count)}"
