"""The regular expressions of ``text_scrub``, as PostgreSQL reads them, for a database of some encoding.

No pattern can begin again inside what another one has left behind: that holds brackets, letters and a hyphen
at most, and none of the patterns crosses a square bracket. So scrubbing twice is scrubbing once.
Nothing is matched lazily, nothing refers back, and what repeats without a limit is one set of characters
that always ends in a match or at its first other character, so the time is linear in the text's length.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Literal

from appliance.scrubbing.lookalikes import ranges, written_for

Scrubbed = Literal["email", "ip", "card", "ssn", "phone"]
ALL: tuple[Scrubbed, ...] = ("email", "ip", "card", "ssn", "phone")
"""In the order in which they are looked for."""

_ONE_BYTE = {
    **{
        f"LATIN{number}": f"iso8859-{part}"
        for number, part in enumerate((1, 2, 3, 4, 9, 10, 13, 14, 15, 16), 1)
    },
    **{f"ISO_8859_{part}": f"iso8859-{part}" for part in (5, 6, 7, 8)},
    **{
        f"WIN{page}": f"cp{page}" for page in (866, 874, 1250, 1251, 1252, 1253, 1254, 1255, 1256, 1257, 1258)
    },
    "KOI8R": "koi8-r",
    "KOI8U": "koi8-u",
}
"""PostgreSQL's names, and Python's: in these a character's number in a pattern is its byte."""
_ANY_BYTE = "\\u0080-\\u00ff"
_CLOSING = ")]}>"


@dataclass(frozen=True)
class Pattern:
    """What is looked for, and a cheap look that every text with a match passes."""

    kind: Scrubbed
    regex: str
    guard: str = ""
    """A condition over ``{text}``; empty where the search itself is as cheap."""
    short: str = ""
    """A shorter expression that finds the same in every text for which ``unless`` is false."""
    unless: str = ""
    """A condition over ``{text}``."""


@cache
def patterns(encoding: str) -> tuple[Pattern, ...]:
    """All patterns, in the order in which they are applied."""
    digit = f"[{_digits(encoding)}]"
    between = _class(encoding, r" \n\r\t._/\\,:;|~*+'", " -._/")
    loose = _class(encoding, r" \n\r\t._/+", " -._/")
    blank = _class(encoding, r" \t", " ")
    most = 6 if encoding == "SQL_ASCII" else 3
    close = f"{_class(encoding, ' _', ' -_')}{{0,{most}}}"
    some, loose = f"{between}{{1,{most}}}", f"{loose}{{0,{most}}}"
    blank = f"{blank}{{0,{most}}}"
    # Not across brackets: an area code's go with it, and a number inside brackets leaves both of them.
    unit = f"(?:{digit}|\\([^][()[:alpha:]]{{1,5}}\\))"
    code = "\\([^][()[:alpha:]]{3,5}\\)"
    numbers = (
        f"{code}(?:{loose}{unit}){{3}}",
        f"{digit}(?:{loose}{digit}){{1,4}}{loose}{code}{loose}{unit}",
        f"{unit}(?:{loose}{unit}){{5}}",
    )
    many = f"{digit}(?:[^A-Za-z{_digits(encoding)}]*{digit})"
    # Only text with a character beyond ASCII can have another one for a dot or an @.
    high = " OR octet_length({text}) <> length({text})" if encoding == "UTF8" else " OR {text} ~ '[^ -~]'"
    four = f"{digit}{{4}}"
    three_groups = f"{four}{some}{digit}{{6}}{some}{digit}{{4,5}}"
    at = f"[@{_others(encoding, '@')}]"
    in_brackets = f"[[({{<](?:[aA][tT]|{at})[])}}>]"
    word = f'[^][[:space:]@{_others(encoding, "@")}<>()[,;:"{{}}]+'
    # A mailbox in quotes may hold blanks, commas and quotes of its own; brackets end it, as they do all else.
    quoted = r'"(?:[^]["\\\n]|\\[^][\n]){1,64}"'
    label = f'[^][[:space:]@{_others(encoding, "@")}<>()[,;:".{{}}]+'
    dots = f"[.{_others(encoding, '.')}]"
    dot = "[[({<][dD][oO][tT][])}>]"
    host = f"{label}(?:{dots}{label}|{blank}{dot}{blank}{label})+"
    return (
        Pattern(
            "email",
            f"(?:{word}|{quoted})(?:{at}{word}|{blank}(?:{at}|{in_brackets}){blank}{host})",
            _has("@", *_CLOSING) + high,
            # Without blanks or a quote beside the @ and without brackets, mailbox and host are words.
            short=f"{word}{at}{word}",
            unless=_has(*_CLOSING, '"@', "@ ", " @", "@\t", "\t@") + high,
        ),
        Pattern("ip", _version_4(encoding, digit), "{text} LIKE '%.%.%.%'" + high),
        # At least three colons, or two side by side: 10:30:15 is a time.
        Pattern("ip", r"(?<![]0-9A-Za-z:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){3,8}", "{text} LIKE '%:%:%'"),
        Pattern("ip", r"(?<![]0-9A-Za-z:])[0-9A-Fa-f]{1,4}::[0-9A-Fa-f]{1,4}", "{text} LIKE '%::%'"),
        Pattern(
            "card",
            f"{digit}(?:{close}{digit}){{12,}}|(?:{four}{some}){{3}}{digit}{{1,7}}|{three_groups}",
            f"{{text}} ~ '{many}{{12}}'",
        ),
        Pattern("ssn", f"{digit}{{3}}{some}{digit}{{2}}{some}{digit}{{4}}"),
        # Whatever has seven digits or more, with punctuation between them: better a date too many than a
        # phone number too few.
        Pattern(
            "phone",
            f"(?:{'|'.join(numbers)})(?:{loose}{unit})+",
            short=f"{digit}(?:{loose}{digit}){{6,}}",
            unless=_has("("),
        ),
    )


