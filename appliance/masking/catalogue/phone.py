"""``phone``: other digits in the same places."""

from __future__ import annotations

from pydantic import Field

from appliance.masking.drawing import text_message
from appliance.masking.examples import draw
from appliance.masking.mask import KeyedParams, Mask, Masked, Original, Promises
from appliance.masking.scope import Scope
from appliance.masking.shape import TEXT, Value

ALWAYS_MASKED = 4
"""Characters at the end that no prefix reaches."""
_LONGEST_PHONE = 40
_PLAIN = "'[^-0-9 +()/#*.]'"
"""Everything that has no place in a phone number (negated)."""
_OTHER = "'[^-0-9 +()/#*.,:;]'"
_LONGEST_SEARCHED = 1_000_000
_EIGHTEEN = "'000000000000000000'"
_BITS = 58
"""Of the number whose digits are shown: it has at most eighteen."""


class PhoneParams(KeyedParams):
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

        number = scope.digest(params.key_of(self.name), text_message(value.key_text)).number_once(_BITS)
        careful = f"{prefix}{_careful(rest, number)}"
        # Two CASEs, because AND may look at its right side first, and a regular expression has its limits.
        # The digest stands in every branch, and one of them is computed.
        masked = (
            f"CASE WHEN octet_length({text}) > {_LONGEST_PHONE} THEN {careful}"
            f" WHEN {text} !~ {_PLAIN} THEN {prefix}{_fast(text, number, rest_length)} ELSE {careful} END"
        )
        # A digit is never its own successor, so this differs wherever there is a digit to mask.
        instead = f"{prefix}translate({rest}, '0123456789', '1234567890')"
        sql = f"coalesce(nullif({masked}, {text}), {instead})"
        normal = (
            f"CASE WHEN octet_length({text}) > {_LONGEST_SEARCHED} THEN {text}"
            f" WHEN {rest} ~ '[0-9]' THEN {text} END"
        )
        shape = (
            f"CASE WHEN octet_length({text}) > {_LONGEST_SEARCHED} THEN {rest} = repeat('x', length({rest}))"
            f" ELSE {rest} !~ '[^-0-9 +()/#*.,:;x]' END"
        )
        return Masked(sql, "by_chance", normal_form_sql=normal, shape_sql=shape)

    def example(self, original: Original, params: PhoneParams) -> str:
        """As the fast way has it."""
        text = original.text
        digits = sum(each.isdigit() for each in text)
        number = draw.number(draw.of_text(params.key_of(self.name), text), 0, _BITS)
        drawn = iter(f"{number:018}".rjust(digits, "0")[-digits:])
        masked = "".join(next(drawn) if each.isdigit() else each for each in text)
        kept = min(params.keep_prefix, max(len(text) - ALWAYS_MASKED, 0))
        found = text[:kept] + masked[kept:]
        if found != text:
            return found
        return text[:kept] + text[kept:].translate(str.maketrans("0123456789", "1234567890"))


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
