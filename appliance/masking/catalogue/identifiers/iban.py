"""``iban``: an account number of the same country with right check digits."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from appliance.masking.examples import draw
from appliance.masking.expressions.drawing import Digest, text_message
from appliance.masking.expressions.sql_text import identifier
from appliance.masking.mask import KeyedParams, Mask, Masked, Original, Promises
from appliance.masking.scope import Scope, unless_empty
from appliance.masking.shape import TEXT, Shape, Value

# Of each country what follows the check digits: letters at the beginning, digits, letters at the end. Where
# the register allows either, there are digits.
_FORMS = (
    "AD0200 AE0190 AL0240 AT0160 AZ4200 BA0160 BE0120 BG4140 BH4140 BR0232 BY4200 CH0170"
    " CR0180 CY0240 CZ0200 DE0180 DK0140 DO4200 EE0160 EG0250 ES0200 FI0140 FO0140 FR0230"
    " GB4140 GE2160 GI4150 GL0140 GR0230 GT4200 HR0170 HU0240 IE4140 IL0190 IQ4150 IS0220"
    " IT1220 JO4220 KW4220 KZ0160 LB0240 LC4240 LI0170 LT0160 LU0160 LV4130 LY0210 MC0230"
    " MD0200 ME0180 MK0150 MR0230 MT4230 MU4193 NL4100 NO0110 PK4160 PL0240 PS4210 PT0210"
    " QA4210 RO4160 RS0180 SA0200 SC4203 SE0200 SI0150 SK0200 SM1220 ST0210 TL0190 TN0200"
    " TR0220 UA0250 VA0180 VG4160 XK0160"
)
FORMS = {each[:2]: (int(each[2]), int(each[3:5]), int(each[5])) for each in _FORMS.split()}
"""By country; see the IBAN registry of SWIFT."""
LENGTHS = {country: 4 + sum(form) for country, form in FORMS.items()}
_SHORTEST = min(LENGTHS.values())
_USUAL = "DE"
_SHORT = "NO"
"""Of fifteen characters, as few as there are."""
_UNIQUE_DIGITS = 20
"""66 bits: among a million numbers two meet with a probability of 1e-8."""
Country = Literal[
    "AD", "AE", "AL", "AT", "AZ", "BA", "BE", "BG", "BH", "BR", "BY", "CH", "CR", "CY", "CZ", "DE", "DK",
    "DO", "EE", "EG", "ES", "FI", "FO", "FR", "GB", "GE", "GI", "GL", "GR", "GT", "HR", "HU", "IE", "IL",
    "IQ", "IS", "IT", "JO", "KW", "KZ", "LB", "LC", "LI", "LT", "LU", "LV", "LY", "MC", "MD", "ME", "MK",
    "MR", "MT", "MU", "NL", "NO", "PK", "PL", "PS", "PT", "QA", "RO", "RS", "SA", "SC", "SE", "SI", "SK",
    "SM", "ST", "TL", "TN", "TR", "UA", "VA", "VG", "XK",
]  # fmt: skip


class IbanParams(KeyedParams):
    """Whose numbers they become."""

    country: Country | None = Field(
        default=None,
        description="The country of all outputs; by default that of the value, or DE where it shows none.",
        examples=["FR"],
    )


class Iban(Mask[IbanParams]):
    """As long as the country's own, with check digits by ISO 7064, MOD 97-10."""

    name = "iban"
    summary = "Replaces an IBAN with another valid one of the same country."
    params = IbanParams
    kinds = TEXT
    proof = "by_chance"
    promises = Promises(
        unique="with a `country` of 20 digits or more, such as FR",
        length="that of the country's IBANs; a country whose IBANs have no room in the column becomes NO",
        format="capital letters and digits with right check digits, in groups of four where there were blanks"
        " and there is room; the bank is drawn too, and may be none",
    )
    hides = "the account and the bank; with `country` the country too."
    learnt = (
        "which rows have the same number, and without `country` its country. The n pairs open themselves and"
        " nothing else."
    )
    originals = (Original("DE89 3704 0044 0532 0130 00"),)

    def compile(self, value: Value, params: IbanParams, scope: Scope) -> Masked:
        """The country's form is looked up in one text, by the place of its code."""
        form, body, number = (
            identifier(scope.alias(f"appliance_{each}")) for each in ("form", "body", "number")
        )
        text, longest = value.text, value.shape.length
        known = " ".join(
            f"{code}{letters}{digits:02}{tail}"
            for code, (letters, digits, tail) in FORMS.items()
            if longest is None or LENGTHS[code] <= longest
        )
        other = next(code for code in (_USUAL, _SHORT) if longest is None or LENGTHS[code] <= longest)
        code = f"'{params.country}'" if params.country else f"upper(left({text}, 2))"
        # Where no country is found, what follows the last one is the usual one.
        place = f"coalesce(nullif(strpos('{known}', {code}), 0), {len(known) + 2})"
        found = f"substr('{known} {_form(other)}', {place}, 6)"
        if not params.country:
            found = f"CASE WHEN {text} ~ '^[A-Za-z][A-Za-z]' THEN {found} ELSE '{_form(other)}' END"
        grouped = f"(length({number}) * 5 - 1) / 4" if longest is not None else "0"
        blanks = f"rtrim(regexp_replace({number}, '(.{{4}})', E'\\\\1 ', 'g'))"
        room = f" AND {grouped} <= {longest}" if longest is not None else ""
        shown = f"CASE WHEN left({text}, 100) LIKE '% %'{room} THEN {blanks} ELSE {number} END"

        def made(digest: Digest) -> str:
            letters = [f"mod({digest.number(place, 30)} / {26**at}, 26)" for place, at in _LETTERS]
            numbers = "".join
            front = numbers(f" || chr(65 + {each})" for each in letters[:4])[4:]
            tail = numbers(f" || chr(65 + {each})" for each in letters[4:])[4:]
            front_digits = numbers(f" || (10 + {each})::text" for each in letters[:4])[4:]
            tail_digits = numbers(f" || (10 + {each})::text" for each in letters[4:])[4:]
            digits = f"left({_digits(digest)}, substr({form}, 4, 2)::int)"
            lead, end = f"substr({form}, 3, 1)::int", f"substr({form}, 6, 1)::int"
            country = f"(ascii({form}) - 55)::text || (ascii(substr({form}, 2, 1)) - 55)::text"
            drawn = (
                f"SELECT {form}, left({front}, {lead}) || {digits} || left({tail}, {end}) AS {body},"
                f" mod((left({front_digits}, 2 * {lead}) || {digits} || left({tail_digits}, 2 * {end})"
                f" || {country} || '00')::numeric, 97) AS appliance_rest"
                f" FROM (SELECT {found} AS {form} OFFSET 0) AS appliance_found OFFSET 0"
            )
            whole = (
                f"SELECT left({form}, 2) || lpad((98 - appliance_rest)::text, 2, '0') || {body} AS {number}"
                f" FROM ({drawn}) AS appliance_drawn OFFSET 0"
            )
            return f"(SELECT {shown} FROM ({whole}) AS appliance_whole)"

        compact = (
            f"CASE WHEN octet_length({text}) <= 60 THEN upper(replace({text}, ' ', ''))"
            f" ELSE {value.key_text} END"
        )
        message = text_message(value.key_text if self.distinct(value.shape, params) else compact)
        sql = scope.drawn(value, params.key_of(self.name), message, made)
        shape = (
            f"CASE WHEN octet_length({text}) > 80 THEN false"
            f" ELSE {text} ~ '^([A-Z]{{2}}[0-9]{{2}} ?[A-Z0-9 ]+)?$' END"
        )
        return Masked(
            unless_empty(value, sql),
            "by_chance",
            chance=1e-9,
            shape_sql=shape,
            preserves_distinct=self.distinct(value.shape, params),
        )

    def example(self, original: Original, params: IbanParams) -> str:
        """Of a number in groups of four."""
        code = params.country or original.text[:2]
        letters, digits, tail = FORMS[code]
        unique = self.distinct(Shape("text", "text"), params)
        digest = draw.of_text(
            params.key_of(self.name), original.text if unique else original.text.replace(" ", "")
        )
        drawn = [draw.number(digest, place, 30) // 26**at % 26 for place, at in _LETTERS]
        numbers = f"{draw.number(digest, 4, 48) % 10**12:012}{draw.number(digest, 10, 48) % 10**13:013}"
        signs = "".join(chr(65 + each) for each in drawn)
        body = signs[:4][:letters] + numbers[:digits] + signs[4:][:tail]
        rest = int("".join(str(int(each, 36)) for each in f"{body}{code}00")) % 97
        whole = f"{code}{98 - rest:02}{body}"
        return " ".join(whole[place : place + 4] for place in range(0, len(whole), 4))

    def problems(self, shape: Shape, params: IbanParams, scope: Scope) -> list[str]:
        """A column too short for the IBANs it would get."""
        needed = LENGTHS[params.country] if params.country else _SHORTEST
        if shape.length is not None and shape.length < needed:
            return [f"the column has {shape.length} characters, and an IBAN needs {needed}"]
        return []

    def distinct(self, shape: Shape, params: IbanParams) -> bool:
        """Where all outputs are of one country, and that has enough of them."""
        return params.country is not None and FORMS[params.country][1] >= _UNIQUE_DIGITS


_LETTERS = ((0, 0), (0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4))
"""Where in the digest each of four and three letters comes from: first byte, and power of 26."""


def _digits(digest: Digest) -> str:
    """Twenty-five digits from the last twelve bytes."""
    first = f"lpad(mod({digest.number(4, 48)}, {10**12})::text, 12, '0')"
    second = f"lpad(mod({digest.number(10, 48)}, {10**13})::text, 13, '0')"
    return f"({first} || {second})"


def _form(code: str) -> str:
    letters, digits, tail = FORMS[code]
    return f"{code}{letters}{digits:02}{tail}"