@cache
def hint(encoding: str, find: tuple[Scrubbed, ...]) -> str:
    """One cheap look that every text with anything to find passes."""
    signs, besides = "", ""
    if "email" in find:
        signs += f"@{_others(encoding, '@')}"
        besides += "|[aA][tT][])}>]"
    if set(find) - {"email"}:
        signs += _digits(encoding)
    if "ip" in find:
        # An IPv6 address may do without a digit.
        besides += "|[a-fA-F]:[a-fA-F:]"
    return f"[{signs}]{besides}"


@cache
def many_digits(encoding: str) -> str:
    """A cheap look over ``{text}`` that every card, SSN and phone passes: seven digits, or an area code's
    brackets."""
    most = 6 if encoding == "SQL_ASCII" else 3
    digit = f"[{_digits(encoding)}]"
    code = f"[(][^][()[:alpha:]]{{1,5}}[)][^][A-Za-z]{{0,{most}}}{digit}"
    # Without a limit to what stands between two digits it is found in half the time.
    seven = f"{digit}(?:[^A-Za-z{_digits(encoding)}]*{digit}){{6}}"
    return f"{{text}} ~ CASE WHEN {_has('(')} THEN '{seven}|{code}' ELSE '{seven}' END"


def _has(*parts: str) -> str:
    """A condition over ``{text}``: it has one of these in it."""
    return " OR ".join(f"{{text}} LIKE '%{part}%'" for part in parts)


def _version_4(encoding: str, digit: str) -> str:
    dot = f"[.{_others(encoding, '.')}]"
    return f"{digit}{{1,3}}(?:{dot}{digit}{{1,3}}){{3}}"


def _class(encoding: str, written: str, also: str) -> str:
    """A set: what is ``written``, all that stands for one of ``also``, and a dash if that has one."""
    high = _ANY_BYTE if encoding == "SQL_ASCII" else _others(encoding, also)
    return f"[{written}{high}{'-' if '-' in also else ''}]"


def all_digits(encoding: str) -> str:
    """The digits of all scripts that an encoding has, as the inside of a set."""
    return _digits(encoding)


def _digits(encoding: str) -> str:
    return f"0-9{_others(encoding, '0123456789')}"


@cache
def _others(encoding: str, characters: str) -> str:
    """What stands for one of these in the database's encoding, as the inside of a set."""
    others = written_for(characters)
    if characters == "0123456789":
        others = "".join(each for each in others if unicodedata.category(each) == "Nd")
    if encoding == "UTF8":
        return "".join(_range(first, last) for first, last in ranges(others))
    codec = _ONE_BYTE.get(encoding)
    if codec is None:
        return ""
    encoded = (each.encode(codec, "ignore") for each in others if ord(each) >= 0x80)
    return "".join(f"\\u{byte[0]:04x}" for byte in encoded if byte)


def _range(first: int, last: int) -> str:
    return _escape(first) if first == last else f"{_escape(first)}-{_escape(last)}"


def _escape(code: int) -> str:
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
