"""What secrets and personal data look like, as patterns that take linear time on a bounded line.

Each shape errs towards removing: a report that lost a number is less useful, one that kept a phone number is
a breach. What our own messages need to stay readable (names in quotes behind a noun, moments, byte counts) is
told apart by what stands around it.
"""

from __future__ import annotations

import re

GONE = "[removed]"

_ADDRESS = re.compile(r"\b[A-Za-z][A-Za-z0-9]*+(?:\+[A-Za-z0-9]++)?://\S+")
_ASSIGNED = re.compile(
    r"""(?ix) ( \b \w*? (?: password | passwd | passphrase | pwd | secret | token | credential s?
        | api_?key | private_?key | authorization | cookie | session_?id ) \w*+ ["']?
        \s*+ (?: [=:] | => ) \s*+ )
        (?: (?: bearer | basic ) \s++ )? (?: '[^']*+' | "[^"]*+" | [^\s,;)}\]]++ )"""
)
_LIBPQ = re.compile(r"(?i)\b(host|hostaddr|user|passfile|sslkey|service)\s*+=\s*+(?:'[^']*+'|[^\s,;)]++)")
_AUTHORITY = re.compile(r"(?i)\b(bearer|basic)\s++[A-Za-z0-9._~+/=-]{6,}+")
_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%'&*/=?^`{|}~!#$-]++@[\w-]++(?:\.[\w-]++)*+")
_IBAN = re.compile(r"(?i)(?<![a-z0-9])[a-z]{2}\d{2}(?: ?[a-z0-9]{4}){2,7}(?: ?[a-z0-9]{1,4})?(?![a-z0-9])")
_IPV4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d])(?:/\d{1,2})?")
_IPV6 = re.compile(r"(?i)(?<![\w:])(?=[0-9a-f]*+:[0-9a-f]*+:)[0-9a-f:]{3,45}+(?:%\w++)?(?![\w:])")
_PREFIXED = re.compile(
    r"\beyJ[\w-]{8,}+(?:\.[\w-]++)*+|\b(?:ap[dle]|gh[pousr]|sk|pk|xox[abp]|glpat|AKIA)[_-]?[A-Za-z0-9_-]{12,}+"
)
_LONG_WORD = re.compile(r"[A-Za-z0-9_+=-]{24,}+(?:\.[A-Za-z0-9_+=-]{8,}+)*+")
_MOMENT = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9}+)?)?"
_DIGITS = re.compile(rf"(?P<moment>(?<!\d){_MOMENT})|(?P<run>\+?\(?\d(?:[ ()./\-]{{0,3}}+\d)*+)")
_SHORT_PHONE = re.compile(r"(?<![\w.-])\d{3}[-. ]\d{4}(?![\w-])")
_SOCIAL_SECURITY = re.compile(r"(?<!\d)\d{3}[- ]\d{2}[- ]\d{4}(?!\d)")
_UNIT = re.compile(r" ?(?:bytes?|rows?|[kKMGT]i?B|B|ms|seconds?)\b")
_KEY_VALUES = re.compile(
    r"(?:=\(|\b(?:row|rows?|key|record|values?) contains? \(|\bVALUES\s*+\().*", re.IGNORECASE
)

_NOUN = re.compile(
    r"(?i)\b(?:workflow|run|step|mask|connection|table|column|relation|constraint|index|schema|type|function|sequence"
    r"|extension|database|view|trigger|partition|domain|id)\s$"
)
_NAME = re.compile(r"[^\W\d][\w.$-]{0,80}+")
_QUOTED = re.compile(
    r"""(?<!\w)'(?P<single>.*?)'(?!\w) | "(?P<double>(?:[^"\\]|\\.)*+)"
        | „.*?[“”] | [“”].*?[“”] | «.*?» | ».*?« | (?P<open>(?<!\w)['"„“«»].*)""",
    re.VERBOSE,
)

FEW_DIGITS = 9
"""A telephone number has rarely fewer digits, an SSN has exactly so many."""
MANY_DIGITS = 13
"""A card has at least so many; nothing of ours that people must read has."""
_HEX = frozenset("0123456789abcdefABCDEF-")


def scrub_line(text: str) -> str:
    """One line, at most a few thousand characters long, without anything that has one of the shapes."""
    text = _KEY_VALUES.sub(GONE, text)
    text = _ADDRESS.sub(GONE, text)
    text = _ASSIGNED.sub(rf"\1{GONE}", text)
    text = _LIBPQ.sub(rf"\1={GONE}", text)
    text = _AUTHORITY.sub(rf"\1 {GONE}", text)
    text = _QUOTED.sub(_quoted, text)
    text = _EMAIL.sub(GONE, text)
    text = _IBAN.sub(_account, text)
    text = _IPV6.sub(_address, text)
    text = _IPV4.sub(GONE, text)
    text = _PREFIXED.sub(GONE, text)
    text = _LONG_WORD.sub(_long_word, text)
    text = _SOCIAL_SECURITY.sub(GONE, text)
    text = _DIGITS.sub(_digits, text)
    return _SHORT_PHONE.sub(GONE, text)


def opens_quote(text: str) -> bool:
    """Whether something quoted begins in this line and does not end in it."""
    return any(match["open"] is not None for match in _QUOTED.finditer(text))


def _quoted(match: re.Match[str]) -> str:
    """Keep what is quoted only where a noun says that it is a name, and it looks like one."""
    inner = match["single"] if match["single"] is not None else match["double"]
    if inner is not None and _NAME.fullmatch(inner) and _NOUN.search(match.string, 0, match.start()):
        return match.group()
    if inner is not None and (not inner or inner == GONE):
        return match.group()
    return GONE


def _account(match: re.Match[str]) -> str:
    """An IBAN has digits in it throughout; ``as24 this that then`` has not."""
    return GONE if sum(character.isdigit() for character in match.group()) >= 8 else match.group()


def _address(match: re.Match[str]) -> str:
    """``12:34:56`` is a time; an address of version 6 has a letter, an empty group or more groups."""
    groups = match.group().split("%")[0].split(":")
    is_time = len(groups) == 3 and all(group.isdecimal() and len(group) <= 2 for group in groups)
    return match.group() if is_time else GONE


def _long_word(match: re.Match[str]) -> str:
    """Random text mixes capitals, small letters and digits; names and ids of ours do not."""
    return GONE if any(_is_random(part) for part in match.group().split(".")) else match.group()


def _is_random(word: str) -> bool:
    kinds = (any(c.isupper() for c in word), any(c.islower() for c in word), any(c.isdigit() for c in word))
    return (len(word) >= 24 and all(kinds)) or (len(word) >= 32 and _HEX.issuperset(word))


def _digits(match: re.Match[str]) -> str:
    if match["moment"]:
        return match.group()
    run = match["run"]
    count = sum(character.isdigit() for character in run)
    before = match.string[match.start() - 1 : match.start()]
    if count < FEW_DIGITS or (before == "_" and count < MANY_DIGITS):
        return run
    if run.isdigit() and count < 16 and _UNIT.match(match.string, match.end()):
        return run
    return GONE
