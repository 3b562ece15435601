"""What secrets and personal data look like, as patterns that take linear time on a bounded line.

Each shape errs towards removing: a report that lost a number is less useful, one that kept a phone number is
a breach. What our own messages need to stay readable (names in quotes behind a noun, moments, byte counts) is
distinguished by what stands around it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from appliance.scrubbing.lookalikes import fold

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
_SPACED_EMAIL = re.compile(
    r"(?i)(?<![\w.+%-])[\w.+%'-]++\s{0,3}+(?:@|[(\[{<]\s?(?:at|@)\s?[)\]}>])\s{0,3}+"
    r"[\w-]++(?:\.[\w-]++|\s{0,3}[(\[{<]\s?dot\s?[)\]}>]\s{0,3}[\w-]++)++"
)
_IBAN = re.compile(r"(?i)(?<![a-z0-9])[a-z]{2}\d{2}(?: ?[a-z0-9]{4}){2,7}(?: ?[a-z0-9]{1,4})?(?![a-z0-9])")
_IPV4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d])(?:/\d{1,2})?")
_IPV6 = re.compile(r"(?i)(?<![\w:])(?=[0-9a-f]*+:[0-9a-f]*+:)[0-9a-f:]{3,45}+(?:%\w++)?(?![\w:])")
_PREFIXED = re.compile(
    r"\beyJ[\w-]{8,}+(?:\.[\w-]++)*+|\b(?:ap[dle]|gh[pousr]|sk|pk|xox[abp]|glpat|AKIA)[_-]?[A-Za-z0-9_-]{12,}+"
)
_DIGEST = re.compile(r"(\bsha256:[0-9a-f]{64}\b)")
_LONG_WORD = re.compile(r"[A-Za-z0-9_+=-]{24,}+(?:\.[A-Za-z0-9_+=-]{8,}+)*+")
_UUID = r"(?<![0-9A-Za-z-])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Za-z-])"
_DATE = r"(?<![\d.-])(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?![\d-])"
_MOMENT = rf"{_DATE}(?:[ T]\d\d:\d\d(?::\d\d(?:[.,]\d{{1,9}}+)?)?(?:Z|[+-]\d\d(?::?\d\d)?)?(?!\d))?"
_DIGITS = re.compile(rf"(?P<kept>{_UUID}|{_MOMENT})|(?P<run>\+?\(?\d(?:[ ()./_\-]{{0,3}}+\d)*+\)?)")
_BETWEEN = r"(?:[^\w\[\]]{1,3}|_{1,3})"
_GROUPS = re.compile(
    rf"(?<!\d)(?:\d{{4}}{_BETWEEN}\d{{4}}{_BETWEEN}\d{{4}}{_BETWEEN}\d{{1,7}}"
    rf"|\d{{4}}{_BETWEEN}\d{{6}}{_BETWEEN}\d{{4,5}}|\d{{3}}{_BETWEEN}\d{{2}}{_BETWEEN}\d{{4}})(?!\d)"
)
"""A card's number, or an SSN, by its groups of digits. Thousands come in threes."""
_THOUSANDS = re.compile(r"\d{1,3}(?:([ ._])\d{3})(?:\1\d{3})*")
_DOTTED = re.compile(r"[\d.]+")
_COUNTED = re.compile(
    r"(?i)\b(?:rows?|bytes?|pid|process|oid|xid|transaction|line|lines|page|pages|block|port|size|count|total"
    r"|offset|limit|memory|shard|attempt|timeline|relfilenode|uid|gid|version|release|postgres(?:ql)?|python"
    r"|docker|airflow|kernel|linux|debian|server|position)(?:\s?[:=]\s?|\s)$"
)
"""What stands before a number of ours."""
_UNIT = re.compile(r" ?(?:bytes?|rows?|[kKMGT]i?B|B|ms|seconds?)\b")
_KEY_VALUES = re.compile(
    r"(?:=\(|\b(?:row|rows?|key|record|values?) contains? \(|\bVALUES\s*+\().*", re.IGNORECASE
)

_NOUN = re.compile(
    r"(?i)\b(?:workflow|run|step|mask|connection|table|column|relation|constraint|index|schema|type|function|sequence"
    r"|extension|database|view|trigger|partition|domain|id)\s$"
)
_NAME = re.compile(r"[^\W\d][\w.$-]{0,80}+")
_OF_THE_SCHEMA = re.compile(
    r"(?i)\b(?:column|table|relation|constraint|index|schema|view|trigger|partition|sequence)\s$"
)
"""What stands before a double-quoted name of an object, never before a value."""
_QUOTED_NAME = re.compile(r"(?:[^\W\d]|\*\.)[\w .$*#/-]{0,62}+")
"""A name that needs quoting: with blanks, capitals or signs, no longer than PostgreSQL's names are."""
_PART_BEFORE = re.compile(r"[\w\"*]\.$")
_PART_BEHIND = re.compile(r"\.[\w\"*]")
_QUOTED = re.compile(
    r"""(?<!\w)'(?P<single>.*?)'(?!\w) | "(?P<double>(?:[^"\\]|\\.)*+)"
        | „.*?[“”] | [“”].*?[“”] | «.*?» | ».*?« | (?P<open>(?<!\w)['"„“«»].*)""",
    re.VERBOSE,
)

