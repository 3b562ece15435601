"""The catalogue of masks, and the words that pseudonyms are made of."""

from __future__ import annotations

import hashlib
import re
from typing import get_args

import pytest

from appliance.masking.catalogue.identity.local_names import Locale, LocalNames
from appliance.masking.lookup import mask_and_params
from appliance.masking.registry import MASKS
from appliance.masking.word_lists import word_list, word_list_of
from tests.unit.masking_columns import mask

COUNTRIES = ("country", "country_code", "region")
LISTS = ("first_name", "last_name", "street", "city", "company_name", "company_trade", "mailbox")


def test_the_catalogue_is_complete() -> None:
    assert set(MASKS) == {
        *("null", "constant", "hash", "email", "first_name", "last_name", "full_name", "phone", "street"),
        *("city", "company", "random_string", "partial", "date_shift", "number_noise", "text_scrub", "json"),
        *("uuid", "number_key", "iban", "card", "national_id", "vat_id", "ip", "mac"),
        *("round", "bucket", "clamp", "random_number", "date_round", "random_date", "age_band", "time_shift"),
        *(
            "blank",
            "lorem",
            "format_preserving",
            "postcode",
            "username",
            "url",
            "domain",
            "position",
            *("middle_name", "choice", "phone_number", "country", "country_code"),
            *("initials", "title", "region", "address", "user_agent", "template", "search_vector", "regexp"),
            *("range_shift", "hstore", "xml", "composite", "distribution", "shuffle"),
        ),
    }


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_says_what_it_is_and_its_example_is_valid(name: str) -> None:
    found = MASKS[name]
    assert found.name == name
    assert re.fullmatch(r"[A-Z][^\n]{10,90}\.", found.summary)
    assert all(field.description and field.examples for field in found.params.model_fields.values())
    mask_and_params(mask(name, **found.example_params()), MASKS)


@pytest.mark.parametrize("name", LISTS + COUNTRIES)
def test_words_are_many_short_and_none_twice(name: str) -> None:
    words = word_list(name).words
    assert len(set(words)) == len(words) >= 90
    assert all(word == word.strip() and 1 < len(word) <= 24 for word in words)
    assert all(word_list(name, longest=8, encoding="LATIN1").words)


def test_people_and_places_are_written_as_they_write_themselves() -> None:
    for name in ("first_name", "last_name", "street", "city"):
        assert any(not word.isascii() for word in word_list(name).words)


@pytest.mark.parametrize("name", LISTS + COUNTRIES)
def test_a_part_of_a_list_is_found_again_by_its_key(name: str) -> None:
    for longest in (None, 5, 1000):
        for encoding in ("UTF8", "LATIN9"):
            words = word_list(name, longest=longest, encoding=encoding)
            assert word_list_of(words.key) == words


def test_no_word_list_has_changed() -> None:
    """Everyone's pseudonym depends on every word and its place: a change gives all people new names."""
    digest = hashlib.sha256(repr([(name, word_list(name).words) for name in LISTS]).encode())
    assert digest.hexdigest() == "be95f9dd178cf123f4a100d871060a778b388644e1460208b9ebbf5a58ff5e84"


def test_no_list_of_countries_and_regions_has_changed() -> None:
    digest = hashlib.sha256(repr([(name, word_list(name).words) for name in COUNTRIES]).encode())
    assert digest.hexdigest() == "f153094c9f55af8d1a5a6fbb6087dd6ea23aadaa97af36175e61f9f8bdaf3764"


def test_there_are_names_of_many_locales_each_of_a_form() -> None:
    lists = {locale: LocalNames(locale, "full", None, "UTF8") for locale in get_args(Locale)}
    assert len(lists) >= 20 and all(names.enough for names in lists.values())
    every = [
        words for names in lists.values() for kind in (names.first, names.last) for words in kind.values()
    ]
    assert sum(len(words) for words in {words.key: words for words in every}.values()) >= 10_000
    for words in every:
        assert len(set(words.words)) == len(words)
        assert all(word == word.strip() and len(word) <= 20 for word in words.words)
        assert word_list_of(words.key) == words


def test_no_list_of_a_locale_has_changed() -> None:
    lists = [(locale, LocalNames(locale, "full", None, "UTF8")) for locale in get_args(Locale)]
    words = [
        (locale, kind, sex, each.words)
        for locale, names in lists
        for kind, by_sex in (("first", names.first), ("last", names.last))
        for sex, each in by_sex.items()
    ]
    assert (
        hashlib.sha256(repr(words).encode()).hexdigest()
        == "5026a13d39b89a20f3b60b2bd16ab48a56cc224ff6ebc4c287efc547dc38eefe"
    )
