"""``phone``: other digits in the same places."""

from __future__ import annotations

from pydantic import Field

from appliance.masking.examples import draw
from appliance.masking.expressions.drawing import Digest, text_message
from appliance.masking.expressions.sql_text import identifier
from appliance.masking.mask import Mask, Masked, Original, Promises, SubjectParams, subject_problems
from appliance.masking.scope import Scope
from appliance.masking.shape import TEXT, Shape, Value

ALWAYS_MASKED = 4
"""Characters at the end that no prefix reaches."""
_LONGEST_PHONE = 40
_PLAIN = "'[^-0-9 +()/#*.]'"
"""Everything that has no place in a phone number (negated)."""
_OTHER = "'[^ -?]'"
"""No digit and none of ASCII's punctuation before the letters (negated)."""
_LONGEST_SEARCHED = 1_000_000
_EIGHTEEN = "'000000000000000000'"
_BITS = 58
"""Of the number whose digits are shown: it has at most eighteen."""

_SHORT = 16
"""Bytes that are masked at once, eight in each of two whole numbers."""
_LENGTH_BYTES = 4
_BLANKS = f"'\\x{'20' * _SHORT}'::bytea"


class PhoneParams(SubjectParams):
    """How much of the beginning stays."""

    keep_prefix: int = Field(
        default=0,
        strict=True,
        ge=0,
        le=30,
        description="Characters kept at the beginning (a country or area code); the last four never are.",
        examples=[3],
    )


class Phone(Mask[PhoneParams]):
    """Digits become keyed digits, punctuation stays, letters become x."""

    name = "phone"
    summary = "Replaces the digits of a phone number and keeps its format."
    params = PhoneParams
    kinds = TEXT
    proof = "by_chance"
    of_person = True
    promises = Promises(length="kept", format="punctuation and blanks are kept, letters become x")
    hides = "every digit but those of the prefix that is kept."
    learnt = (
        "which rows have the same number; its length, its punctuation, and the prefix that is "
        "kept. Text that is no phone number (other characters, or more than 40 bytes) also "
        "shows which of its digits are equal. The n pairs open themselves and nothing else."
    )
    originals = (Original("+49 (170) 123-4567"),)

    def compile(self, value: Value, params: PhoneParams, scope: Scope) -> Masked:
        """A fast way for what looks like a phone number, and a careful one for all else."""
        text = value.text
        kept = f"least({params.keep_prefix}, greatest(length({text}) - {ALWAYS_MASKED}, 0))"
        prefix = f"left({text}, {kept}) || " if params.keep_prefix else ""
        rest_length = f"length({text}) - {kept}" if params.keep_prefix else f"length({text})"
        rest = f"substr({text}, {kept} + 1)" if params.keep_prefix else text

        message = text_message(value.key_text)
        source = self.drawn_from(params, message, scope)
        begun = scope.prefix(params.key_of(self.name), source.message.header)
        names = {each: identifier(scope.alias(f"appliance_{each}")) for each in ("m", "w", "d", *_WORDS)}
        digest, words = Digest(names["d"]), [names[each] for each in _WORDS]
        number = digest.number(0, _BITS)
        careful = f"{prefix}{_careful(rest, number)}"
        short = f"octet_length({text}) <= {_SHORT}"
        # Several CASEs: AND may look at its right side first, and a regular expression has its limits.
        chosen = (
            f"CASE WHEN CASE WHEN {short} THEN {_all_plain(*words[:2])} END"
            f" THEN {prefix}{_at_once(words, kept, text)}"
            f" WHEN octet_length({text}) > {_LONGEST_PHONE} THEN {careful}"
            f" WHEN {text} !~ {_PLAIN} THEN {prefix}{_fast(text, number, rest_length)} ELSE {careful} END"
        )
        drawn = f"SELECT {message.body} AS {names['m']} OFFSET 0"
        hashed = names["m"] if source.by_value else source.message.body
        drawn = (
            f"SELECT {names['m']} || {_BLANKS} AS {names['w']},"
            f" sha256({begun} || {hashed}) AS {names['d']}"
            f" FROM ({drawn}) AS appliance_message OFFSET 0"
        )
        drawn = (
            f"SELECT {names['d']}, {_words_of(names['w'], _LENGTH_BYTES, words[:2])},"
            f" {_words_of(names['d'], 0, words[2:])} FROM ({drawn}) AS appliance_draw OFFSET 0"
        )
        masked = f"CASE WHEN {text} IS NOT NULL THEN (SELECT {chosen} FROM ({drawn}) AS appliance_words) END"
        # A digit is never its own successor, so this differs wherever there is a digit to mask.
        instead = f"{prefix}translate({rest}, '0123456789', '1234567890')"
        sql = f"coalesce(nullif({masked}, {text}), {instead})"
        normal = (
            f"CASE WHEN octet_length({text}) > {_LONGEST_SEARCHED} THEN {text}"
            f" WHEN {rest} ~ '[0-9]' THEN {text} END"
        )
        shape = (
            f"CASE WHEN octet_length({text}) > {_LONGEST_SEARCHED} THEN {rest} = repeat('x', length({rest}))"
            f" ELSE {rest} !~ '[^ -?x]' END"
        )
        return Masked(sql, "by_chance", normal_form_sql=normal, shape_sql=shape)

    def example(self, original: Original, params: PhoneParams) -> str:
        """As the two ways for what looks like a phone number have it."""
        text = original.text
        digits = sum(each.isdigit() for each in text)
        key, columns = params.key_of(self.name), params.subject_columns
        digest = draw.of_subject(key, columns) if columns else draw.of_text(key, text)
        drawn = iter(f"{draw.number(digest, 0, _BITS):018}".rjust(digits, "0")[-digits:])
        if len(text) <= _SHORT:
            drawn = (str(digest[place] * 10 >> 8) for place, each in enumerate(text) if each.isdigit())
        masked = "".join(next(drawn) if each.isdigit() else each for each in text)
        kept = min(params.keep_prefix, max(len(text) - ALWAYS_MASKED, 0))
        found = text[:kept] + masked[kept:]
        if found != text:
            return found
        return text[:kept] + text[kept:].translate(str.maketrans("0123456789", "1234567890"))

    def problems(self, shape: Shape, params: PhoneParams, scope: Scope) -> list[str]:
        """A subject that is not there."""
        return subject_problems(params, scope)