_FEWEST_DIGITS = 7
"""A local telephone number has so many; fewer are a year, a count, a port."""
FEW_DIGITS = 9
"""A telephone number has rarely fewer digits, an SSN has exactly so many."""
MANY_DIGITS = 13
"""A card has at least so many; nothing of ours that people must read has."""
_HEX = frozenset("0123456789abcdefABCDEF-")


def scrub_line(text: str) -> str:
    """One line, at most a few thousand characters long, without anything that has one of the shapes."""
    for pattern, replacement in _STEPS:
        text = _replaced(pattern, replacement, text)
    return text


def scrub_advice(text: str) -> str:
    """A line of our own advice: what gives access or is personal goes, quoted names and digests stay."""
    pieces = _DIGEST.split(text)
    for place in range(0, len(pieces), 2):
        for pattern, replacement in _IN_ADVICE:
            pieces[place] = _replaced(pattern, replacement, pieces[place])
    return "".join(pieces)


def _replaced(pattern: re.Pattern[str], replacement: Replacement, text: str) -> str:
    """Search in the folded text, and leave what is around as it was written."""
    folded = fold(text)
    if folded == text:
        return pattern.sub(replacement, text)
    parts, end = [], 0
    for match in pattern.finditer(folded):
        new = match.expand(replacement) if isinstance(replacement, str) else replacement(match)
        parts += [text[end : match.start()], text[slice(*match.span())] if new == match.group() else new]
        end = match.end()
    return "".join([*parts, text[end:]])


def opens_quote(text: str) -> bool:
    """Whether something quoted begins in this line and does not end in it."""
    return any(match["open"] is not None for match in _QUOTED.finditer(text))


def _quoted(match: re.Match[str]) -> str:
    """Keep what is quoted only where a noun says that it is a name, and it looks like one."""
    inner = match["single"] if match["single"] is not None else match["double"]
    if inner is not None and _NAME.fullmatch(inner) and _NOUN.search(match.string, 0, match.start()):
        return match.group()
    if match["double"] is not None and _QUOTED_NAME.fullmatch(match["double"]) and _is_of_the_schema(match):
        return match.group()
    if inner is not None and (not inner or inner == GONE):
        return match.group()
    return GONE


def _is_of_the_schema(match: re.Match[str]) -> bool:
    """``column "Full name"``, ``crm.lead."Full name"``, ``masks."crm.*.Full name"``: no value stands so."""
    text = match.string
    return bool(
        _OF_THE_SCHEMA.search(text, 0, match.start())
        or _PART_BEFORE.search(text, max(match.start() - 2, 0), match.start())
        or _PART_BEHIND.match(text, match.end())
    )


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
    if re.fullmatch(_UUID, word):
        return False
    return (len(word) >= 24 and all(kinds)) or (len(word) >= 32 and _HEX.issuperset(word))


def _digits(match: re.Match[str]) -> str:
    run = match["run"]
    if run is None:
        return match.group()
    before, after = "", ""
    if run.endswith(")") and run.count(")") > run.count("("):
        run, after = run[:-1], ")"
    elif run.startswith("(") and run.count("(") > run.count(")"):
        run, before = run[1:], "("
    start = match.start() + len(before)
    gone = _is_someones(run, match.string[:start], match.string[start + len(run) :])
    return before + (GONE if gone else run) + after


def _is_someones(run: str, before: str, after: str) -> bool:
    """Whether a run of digits could be a phone, a card or an SSN, by itself and by what is around it."""
    count = sum(character.isdigit() for character in run)
    if count < _FEWEST_DIGITS or (before.endswith("_") and count < MANY_DIGITS):
        return False
    ours = _UNIT.match(after) or _COUNTED.search(before[-40:])
    if ours and count < 16 and (run.isdigit() or _THOUSANDS.fullmatch(run) or _DOTTED.fullmatch(run)):
        return False
    # Part of a name, a path or a version. A number in groups is followed by a full stop and no name's ending.
    ending = r"[\w/:#]|[-.]\w" if run.isdigit() else r"[\w/:#]|-\w|\.\d"
    in_a_name = re.search(r"[\w./:#-]$", before) or re.match(ending, after)
    return count >= FEW_DIGITS or not in_a_name


Replacement = str | Callable[[re.Match[str]], str]
_STEPS: tuple[tuple[re.Pattern[str], Replacement], ...] = (
    (_KEY_VALUES, GONE),
    (_ADDRESS, GONE),
    (_ASSIGNED, rf"\1{GONE}"),
    (_LIBPQ, rf"\1={GONE}"),
    (_AUTHORITY, rf"\1 {GONE}"),
    (_QUOTED, _quoted),
    (_EMAIL, GONE),
    (_SPACED_EMAIL, GONE),
    (_IBAN, _account),
    (_IPV6, _address),
    (_IPV4, GONE),
    (_PREFIXED, GONE),
    (_LONG_WORD, _long_word),
    (_GROUPS, GONE),
    (_DIGITS, _digits),
)
"""In the order in which they are applied."""

_LOGIN_IN_ADDRESS = re.compile(r"\b[A-Za-z][A-Za-z0-9]*+(?:\+[A-Za-z0-9]++)?://[^\s/@]*+@\S*")
_IN_ADVICE = tuple(
    (_LOGIN_IN_ADDRESS, step[1]) if step[0] is _ADDRESS else step
    for step in _STEPS
    if step[0] not in (_KEY_VALUES, _QUOTED, _LONG_WORD)
)
"""The same for advice: an address without a name and a password in it is one to open."""
