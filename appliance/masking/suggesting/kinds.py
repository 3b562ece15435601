"""The kinds of personal data that a column can hold, and which masks are tried for each."""

from __future__ import annotations

import re
from typing import Literal

PersonalKind = Literal[
    "email",
    "phone",
    "first_name",
    "last_name",
    "full_name",
    "user_name",
    "street",
    "city",
    "postal_code",
    "birth_date",
    "age",
    "date_about_a_person",
    "national_id",
    "passport",
    "driving_licence",
    "tax_id",
    "record_number",
    "bank_account",
    "card",
    "ip_address",
    "mac_address",
    "position",
    "url",
    "password",
    "secret",
    "health",
    "biometric",
    "special_category",
    "family",
    "income",
    "vehicle",
    "device",
    "photograph",
    "document",
    "signature",
    "free_text",
]
"""HIPAA's identifiers, GDPR's special categories, and what else names or describes a person."""

SPOKEN: dict[PersonalKind, str] = {
    "email": "an e-mail address",
    "phone": "a phone number",
    "first_name": "a first name",
    "last_name": "a last name",
    "full_name": "a person's name",
    "user_name": "a user's name",
    "street": "a street address",
    "city": "a place of an address",
    "postal_code": "a postal code",
    "birth_date": "a date of birth",
    "age": "an age",
    "date_about_a_person": "a date in a person's life",
    "national_id": "a national id",
    "passport": "a passport number",
    "driving_licence": "a driving licence",
    "tax_id": "a tax number",
    "record_number": "a number that stands for a person",
    "bank_account": "a bank account",
    "card": "a card number",
    "ip_address": "an IP address",
    "mac_address": "a MAC address",
    "position": "a geographic position",
    "url": "an address with a user in it",
    "password": "a password or its hash",
    "secret": "a token or key",
    "health": "a person's health",
    "biometric": "biometric data",
    "special_category": "what GDPR calls a special category",
    "family": "a person's family or origin",
    "income": "a person's money",
    "vehicle": "a vehicle",
    "device": "a device",
    "photograph": "a photograph",
    "document": "a document or file",
    "signature": "a signature",
    "free_text": "free text",
}

MASKS_FOR: dict[PersonalKind, tuple[str, ...]] = {
    "email": ("email",),
    "phone": ("phone",),
    "first_name": ("first_name",),
    "last_name": ("last_name",),
    "full_name": ("full_name",),
    "street": ("street",),
    "city": ("city",),
    "free_text": ("text_scrub",),
    "user_name": ("username",),
    "postal_code": ("postcode",),
    "url": ("url",),
    "ip_address": ("ip",),
    "mac_address": ("mac",),
    "position": ("position",),
    "age": ("age_band",),
    "password": ("hash",),
    "secret": ("hash",),
    "national_id": ("hash",),
    "tax_id": ("hash",),
    "bank_account": ("iban", "hash"),
    "card": ("card", "hash"),
    "record_number": ("hash",),
    "passport": ("hash",),
    "driving_licence": ("hash",),
}
"""Tried before what fits any column; a mask that does not fit the column's type is passed over."""

WITHIN_KIND: tuple[tuple[PersonalKind, str, str], ...] = (
    ("device", r"user_?agent", "user_agent"),
    (
        "city",
        r"region|state(?!_of)|state_of_residence|county|province|provincia|bundesland|(^|_)kanton|departement",
        "region",
    ),
    ("street", r"(full|complete|whole|postal|mailing)_?addr|anschrift", "address"),
    ("first_name", r"middle|zweit|second|segundo", "middle_name"),
    ("full_name", r"initial", "initials"),
    (
        "full_name",
        r"salutation|anrede|honorific|civilite|name_?(prefix|title)|^(prefix|title)_?name",
        "title",
    ),
)
"""Masks for what some names of a kind say more exactly, tried before those for all of the kind."""

BY_NAME: tuple[tuple[str, str], ...] = (
    (r"e_?mail", "email"),
    (r"phone|mobile|fax|(^|_)(tel|cell|msisdn)(_|$)", "phone"),
    (r"(first|given|fore)_?name|(^|_)fname(_|$)", "first_name"),
    (r"(last|family|sur)_?name|(^|_)lname(_|$)", "last_name"),
    (
        r"company|employer|organi[sz]ation|business_?name|(^|_)(firma|entreprise|empresa|azienda)(_|$)",
        "company",
    ),
    (r"(^|_)domain(_name)?$", "domain"),
    (r"street|(^|_)addr(ess)?(_?line)?_?[0-9]*(_|$)", "street"),
    (r"(^|_)(city|town)(_|$)", "city"),
    (r"(full|user|display|contact|customer|person|holder|billing|shipping)_?name|^name$", "full_name"),
    (r"note|comment|message|description|remark|feedback|(^|_)(body|content|bio|text)(_|$)", "text_scrub"),
    (r"(^|_)iban(_|$)", "iban"),
    (r"ssn|passw|secret|token|(^|_)(bic|tax|vat|card|licen[cs]e|pin|hash|salt|api_?key)", "hash"),
)
"""Masks for text columns by parts of their names, where no kind is known."""
BY_TYPE: tuple[tuple[str, str], ...] = (
    ("tsvector", "search_vector"),
    ("range", "range_shift"),
    ("time", "time_shift"),
    ("timetz", "time_shift"),
)
"""Masks that are for one type."""
SENSITIVE = re.compile(
    r"sex|gender|orient|relig|faith|church|ethnic|race|racial|nation|citizen|politic|party|union|marital|married"
    r"|pregnan|health|diagnos|disab|disease|illness|medic|blood|hiv|allerg|smok|drug|crim|convict|arrest|asylum"
)
"""A fact of few values says much of a person, if it is one of these."""
