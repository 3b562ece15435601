"""Characters that stand for a digit, a blank, a dash, a dot or an @: one table for all that looks for them.

A card's number with no-break spaces, or in full-width digits, is still a card's number. Folding takes one
character to one character, so that a place in the folded text is the same place in the text.
"""

from __future__ import annotations

import unicodedata
from functools import cache

_BLANKS = (
    "\t\u180e\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062"
    "\u2063\u2064\u2066\u2067\u2068\u2069\u3164\ufeff\u034f\u061c\u115f\u1160\u17b4\u17b5\uffa0"
)
"""What shows as a blank or not at all, beside the characters that Unicode calls spaces."""
_DASHES = "\u00ad\u2043\u2212\u02d7\u2796\u00af\u203e\u2500\u2501"
_DOTS = "\u00b7\u2022\u2024\u2027\u2219\u22c5\u3002\uff61\u30fb\uff65\u0701\u0702\u06d4\u066b"
_SLASHES = "\u2044\u2215\u29f8\u2571"
_UNDERSCORES = "\u203f\u2040\u2054\ufe4d\ufe4e\ufe4f\u2017"
_COMPATIBLE = frozenset("@.-_/()+:#*'|,~\\{}<>abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
"""What NFKC makes of full-width and small forms, one for one. Square brackets mark what was removed."""
_NOT_FOLDED = frozenset("\u00aa\u00ba")
"""Ordinals are letters of Spanish and Portuguese words."""


_BEHIND_THE_LAST = 0x20000
"""No digit, blank or sign has a higher code; what follows are ideographs."""


@cache
def table() -> dict[int, str]:
    """What every character that stands for another one is folded to."""
    found = {ord(each): " " for each in _BLANKS}
    found |= {ord(each): "-" for each in _DASHES}
    found |= {ord(each): "." for each in _DOTS}
    found |= {ord(each): "/" for each in _SLASHES}
    found |= {ord(each): "_" for each in _UNDERSCORES}
    for code in range(0x80, _BEHIND_THE_LAST):
        character = chr(code)
        category = unicodedata.category(character)
        if category in ("Cn", "Co", "Cs", "Lo") or character in _NOT_FOLDED:
            continue
        digit = unicodedata.digit(character, None)
        if digit is not None:
            found[code] = str(digit)
        elif code not in found:
            folded = _folded(character, category)
            if folded:
                found[code] = folded
    return found


def _folded(character: str, category: str) -> str:
    if category == "Zs":
        return " "
    if category == "Pd":
        return "-"
    compatible = unicodedata.normalize("NFKC", character)
    return compatible if compatible in _COMPATIBLE else ""


def fold(text: str) -> str:
    """The text with every such character as its ASCII one, at the same place."""
    return text if text.isascii() else text.translate(table())


@cache
def written_for(characters: str) -> str:
    """All characters that are folded to one of these, in order, without these themselves."""
    return "".join(chr(code) for code, folded in sorted(table().items()) if folded in characters)


def ranges(characters: str) -> list[tuple[int, int]]:
    """Runs of characters that follow one another, as code points."""
    found: list[tuple[int, int]] = []
    for code in sorted({ord(each) for each in characters}):
        if found and found[-1][1] == code - 1:
            found[-1] = (found[-1][0], code)
        else:
            found.append((code, code))
    return found
