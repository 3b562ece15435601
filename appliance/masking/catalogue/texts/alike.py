"""``format_preserving`` and ``postcode``: letter for letter, digit for digit."""

from __future__ import annotations

from pydantic import Field

from appliance.masking.bindings import KeyName
from appliance.masking.catalogue.texts.scrub_patterns import all_digits
from appliance.masking.examples import draw
from appliance.masking.expressions.drawing import Message, text_message
from appliance.masking.expressions.sql_text import identifier
from appliance.masking.mask import (
    KeyedParams,
    Mask,
    Masked,
    Original,
    Promises,
    SubjectParams,
    subject_problems,
)
from appliance.masking.scope import Scope, unless_empty
from appliance.masking.shape import TEXT, Shape, Value

LONGEST = 1_000_000
"""Bytes; of longer text each character becomes an x."""
_BLOCK = 16
_MANY, _CHANCE = 8, 1e-7
"""So many digits and letters side by side that are drawn are hardly ever what they were."""
_NO_LETTER = "\\u00a0-\\u00bf\\u00d7\\u00f7\\u2000-\\u206f\\u3000-\\u303f"
"""Punctuation and blanks beyond ASCII."""


class FormatPreservingParams(KeyedParams):
    """What stays at the ends."""

    keep_first: int = Field(
        default=0, strict=True, ge=0, le=100, description="Characters kept at the beginning.", examples=[2]
    )
    keep_last: int = Field(
        default=0, strict=True, ge=0, le=100, description="Characters kept at the end.", examples=[2]
    )


class FormatPreserving(Mask[FormatPreservingParams]):
    """Every letter and digit is drawn for itself, from a stream that follows from the whole text."""

    name = "format_preserving"
    summary = "Replaces letters with letters and digits with digits, and keeps all else."
    params = FormatPreservingParams
    kinds = TEXT
    proof = "by_chance"
    promises = Promises(
        length="kept",
        format="case, punctuation and blanks stay; letters beyond A to Z become small ones of a to z, digits"
        " of other scripts 0 to 9; of text over 1 MB every character becomes x",
    )
    hides = "which letters and digits there are, but for the ends that are kept."
    learnt = (
        "which rows have equal values; where there are letters, digits and punctuation; the ends that are"
        " kept. The n pairs open themselves and nothing else."
    )
    originals = (Original("AB-1234/x"),)

    def compile(self, value: Value, params: FormatPreservingParams, scope: Scope) -> Masked:
        """Where too little would be drawn, nothing is kept."""
        return alike(value, params.key_of(self.name), params.keep_first, params.keep_last, scope)

    def example(self, original: Original, params: FormatPreservingParams) -> str:
        """Of ASCII."""
        key = params.key_of(self.name)
        return plain_alike(original.text, key, params.keep_first, params.keep_last)


class PostcodeParams(SubjectParams):
    """How much of the beginning stays."""

    keep_first: int = Field(
        default=2,
        strict=True,
        ge=0,
        le=10,
        description="Characters kept at the beginning: the region, but no more than half of the code.",
        examples=[3],
    )


class Postcode(Mask[PostcodeParams]):
    """The region stays, what is after it is drawn."""

    name = "postcode"
    of_person = True
    summary = "Keeps the beginning of a postal code and draws the rest."
    params = PostcodeParams
    kinds = TEXT
    proof = "by_chance"
    promises = Promises(
        length="kept", format="letters stay letters, digits digits; it may be none that is in use"
    )
    hides = "the part after the beginning that is kept."
    learnt = (
        "which rows have the same code, and the beginning that is kept. The n pairs open themselves and"
        " nothing else."
    )
    originals = (Original("90210"), Original("SW1A 1AA"))

    def compile(self, value: Value, params: PostcodeParams, scope: Scope) -> Masked:
        """As ``format_preserving``."""
        message = self.drawn_from(params, text_message(value.key_text), scope).message
        return alike(value, params.key_of(self.name), params.keep_first, 0, scope, message)

    def example(self, original: Original, params: PostcodeParams) -> str:
        """Of two countries."""
        key, columns = params.key_of(self.name), params.subject_columns
        seed = draw.of_subject_whole(key, columns) if columns else None
        return plain_alike(original.text, key, params.keep_first, 0, seed)

    def problems(self, shape: Shape, params: PostcodeParams, scope: Scope) -> list[str]:
        """A subject that is not there."""
        return subject_problems(params, scope)


