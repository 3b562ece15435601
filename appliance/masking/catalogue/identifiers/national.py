"""``national_id`` and ``vat_id``: numbers that a state gives, with right check digits."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from appliance.masking.catalogue.identifiers.countries import NATIONAL
from appliance.masking.catalogue.identifiers.forms import Form
from appliance.masking.catalogue.identifiers.vat_numbers import VAT
from appliance.masking.examples import draw
from appliance.masking.expressions.drawing import Digest, Message, text_message
from appliance.masking.expressions.sql_text import identifier
from appliance.masking.mask import KeyedParams, Mask, Masked, Original, Promises
from appliance.masking.scope import Scope, unless_empty
from appliance.masking.shape import TEXT, Shape, Value

_LONGEST = 40
"""Characters within which blanks, points, slashes and hyphens mean nothing."""
NationalCountry = Literal[
    "AT", "BE", "BR", "CA", "CH", "CN", "DE", "DK", "ES", "FI", "FR", "GB", "IE", "IN", "IT", "NL", "PL",
    "PT", "SE", "TR", "US", "ZA",
]  # fmt: skip
VatCountry = Literal["AT", "BE", "DE", "DK", "ES", "FI", "FR", "GB", "IE", "IT", "LU", "NL", "PL", "PT", "SE"]
_LEARNT = (
    "which rows have the same number, and whether it was written with blanks or punctuation{more}. The n"
    " pairs open themselves and nothing else."
)


class NationalIdParams(KeyedParams):
    """Of which country."""

    country: NationalCountry = Field(
        description="The country whose numbers they become: "
        + ", ".join(f"{code} ({form.name})" for code, form in NATIONAL.items())
        + ".",
        examples=["US"],
    )


class NationalId(Mask[NationalIdParams]):
    """The country's form whatever the value was."""

    name = "national_id"
    summary = "Replaces a national id, such as an SSN, with one of the right form."
    params = NationalIdParams
    kinds = TEXT
    proof = "by_chance"
    promises = Promises(
        length="the country's",
        format="a number of the country with right check digits, with its usual punctuation where the value"
        " has any and there is room; a date of birth inside is one of 1940 to 1999; it may be a real one",
    )
    hides = "the number; nothing of it is in the output."
    learnt = _LEARNT.format(more="")
    originals = (Original("078-05-1120"),)

    def compile(self, value: Value, params: NationalIdParams, scope: Scope) -> Masked:
        """Drawn, checked and written."""
        form = NATIONAL[params.country]

        def made(digest: Digest) -> str:
            return _written(form, digest, value, scope, "")

        sql = unless_empty(value, scope.drawn(value, params.key_of(self.name), _message(value), made))
        return Masked(sql, "by_chance", chance=2.0 / form.numbers, shape_sql=_shape(form, value, ""))

    def example(self, original: Original, params: NationalIdParams) -> str:
        """With its usual punctuation."""
        form, plain = NATIONAL[params.country], original.text.replace("-", "")
        number = form.example(draw.of_text(params.key_of(self.name), plain))
        return form.example_apart(number)

    def problems(self, shape: Shape, params: NationalIdParams, scope: Scope) -> list[str]:
        """A column too short for the country's numbers."""
        needed = NATIONAL[params.country].length
        if shape.length is not None and shape.length < needed:
            return [
                f"the column has {shape.length} characters, and a number of {params.country} needs {needed}"
            ]
        return []


class VatIdParams(KeyedParams):
    """Of which country."""

    country: VatCountry = Field(
        description=f"The country whose numbers they become: {', '.join(VAT)}.", examples=["DE"]
    )


class VatId(Mask[VatIdParams]):
    """With the country's code before it where the value has one."""

    name = "vat_id"
    summary = "Replaces a VAT number with one of the right form."
    params = VatIdParams
    kinds = TEXT
    proof = "by_chance"
    promises = Promises(
        length="the country's, and two for its code",
        format="a number of the country with right check digits, with its code before it where the value"
        " begins with two letters and there is room; it may be some company's",
    )
    hides = "the number; nothing of it is in the output but whether it had a country's code."
    learnt = _LEARNT.format(more=", and whether a country's code was before it")
    originals = (Original("DE136695976"),)

    def compile(self, value: Value, params: VatIdParams, scope: Scope) -> Masked:
        """As a national id, with a code."""
        form, code = VAT[params.country], params.country

        def made(digest: Digest) -> str:
            return _written(form, digest, value, scope, code)

        sql = unless_empty(value, scope.drawn(value, params.key_of(self.name), _message(value), made))
        return Masked(sql, "by_chance", chance=2.0 / form.numbers, shape_sql=_shape(form, value, code))

    def example(self, original: Original, params: VatIdParams) -> str:
        """With the code before it."""
        form, plain = VAT[params.country], original.text.replace("-", "")
        number = form.example(draw.of_text(params.key_of(self.name), plain))
        return f"{params.country}{number}"

    def problems(self, shape: Shape, params: VatIdParams, scope: Scope) -> list[str]:
        """A column too short for the country's numbers."""
        needed = VAT[params.country].length
        if shape.length is not None and shape.length < needed:
            return [
                f"the column has {shape.length} characters, and a number of {params.country} needs {needed}"
            ]
        return []


def _message(value: Value) -> Message:
    """A number gets the same output however it is written."""
    text = value.text
    return text_message(
        f"CASE WHEN octet_length({text}) <= {_LONGEST} THEN upper(translate({text}, ' .-/', ''))"
        f" ELSE {value.key_text} END"
    )


def _written(form: Form, digest: Digest, value: Value, scope: Scope, code: str) -> str:
    number = identifier(scope.alias("appliance_number_text"))
    room = value.shape.length
    shown = number
    before = f"CASE WHEN {value.text} ~ '^[A-Za-z][A-Za-z]' THEN '{code}' ELSE '' END || " if code else ""
    if (
        form.apart("")
        and "#" * form.length != form.written
        and (room is None or room >= len(form.written) + len(code))
    ):
        shown = (
            f"CASE WHEN left({value.text}, {_LONGEST}) ~ '[ ./-]' THEN {form.apart(number)} ELSE {number} END"
        )
    if code and (room is None or room >= form.length + len(code)):
        shown = f"{before}{shown}"
    return f"(SELECT {shown} FROM {form.whole(digest, number)} AS appliance_form)"


def _shape(form: Form, value: Value, code: str) -> str:
    """As many letters and digits as the country's numbers have."""
    text = value.text
    lengths = f"{form.length}, {form.length + len(code)}, 0"
    return (
        f"CASE WHEN octet_length({text}) > {_LONGEST} THEN false"
        f" ELSE length(translate({text}, ' .-/', '')) IN ({lengths}) AND {text} !~ '[^-0-9A-Z ./]' END"
    )
