"""``phone_number``: a number that is valid in its country."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field

from appliance.masking.catalogue.contact.phone_forms import (
    PhoneCountry,
    PhoneForm,
    by_calling_code,
    phone_forms,
)
from appliance.masking.examples import draw
from appliance.masking.expressions.drawing import Digest, text_message
from appliance.masking.expressions.sql_text import identifier, short_match
from appliance.masking.mask import Mask, Masked, Original, Promises, SubjectParams, subject_problems
from appliance.masking.scope import Scope, unless_empty
from appliance.masking.shape import TEXT, Shape, Value

_USUAL = "US"
_LONGEST = 60
"""Bytes within which what stands between the digits means nothing."""
_BITS = 58
_REST_FROM = 4
_FEWEST_DIGITS = 4


class PhoneNumberParams(SubjectParams):
    """Of which country, and how it is written."""

    country: PhoneCountry | None = Field(
        default=None,
        description="The country of all outputs, by its two letters. By default that of the calling code that"
        f" a value begins with (+49, 0049), or {_USUAL} where it begins with none.",
        examples=["DE"],
    )
    form: Literal["e164", "national"] = Field(
        default="e164",
        description="`e164`: a plus sign, the calling code and the number, without blanks; `national`: the"
        " digits as they are dialled at home.",
        examples=["national"],
    )


class PhoneNumber(Mask[PhoneNumberParams]):
    """A mobile number where the country has numbers that are only that."""

    name = "phone_number"
    summary = "Replaces a phone number with one that is valid in its country or in a named one."
    params = PhoneNumberParams
    kinds = TEXT
    proof = "by_chance"
    of_person = True
    promises = Promises(
        length="that of the country's numbers; a country whose numbers have no room in the column becomes US",
        format="digits, for `e164` after a plus sign, that libphonenumber takes for a valid number of the"
        " country; of countries that share a calling code, the one that the code is named for; it may be"
        " a real one",
    )
    hides = "the number and the area; with `country` the country too."
    learnt = (
        "which rows have the same number, and without `country` its country. The n pairs open themselves and"
        " nothing else."
    )
    originals = (Original("+49 170 1234567"), Original("(201) 555-0123"))

    def compile(self, value: Value, params: PhoneNumberParams, scope: Scope) -> Masked:
        """The country's form is looked up in one text, by its calling code."""
        text = value.text
        compact = f"regexp_replace(regexp_replace({text}, '^[^0-9+]*([+]|00)', '+'), '[^0-9+]', '', 'g')"
        message = text_message(
            f"CASE WHEN octet_length({text}) > {_LONGEST} THEN {value.key_text}"
            f" WHEN {text} ~ '([0-9][^0-9]*){{{_FEWEST_DIGITS}}}' THEN {compact} ELSE {value.key_text} END"
        )
        form, number, codes, dialled = (
            identifier(scope.alias(f"appliance_{each}")) for each in ("form", "number", "codes", "dialled")
        )
        fitting = _fitting(value.shape, params)
        if params.country:
            found = f"'{_entry(phone_forms()[params.country])}'"
        else:
            looked_up = _looked_up(compact, fitting, codes, dialled)
            usual = _entry(phone_forms()[_USUAL])
            found = f"CASE WHEN octet_length({text}) <= {_LONGEST} THEN {looked_up} ELSE '{usual}' END"

        def made(digest: Digest) -> str:
            code, trunk, length, width, begun = (f"split_part({form}, ' ', {each})" for each in range(1, 6))
            pick = f"mod({digest.number(0, 30)}, length({begun}) / {width}::int)"
            first = f"substr({begun}, 1 + {pick} * {width}::int, {width}::int)"
            free = f"{length}::int - {width}::int"
            rest = f"right(lpad({digest.number(_REST_FROM, _BITS)}::text, 18, '0'), {free})"
            before = f"'+' || {code}" if params.form == "e164" else f"rtrim({trunk}, '-')"
            drawn = (
                f"SELECT {before} || {first} || {rest} AS {number}"
                f" FROM (SELECT {found} AS {form} OFFSET 0) AS appliance_found OFFSET 0"
            )
            # Every last digit is as valid as any other.
            other = f"left({number}, -1) || translate(right({number}, 1), '0123456789', '1234567890')"
            return (
                f"(SELECT CASE WHEN {number} = {text} THEN {other} ELSE {number} END"
                f" FROM ({drawn}) AS appliance_drawn)"
            )

        source = self.drawn_from(params, message, scope)
        sql = scope.drawn(value, params.key_of(self.name), source.message, made)
        return Masked(
            unless_empty(value, sql),
            "by_chance",
            shape_sql=short_match(text, f"({_looks(fitting, params)} *)?"),
        )

    def example(self, original: Original, params: PhoneNumberParams) -> str:
        """In a column without a limit."""
        compact = re.sub("[^0-9+]", "", re.sub("^[^0-9+]*([+]|00)", "+", original.text))
        found = phone_forms()[params.country or _USUAL]
        if not params.country and compact.startswith("+"):
            codes = by_calling_code()
            found = next(
                (codes[code] for size in (1, 2, 3) if (code := compact[1 : 1 + size]) in codes), found
            )
        key, columns = params.key_of(self.name), params.subject_columns
        digest = draw.of_subject(key, columns) if columns else draw.of_text(key, compact)
        at = draw.number(digest, 0, 30) % found.beginnings * found.width
        rest = f"{draw.number(digest, _REST_FROM, _BITS):018}"[-(found.length - found.width) :]
        before = f"+{found.code}" if params.form == "e164" else found.trunk
        number = f"{before}{found.begun[at : at + found.width]}{rest}"
        if number == original.text:
            return number[:-1] + str((int(number[-1]) + 1) % 10)
        return number

    def problems(self, shape: Shape, params: PhoneNumberParams, scope: Scope) -> list[str]:
        """A column too short for the numbers it would get, or a subject that is not there."""
        found = subject_problems(params, scope)
        country = params.country or _USUAL
        needed = _size(phone_forms()[country], params)
        if shape.length is not None and shape.length < needed:
            found.append(
                f"the column has {shape.length} characters, and a number of {country} needs {needed}"
            )
        return found


