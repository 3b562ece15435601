"""``card``: a card number with a right check digit."""

from __future__ import annotations

from pydantic import Field

from appliance.masking.examples import draw
from appliance.masking.expressions.digits import drawn_digits, luhn, plain_digits, plain_luhn
from appliance.masking.expressions.drawing import Digest, text_message
from appliance.masking.expressions.sql_text import identifier
from appliance.masking.mask import KeyedParams, Mask, Masked, Original, Promises
from appliance.masking.scope import Scope, unless_empty
from appliance.masking.shape import TEXT, Shape, Value

_USUAL = 16
_LONGEST, _SHORTEST = 19, 12
_LONGEST_WRITTEN = 40
_FORM = "'^[0-9][0-9 -]*[0-9]$'"


class CardParams(KeyedParams):
    """How much of the beginning stays."""

    keep_prefix: int = Field(
        default=1,
        strict=True,
        ge=0,
        le=8,
        description="Digits kept at the beginning: 1 keeps the network, 6 or 8 the bank. The last"
        " eight never are.",
        examples=[6],
    )


class Card(Mask[CardParams]):
    """The digits after the prefix are drawn, the last one is Luhn's."""

    name = "card"
    summary = "Replaces a card number with another one that passes Luhn's check."
    params = CardParams
    kinds = TEXT
    proof = "by_chance"
    promises = Promises(
        length="kept; text that is no card number becomes one of 16 digits, or as many as fit",
        format="12 to 19 digits with a right check digit, with blanks and hyphens where they were; it may be"
        " a real one",
    )
    hides = "all digits but the prefix that is kept."
    learnt = (
        "which rows have the same number, its length, and the prefix that is kept. The n pairs open"
        " themselves and nothing else."
    )
    originals = (Original("4111 1111 1111 1111"),)

    def compile(self, value: Value, params: CardParams, scope: Scope) -> Masked:
        """One number from the digits alone, so that a number gets the same output however it is written."""
        text = value.text
        plain = identifier(scope.alias("appliance_plain"))
        payload, whole = (identifier(scope.alias(f"appliance_{each}")) for each in ("payload", "whole"))
        digits_only = f"replace(replace({text}, ' ', ''), '-', '')"
        count = f"length({digits_only}) BETWEEN {_SHORTEST} AND {_LONGEST}"
        short = f"octet_length({text}) <= {_LONGEST_WRITTEN}"
        card = f"CASE WHEN {short} THEN {text} ~ {_FORM} AND {count} ELSE false END"
        message = text_message(f"CASE WHEN {card} THEN {digits_only} ELSE {value.key_text} END")
        fits = min(_USUAL, value.shape.length or _USUAL)

        def numbered(digest: Digest) -> str:
            # Zeros before the payload change nothing in Luhn's sum.
            most = _LONGEST - 1
            kept = f"left({plain}, least({params.keep_prefix}, length({plain}) - 8))"
            given = (
                f"SELECT CASE WHEN {card} THEN {digits_only} ELSE repeat('4', {fits}) END AS {plain} OFFSET 0"
            )
            begun = (
                f"SELECT length({plain}) AS appliance_length,"
                f" lpad({kept} || left({drawn_digits(digest, most)},"
                f" greatest(length({plain}) - 1 - length({kept}), 0)), {most}, '0') AS {payload}"
                f" FROM ({given}) AS appliance_given OFFSET 0"
            )
            checked = (
                f"SELECT right({payload} || {luhn(payload, most)}, appliance_length) AS {whole}"
                f" FROM ({begun}) AS appliance_begun OFFSET 0"
            )
            # Eighteen digit places more than the text has, as for phones; their digits are cut off again.
            places = f"translate({text}, '123456789', '000000000')"
            written = f"right(to_char({whole}::numeric, repeat('0', {_LONGEST}) || {places}), length({text}))"
            shown = f"CASE WHEN {card} AND {text} ~ '[ -]' THEN {written} ELSE {whole} END"
            return f"(SELECT {shown} FROM ({checked}) AS appliance_checked)"

        drawn = scope.drawn(value, params.key_of(self.name), message, numbered)
        sql = unless_empty(value, drawn)
        shape = (
            f"CASE WHEN octet_length({text}) > {_LONGEST_WRITTEN} THEN false"
            f" ELSE {text} = '' OR ({text} ~ {_FORM} AND {count}) END"
        )
        return Masked(sql, "by_chance", chance=1e-6, shape_sql=shape)

    def example(self, original: Original, params: CardParams) -> str:
        """Of a card number of sixteen digits in groups of four."""
        plain = original.text.replace(" ", "")
        kept = plain[: params.keep_prefix]
        digest = draw.of_text(params.key_of(self.name), plain)
        payload = kept + plain_digits(digest, _LONGEST - 1)[: len(plain) - 1 - len(kept)]
        whole = iter(payload + plain_luhn(payload))
        return "".join(next(whole) if each.isdigit() else each for each in original.text)

    def problems(self, shape: Shape, params: CardParams, scope: Scope) -> list[str]:
        """A column too short for a card number."""
        if shape.length is not None and shape.length < _SHORTEST:
            return [f"the column has {shape.length} characters, and a card number needs {_SHORTEST}"]
        return []
