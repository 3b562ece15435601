"""``blank`` and ``lorem``: text, or bytes, that say nothing."""

from __future__ import annotations

from typing import ClassVar

from appliance.masking.examples import draw
from appliance.masking.expressions.drawing import Digest, text_message
from appliance.masking.mask import KeyedParams, Mask, Masked, Original, Params, Promises
from appliance.masking.scope import Scope, never_itself, unless_empty
from appliance.masking.shape import TEXT, Kind, Value

LONGEST = 16_000_000
"""Bytes; longer text becomes lorem of as many characters, since text has an end."""
_LOREM = (
    "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore "
    "et dolore magna aliqua ut enim ad minim veniam quis nostrud exercitation ullamco laboris nisi ut "
    "aliquip ex ea commodo consequat duis aute irure dolor in reprehenderit in voluptate velit esse "
    "cillum dolore eu fugiat nulla pariatur excepteur sint occaecat cupidatat non proident sunt in "
    "culpa qui officia deserunt mollit anim id est laborum "
)
_ALPHABET = "abcdefghijklmnopqrstuvwxyz "
_TURNED = "bcdefghijklmnopqrstuvwxyzea"


class Blank(Mask[Params]):
    """Empty text or no bytes, for columns that may not be NULL."""

    name = "blank"
    summary = "Replaces every text with an empty one, and bytes with none."
    params = Params
    kinds: ClassVar[frozenset[Kind]] = TEXT | {"bytea"}
    proof = "constant"
    promises = Promises(deterministic="yes: always empty", length="nothing")
    hides = "the whole text, all bytes."
    learnt = "nothing but where there is a row, and which rows have a value."
    originals = (Original("Ann Lee"), Original("\\x89504e47", "bytea"))

    def compile(self, value: Value, params: Params, scope: Scope) -> Masked:
        """NULL stays NULL."""
        if value.shape.kind == "bytea":
            return Masked(f"substr({value.sql}, 1, 0)", "constant", output_domain_sql="SELECT '\\x'")
        return Masked(f"left({value.text}, 0)", "constant", output_domain_sql="SELECT ''")

    def example(self, original: Original, params: Params) -> str:
        return "\\x" if original.type == "bytea" else ""


class Lorem(Mask[KeyedParams]):
    """A piece of the printers' text from a place that is drawn."""

    name = "lorem"
    summary = "Replaces text with lorem ipsum of the same length."
    params = KeyedParams
    kinds = TEXT
    proof = "by_chance"
    promises = Promises(
        length="kept; more than 16 million characters become as many",
        format="small letters and blanks; words at the ends may be cut",
    )
    hides = "the whole text but its length."
    learnt = "the length of every text, and which rows may have equal ones. The n pairs open nothing else."
    originals = (Original("Called about the late invoice."),)

    def compile(self, value: Value, params: KeyedParams, scope: Scope) -> Masked:
        """Never the text itself: then each letter is another one."""
        text = value.text
        length = f"least(length({text}), {LONGEST})"
        repeated = f"repeat('{_LOREM}', 2 + {length} / {len(_LOREM)})"

        def made(digest: Digest) -> str:
            piece = f"substr({repeated}, 1 + mod({digest.number(0, 30)}, {len(_LOREM)}), {length})"
            return never_itself(piece, value, f"translate({piece}, '{_ALPHABET}', '{_TURNED}')")

        sql = scope.drawn(value, params.key_of(self.name), text_message(value.key_text), made)
        shape = f"CASE WHEN octet_length({text}) > {LONGEST} THEN false ELSE {text} !~ '[^a-z ]' END"
        return Masked(unless_empty(value, sql), "by_chance", shape_sql=shape)

    def example(self, original: Original, params: KeyedParams) -> str:
        """As long as a note."""
        length = len(original.text)
        start = draw.number(draw.of_text(params.key_of(self.name), original.text), 0, 30) % len(_LOREM)
        return (_LOREM * (2 + length // len(_LOREM)))[start : start + length]