def _size(form: PhoneForm, params: PhoneNumberParams) -> int:
    before = 1 + len(form.code) if params.form == "e164" else len(form.trunk)
    return before + form.length


def _fitting(shape: Shape, params: PhoneNumberParams) -> list[PhoneForm]:
    """Whose numbers may come out."""
    if params.country:
        return [phone_forms()[params.country]]
    forms = by_calling_code().values()
    return [form for form in forms if shape.length is None or _size(form, params) <= shape.length]


def _entry(form: PhoneForm) -> str:
    return f"{form.code} {form.trunk or '-'} {form.length} {form.width} {form.begun} "


def _looked_up(compact: str, forms: list[PhoneForm], codes: str, dialled: str) -> str:
    """The entry of the calling code that a number begins with. No code is the beginning of another."""
    usual = _entry(phone_forms()[_USUAL])
    entries = "".join(f"|{_entry(form)}" for form in forms)
    longest = max(len(_entry(form)) for form in forms)
    places = ", ".join(
        f"nullif(strpos({codes}, '|' || rpad(substr({dialled}, 2, {size}), {size}, '-') || ' '), 0)"
        for size in (1, 2, 3)
    )
    place = f"coalesce({places}, strpos({codes}, '|{usual}'))"
    found = (
        f"CASE WHEN left({dialled}, 1) = '+' THEN substr({codes}, {place} + 1, {longest}) ELSE '{usual}' END"
    )
    once = f"SELECT '{entries}' AS {codes}, {compact} AS {dialled} OFFSET 0"
    return f"(SELECT {found} FROM ({once}) AS appliance_codes)"


def _looks(forms: list[PhoneForm], params: PhoneNumberParams) -> str:
    if params.country:
        (form,) = forms
        before = f"[+]{form.code}" if params.form == "e164" else form.trunk
        return f"{before}[0-9]{{{form.length}}}"
    sizes = [_size(form, params) for form in forms]
    if params.form == "e164":
        return f"[+][0-9]{{{min(sizes) - 1},{max(sizes) - 1}}}"
    return f"[0-9]{{{min(sizes)},{max(sizes)}}}"