_WORDS = ("a", "b", "x", "y")
"""The text's first eight bytes and the next eight, and those of the digest."""


def _each(byte: int) -> str:
    """The same in all eight bytes of a bigint."""
    return f"({int.from_bytes(bytes([byte] * 8), 'big', signed=True)})"


def _every_other(byte: int) -> int:
    return int.from_bytes(bytes([0, byte] * 4), "big")


def _words_of(sql: str, first: int, names: list[str]) -> str:
    """Eight bytes each of a bytea expression, from a byte on, as whole numbers."""
    words = []
    for place, name in enumerate(names):
        at = [f"get_byte({sql}, {first + 8 * place + each})::bigint" for each in range(8)]
        words.append(
            " | ".join(f"({byte} << {56 - 8 * each})" for each, byte in enumerate(at)) + f" AS {name}"
        )
    return ", ".join(words)


def _all_plain(*words: str) -> str:
    """Whether all bytes are digits or ASCII's punctuation before the letters."""
    return " AND ".join(f"{word} & {_each(0xE0)} = {_each(0x20)}" for word in words)


def _digits_of(word: str) -> str:
    """A digit in each byte: that of the digest times ten, over 256.

    Every other byte is left free for carries.
    """
    apart, low = _every_other(0xFF), _every_other(0x0F)
    first = f"(((({word} >> 8) & {apart}) * 10) & {low << 8})"
    return f"({first} | (((({word} & {apart}) * 10) >> 8) & {low}))"


def _at_once(words: list[str], kept: str, text: str) -> str:
    """A text of at most sixteen plain bytes, but for what is kept at its beginning, as two whole numbers.

    A byte of a digit has the bit 16 and no more than nine in its lower half. Six more make sixteen of
    anything else there, which takes the bit away; what is left of it, times fifteen, is the half to replace.
    """
    masked = []
    for word, random in zip(words[:2], words[2:], strict=True):
        is_digit = f"({word} & ~(({word} & {_each(0x0F)}) + {_each(0x06)}) & {_each(0x10)})"
        half = f"(({is_digit} >> 4) * 15)"
        masked.append(f"int8send({word} # (({word} # {_digits_of(random)}) & {half}))")
    shown = f"substr({' || '.join(masked)}, 1 + {kept}, octet_length({text}) - {kept})"
    return f"encode({shown}, 'escape')"


def _fast(text: str, number: str, length: str) -> str:
    """``to_char`` puts the digits of a number where the text's digits are.

    The format gets eighteen more digit places in front, as many as the number has, and the last characters
    are cut off again. Eight times ``replace`` is faster than one ``translate``, which compares every
    character with every other. A nine is a digit place as well. A point would be a decimal point: a bar
    stands for it.
    """
    places = f"replace({text}, '.', '|')"
    for digit in "12345678":
        places = f"replace({places}, '{digit}', '0')"
    return f"replace(right(to_char({number}, {_EIGHTEEN} || {places}), {length}), '|', '.')"


def _careful(text: str, number: str) -> str:
    """Any text: ten keyed digits for the ten digits, x for what is no punctuation."""
    ten = f"right(({number} + 1000000000000000000)::text, 10)"
    replaced = f"regexp_replace(translate({text}, '0123456789', {ten}), {_OTHER}, 'x', 'g')"
    return (
        f"CASE WHEN octet_length({text}) <= {_LONGEST_SEARCHED} THEN {replaced}"
        f" ELSE repeat('x', length({text})) END"
    )