def alike(  # noqa: PLR0917
    value: Value, key: KeyName, first: int, last: int, scope: Scope, message: Message | None = None
) -> Masked:
    """The text with other letters and digits: SQL, and what every output looks like.

    ``message`` is what is drawn from, by default the text.

    A seed of 32 bytes that is never shown follows from the text; block by block, SHA-256 of the seed and the
    block's number gives sixteen bytes, one for each character.
    """
    text = value.text
    sign, place, seed, stream = (
        identifier(scope.alias(f"appliance_{each}")) for each in ("sign", "place", "seed", "stream")
    )
    kept_first = kept_last = "0"
    if first + last:
        enough = f"length({text}) >= {2 * (first + last)}"
        kept_first, kept_last = (f"CASE WHEN {enough} THEN {each} ELSE 0 END" for each in (first, last))
    byte = f"get_byte({stream}, {place}::int - 1)"
    letter = f"({sign} ~ '[a-z]' OR ({sign} COLLATE \"C\") > '~')"
    if scope.encoding == "UTF8":
        letter = f"{letter} AND {sign} !~ '[{_NO_LETTER}]'"
    drawn = (
        f"CASE WHEN {sign} ~ '[{all_digits(scope.encoding)}]' THEN chr(48 + ({byte} * 10 >> 8))"
        f" WHEN {sign} ~ '[A-Z]' THEN chr(65 + ({byte} * 26 >> 8))"
        f" WHEN {letter} THEN chr(97 + ({byte} * 26 >> 8)) ELSE {sign} END"
    )
    if first + last:
        drawn = (
            f"CASE WHEN {place} <= {kept_first} OR {place} > length({text}) - ({kept_last})"
            f" THEN {sign} ELSE {drawn} END"
        )
    blocks = f"generate_series(0, (length({text}) - 1) / {_BLOCK}) AS appliance_blocks (appliance_block)"
    hmac = scope.hmac(key, message or text_message(value.key_text)).sql
    bytes_sql = (
        f"SELECT string_agg(substr(sha256({seed} || int4send(appliance_block)), 1, {_BLOCK}), ''"
        f" ORDER BY appliance_block) AS {stream}"
        f" FROM (SELECT {hmac} AS {seed} OFFSET 0) AS appliance_seed, {blocks}"
    )
    signs = f"unnest(string_to_array({text}, NULL)) WITH ORDINALITY AS appliance_signs ({sign}, {place})"
    whole = (
        f"(SELECT string_agg({drawn}, '' ORDER BY {place}) FROM ({bytes_sql}) AS appliance_stream, {signs})"
    )
    long = f"octet_length({text}) > {LONGEST} THEN repeat('x', length({text}))"
    sql = f"CASE WHEN {text} IS NULL THEN NULL WHEN {long} ELSE {whole} END"
    shape = f"CASE WHEN octet_length({text}) > {LONGEST} THEN {text} !~ '[^x]' ELSE true END"
    many = f"{text} ~ '[0-9A-Za-z]{{{_MANY + first + last}}}'"
    return Masked(
        unless_empty(value, sql),
        "by_chance",
        chance=_CHANCE,
        shape_sql=shape,
        normal_form_sql=f"CASE WHEN octet_length({text}) <= {LONGEST} AND {many} THEN {text} END",
    )


def plain_alike(text: str, key: KeyName, first: int, last: int, seed: bytes | None = None) -> str:
    """``alike`` in Python, for text of ASCII."""
    if len(text) < 2 * (first + last):
        first = last = 0
    seed = draw.of_text_whole(key, text) if seed is None else seed
    made = ""
    for place, sign in enumerate(text):
        byte = draw.block(seed, place // _BLOCK)[place % _BLOCK]
        if place < first or place >= len(text) - last:
            made += sign
        elif sign.isdigit():
            made += chr(48 + (byte * 10 >> 8))
        elif sign.isalpha():
            made += chr((65 if sign.isupper() else 97) + (byte * 26 >> 8))
        else:
            made += sign
    return made
