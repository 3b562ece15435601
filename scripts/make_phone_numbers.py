"""Write the forms of phone numbers by country from libphonenumber's data. For authors; no appliance runs it.

    python -m venv /tmp/numbers && /tmp/numbers/bin/pip install phonenumbers
    /tmp/numbers/bin/python scripts/make_phone_numbers.py

A line is a country, its calling code, what is dialled before a number at home (or -), the digits of a number,
the digits that one begins with, and up to eight such beginnings in a row. After each of these every sequence
of digits makes a valid number: that is shown on the pattern itself, and tried.

A line that has been shipped stays as it is: everyone's pseudonyms follow from it.
"""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumber, PhoneNumberFormat

parser: Any = re._parser  # type: ignore[attr-defined]
TARGET = Path(__file__).parent.parent / "appliance" / "masking" / "words" / "phone_numbers.txt"
DIGITS = "0123456789"
MOST, FREE = 8, 5


class Pattern:
    """The sequences of digits that a pattern matches, as states of an automaton."""

    def __init__(self, pattern: str) -> None:
        self._moves: list[list[tuple[frozenset[str] | None, int]]] = [[]]
        self.end = self._add(parser.parse(pattern), 0)
        self._known: dict[tuple[frozenset[int], int], bool] = {}

    def begun(self) -> frozenset[int]:
        return self._closed({0})

    def after(self, states: frozenset[int], digit: str) -> frozenset[int]:
        found = {to for state in states for on, to in self._moves[state] if on is not None and digit in on}
        return self._closed(found)

    def takes_all(self, states: frozenset[int], count: int) -> bool:
        """Whether each sequence of so many digits ends in a match."""
        if not states:
            return False
        if count == 0:
            return self.end in states
        place = (states, count)
        if place not in self._known:
            self._known[place] = all(self.takes_all(self.after(states, each), count - 1) for each in DIGITS)
        return self._known[place]

    def _closed(self, states: set[int]) -> frozenset[int]:
        waiting = list(states)
        while waiting:
            for on, to in self._moves[waiting.pop()]:
                if on is None and to not in states:
                    states.add(to)
                    waiting.append(to)
        return frozenset(states)

    def _state(self) -> int:
        self._moves.append([])
        return len(self._moves) - 1

    def _step(self, begin: int, on: frozenset[str] | None) -> int:
        end = self._state()
        self._moves[begin].append((on, end))
        return end

    def _add(self, items: Any, begin: int) -> int:
        for kind, what in items:
            name = str(kind)
            if name == "LITERAL":
                begin = self._step(begin, frozenset(chr(what)))
            elif name == "IN":
                begin = self._step(begin, frozenset().union(*map(_members, what)))
            elif name == "SUBPATTERN":
                begin = self._add(what[-1], begin)
            elif name == "BRANCH":
                ends = [self._add(each, self._step(begin, None)) for each in what[1]]
                begin = self._state()
                for end in ends:
                    self._moves[end].append((None, begin))
            elif name == "MAX_REPEAT":
                least, most, inside = what
                for _ in range(least):
                    begin = self._add(inside, begin)
                ends = [begin]
                for _ in range(int(most) - least):
                    ends.append(self._add(inside, ends[-1]))
                begin = self._state()
                for end in ends:
                    self._moves[end].append((None, begin))
            else:
                raise SystemExit(f"a pattern has {name}")
        return begin


def _members(item: Any) -> frozenset[str]:
    kind, what = str(item[0]), item[1]
    if kind == "RANGE":
        return frozenset(map(chr, range(what[0], what[1] + 1)))
    return frozenset(DIGITS) if kind == "CATEGORY" else frozenset(chr(what))


def beginnings(pattern: Pattern, length: int) -> list[str]:
    """The shortest ones after which everything is valid."""
    found: list[str] = []

    def look(text: str, states: frozenset[int]) -> None:
        free = length - len(text)
        if free < FREE or not states:
            return
        if pattern.takes_all(states, free):
            found.append(text)
            return
        for digit in DIGITS:
            look(text + digit, pattern.after(states, digit))

    look("", pattern.begun())
    return found


def is_valid(region: str, code: int, national: str) -> bool:
    """As libphonenumber reads it back."""
    try:
        number = phonenumbers.parse(f"+{code}{national}")
    except NumberParseException:
        return False
    known = phonenumbers.is_valid_number(number)
    return known and phonenumbers.region_code_for_number(number) == region


def line_of(region: str) -> str | None:
    """The line of a country; none where it has too few numbers."""
    data = PhoneMetadata.metadata_for_region(region)
    chance = random.Random(region)  # noqa: S311 - which examples are tried
    for kind in (data.mobile, data.fixed_line):
        if kind is None or not kind.national_number_pattern or kind.national_number_pattern == "NA":
            continue
        pattern = Pattern(kind.national_number_pattern)
        for length in sorted(kind.possible_length, reverse=True):
            fit = [
                begun
                for begun in beginnings(pattern, length)
                if begun[0] != "0"
                and all(
                    is_valid(region, data.country_code, begun + _digits(chance, length - len(begun)))
                    for _ in range(50)
                )
            ]
            if not fit:
                continue
            spread = fit[:: max(1, len(fit) // MOST)][:MOST]
            wide = max(map(len, spread))
            same = "".join(begun + _digits(chance, wide - len(begun)) for begun in spread)
            before = trunk(data.country_code, spread[0] + _digits(chance, length - len(spread[0])))
            return f"{region} {data.country_code} {before or '-'} {length} {wide} {same}"
    return None


def trunk(code: int, national: str) -> str:
    """What a country writes before a number at home."""
    number = PhoneNumber(country_code=code, national_number=int(national))
    shown = re.sub("[^0-9]", "", phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL))
    return shown.removesuffix(national) if shown.endswith(national) else ""


def _digits(chance: random.Random, count: int) -> str:
    return "".join(chance.choice(DIGITS) for _ in range(count))


def main() -> None:
    """All countries; the first with a calling code is whose numbers a value with that code gets."""
    order = [
        region
        for _, regions in sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items())
        for region in regions
    ]
    lines = [line for region in order if region != "001" and (line := line_of(region))]
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
