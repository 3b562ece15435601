"""How phone numbers of each country are made up: made from libphonenumber's data, see ``words/README.md``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

PhoneCountry = Literal[
    "AD", "AE", "AF", "AG", "AL", "AM", "AO", "AR", "AT", "AU", "AW", "AX", "AZ", "BA", "BB", "BD", "BE",
    "BF", "BG", "BH", "BI", "BM", "BN", "BO", "BQ", "BR", "BS", "BT", "BW", "BY", "BZ", "CA", "CD", "CF",
    "CG", "CH", "CI", "CL", "CM", "CN", "CO", "CR", "CU", "CV", "CW", "CY", "CZ", "DE", "DJ", "DK", "DO",
    "DZ", "EC", "EE", "EG", "ER", "ES", "ET", "FI", "FJ", "FM", "FO", "FR", "GA", "GB", "GE", "GF", "GG",
    "GH", "GI", "GL", "GM", "GN", "GP", "GQ", "GR", "GT", "GU", "GW", "GY", "HK", "HN", "HR", "HT", "HU",
    "ID", "IE", "IL", "IM", "IN", "IO", "IQ", "IR", "IS", "IT", "JE", "JM", "JO", "JP", "KE", "KG", "KH",
    "KI", "KM", "KN", "KP", "KR", "KW", "KZ", "LA", "LB", "LC", "LI", "LK", "LR", "LS", "LT", "LU", "LV",
    "LY", "MA", "MC", "MD", "ME", "MG", "MK", "ML", "MM", "MN", "MO", "MQ", "MR", "MT", "MU", "MV", "MW",
    "MX", "MY", "MZ", "NA", "NC", "NE", "NG", "NI", "NL", "NO", "NP", "NR", "NZ", "OM", "PA", "PE", "PF",
    "PG", "PH", "PK", "PL", "PM", "PR", "PS", "PT", "PW", "PY", "QA", "RE", "RO", "RS", "RU", "RW", "SA",
    "SB", "SC", "SD", "SE", "SG", "SI", "SJ", "SK", "SL", "SM", "SN", "SO", "SR", "SS", "ST", "SV", "SX",
    "SY", "SZ", "TC", "TD", "TG", "TH", "TJ", "TK", "TL", "TM", "TN", "TO", "TR", "TT", "TV", "TW", "TZ",
    "UA", "UG", "US", "UY", "UZ", "VC", "VE", "VI", "VN", "VU", "WS", "XK", "YE", "YT", "ZA", "ZM", "ZW",
]  # fmt: skip


@dataclass(frozen=True)
class PhoneForm:
    """A country's mobile numbers, or where there are too few of these, its other ones."""

    country: str
    code: str
    trunk: str
    """What is dialled before a number at home; often empty."""
    length: int
    """Digits of a number without code and trunk."""
    width: int
    begun: str
    """Beginnings of ``width`` digits in a row. What follows may be any digits."""

    @property
    def beginnings(self) -> int:
        """How many there are."""
        return len(self.begun) // self.width


@cache
def phone_forms() -> dict[str, PhoneForm]:
    """By country."""
    text = resources.files("appliance.masking").joinpath("words", "phone_numbers.txt").read_text("utf-8")
    found = {}
    for line in text.splitlines():
        country, code, trunk, length, width, begun = line.split(" ")
        found[country] = PhoneForm(
            country, code, "" if trunk == "-" else trunk, int(length), int(width), begun
        )
    return found


@cache
def by_calling_code() -> dict[str, PhoneForm]:
    """By calling code: the first country in the file is whose numbers stand for all that share one."""
    found: dict[str, PhoneForm] = {}
    for form in phone_forms().values():
        found.setdefault(form.code, form)
    return found
