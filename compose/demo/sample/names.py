"""The words in names.toml, as the rest of the sample reads them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Region:
    """A country that the shop sells to. In ``phone`` and ``postcode``, ``#`` is a digit, ``@`` a letter."""

    code: str
    country: str
    weight: int
    first_names: list[str]
    last_names: list[str]
    streets: list[str]
    street_format: str
    cities: list[str]
    phone: list[str]
    postcode: str


def _read() -> dict[str, Any]:
    with Path(__file__).with_name("names.toml").open("rb") as file:
        return tomllib.load(file)


_words = _read()
REGIONS = [Region(**region) for region in _words["region"]]
MAIL_DOMAINS: list[str] = _words["mail_domains"]
INTERESTS: list[str] = _words["interests"]
COMPANY: dict[str, list[str]] = _words["company"]
COLOURS: list[str] = _words["product"]["colours"]
MATERIALS: list[str] = _words["product"]["materials"]
ADJECTIVES: list[str] = _words["product"]["adjectives"]
NOUNS: list[str] = _words["product"]["nouns"]
CATEGORIES: dict[str, list[str]] = _words["product"]["categories"]
