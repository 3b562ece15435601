"""What an example shows is what a source's own SQL makes of that value with these options."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from appliance.masking.catalogue.identifiers.countries import NATIONAL
from appliance.masking.catalogue.identifiers.vat_numbers import VAT
from appliance.masking.examples.draw import EXAMPLE_KEY
from appliance.masking.lookup import mask_and_params
from appliance.masking.registry import MASKS
from tests.engine.clusters import Cluster
from tests.engine.masking_lab import Lab, make_lab, remove_lab, spec

OPTIONS: dict[str, list[dict[str, Any]]] = {
    "constant": [{"value": "x"}, {"value": "redacted", "keep_null": True}],
    "hash": [{"length": 20}, {"length": 9, "domain": "billing"}, {"length": 64}],
    "email": [{"at": "mail.invalid"}, {"ignore_case": True}],
    "first_name": [{"subject": "id"}, {"domain": "crm"}, {"locale": "de_DE", "gender": "female"}],
    "last_name": [{"locale": "ru_RU"}, {"locale": "ru_RU", "gender": "female"}, {"locale": "fr_FR"}],
    "full_name": [
        {"subject": "id"}, {"subject": ["id", "id"]}, {"locale": "ja_JP"},
        {"locale": "hu_HU", "gender": "male"}, {"locale": "bg_BG", "subject": "id"},
    ],
    "country": [{"subject": "id"}, {"domain": "crm"}],
    "country_code": [{"subject": "id"}],
    "street": [{"subject": "id"}],
    "phone_number": [{"country": "DE"}, {"country": "IT", "form": "national"}, {"form": "national"}],
    "phone": [{"keep_prefix": each} for each in (1, 3, 9, 14, 30)],
    "random_string": [{"length": each} for each in (4, 21, 22, 40)],
    "partial": [{"keep_first": 1}, {"keep_first": 8, "keep_last": 0, "cover": "x"}, {"keep_last": 0},
                {"keep_first": 20}],
    "date_shift": [{"max_days": 1}, {"max_days": 60}, {"max_days": 3650, "domain": "hr"}],
    "number_noise": [{"percent": 0.1}, {"percent": 90}, {"amount": 5}, {"amount": 0.001}, {"amount": 1e15},
                     {"percent": 90, "max": 1200}, {"amount": 5, "min": 2000},
                     {"amount": 500, "min": 0, "max": 1300}],
    "choice": [{"values": ["a", "b"], "weights": [1, 999]}, {"values": ["x", 2, "é"], "subject": "id"}],
    "middle_name": [{"locale": "nl_NL", "gender": "male"}],
    "lorem": [{"domain": "x"}, {"domain": "y"}],
    "format_preserving": [{"keep_first": 2}, {"keep_first": 1, "keep_last": 2}, {"keep_last": 50}],
    "postcode": [{"keep_first": 0}, {"keep_first": 3}],
    "username": [{"domain": "x"}],
    "url": [{"at": "example.org"}],
    "domain": [{"at": "mail.invalid"}],
    "position": [{"radius_m": 50}, {"radius_m": 100000, "subject": "id"}],
    "round": [{"to": 100}, {"to": 7}, {"to": 10000}],
    "bucket": [{"size": 25, "show": "middle"}, {"size": 7}, {"bounds": [0, 18, 1000]}, {"bounds": [2000]}],
    "clamp": [{"min": 0}, {"max": 90}, {"min": 5, "max": 60}],
    "random_number": [{"min": -5, "max": 5}, {"min": 1, "max": 10000, "subject": "id"}],
    "date_round": [{"to": to} for to in ("week", "quarter", "year", "decade")],
    "random_date": [{"earliest": "1970-01-01", "latest": "1970-12-31", "subject": "id"}],
    "age_band": [{"years": 10}, {"years": 7, "domain": "x"}],
    "time_shift": [{"max_minutes": 719}, {"max_minutes": 1, "subject": "id"}],
    "number_key": [{"domain": "x"}],
    "iban": [{"country": country} for country in ("FR", "GB", "BR", "MU", "NO", "IT")],
    "card": [{"keep_prefix": keep} for keep in (0, 6, 8)],
    "national_id": [{"country": country} for country in NATIONAL],
    "vat_id": [{"country": country} for country in VAT],
    "ip": [{"keep_prefix": 16, "keep_prefix6": 48}, {"keep_prefix": 9, "keep_prefix6": 63}],
    "mac": [{"keep_vendor": True}],
    "text_scrub": [{"find": ["email", "phone"]}, {"find": ["ssn"]}, {"find": ["card", "ip"]}],
    "regexp": [{"pattern": "([0-9])[0-9]+", "replace": "\\1#\\\\"}, {"pattern": "x", "others": "blank"}],
    "range_shift": [{"max_days": 3650, "max_amount": 5}, {"max_days": 1, "subject": "id"}],
    "hstore": [{"keys": {"email": "email", "a": "null"}},
               {"keys": {"note": "delete", "a": "keep"}, "others": "delete"}],
    "template": [{"text": "{id}-{id|upper} {{x}}"}],
    "search_vector": [{"configuration": "english"}],
    "initials": [{"form": "plain"}, {"subject": "id"}],
    "xml": [{"paths": {"/a/b": "phone", "//c": {"mask": "number_noise", "percent": 50}, "/a/@d": "null",
                       "/a/e": {"mask": "constant", "value": "<x>"}}},
            {"paths": {"//*/@id": "hash", "/a/b": "delete"}}, {"paths": {"//b": "delete"}},
            {"paths": {"/a/b": "keep", "//c/d": "email"}, "others": "delete"}],
    "title": [{"locale": "de_DE"}, {"gender": "male"}, {"locale": "fr_FR", "subject": "id"}],
    "region": [{"subject": "id"}],
    "address": [{"country": True, "lines": True}, {"postcode": False, "subject": "id"}],
    "user_agent": [{"subject": "id"}, {"domain": "x"}],
    "json": [{"paths": {"a.b": "phone", "c": {"mask": "number_noise", "percent": 50}, "d": "null",
                        "e": {"mask": "constant", "value": [1]}}},
             {"paths": {"a.*.b": "hash", "c": "delete"}}, {"paths": {"a": "delete"}},
             {"paths": {"a.b": "keep", "c": "email"}, "others": "delete"}],
}  # fmt: skip
DOCUMENTS = {"json": "jsonb", "hstore": "public.hstore", "xml": "xml"}
# What a composite type has is its own, and so are a column's values.
WITHOUT = {"composite", "distribution", "shuffle"}
CASES = [(name, params) for name in MASKS if name not in WITHOUT for params in ({}, *OPTIONS.get(name, []))]


@pytest.fixture(scope="module")
def lab(source: Cluster) -> Iterator[Lab]:
    made = make_lab(source)
    made.script("CREATE EXTENSION hstore WITH SCHEMA public")
    yield made
    remove_lab(made)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_the_source_makes_of_an_example_what_is_shown(lab: Lab, name: str, options: dict[str, Any]) -> None:
    params = options or MASKS[name].plain_params().model_dump(mode="json", exclude_unset=True)
    mask, checked = mask_and_params(spec(name, **params), MASKS)
    shown = mask.examples(checked)
    types = [original.type for original in mask.originals] or [DOCUMENTS[name]]
    for (before, after), column_type in zip(shown, types, strict=True):
        value = None if before == "NULL" else before
        # The row's key is 1, as an example's subject is.
        made = lab.masked(
            column_type, [value, value], spec(name, **params), key=EXAMPLE_KEY, cast=column_type
        )[1]
        if column_type == "jsonb":
            assert json.loads(made) == json.loads(after)
        else:
            assert ("NULL" if made is None else made) == after
