"""Numbers that are valid in their country, whatever stood there before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import get_args

import pytest

from appliance.masking.catalogue.contact.phone_forms import PhoneCountry, by_calling_code, phone_forms
from tests.engine.clusters import Cluster
from tests.engine.masking_lab import Lab, make_lab, remove_lab, spec

# What the states' own numbering plans say.
PLANS = {
    "US": r"\+1[2-9][0-9]{2}[2-9][0-9]{6}",
    "DE": r"\+491(5[0-9]{9}|[67][0-9]{8,9})",
    "FR": r"\+33[67][0-9]{8}",
    "GB": r"\+447[1-57-9][0-9]{8}",
    "BE": r"\+324[5-9][0-9]{7}",
    "AU": r"\+614[0-9]{8}",
}


@pytest.fixture(scope="module")
def lab(source: Cluster) -> Iterator[Lab]:
    made = make_lab(source)
    yield made
    remove_lab(made)


@pytest.mark.parametrize("country", PLANS)
def test_a_number_of_a_named_country_follows_its_plan(lab: Lab, country: str) -> None:
    twin = lab.masked("text", [f"0170 {n:06}" for n in range(100)], spec("phone_number", country=country))
    assert len(set(twin)) > 95
    assert [number for number in twin if not re.fullmatch(PLANS[country], number)] == []


def test_every_calling_code_keeps_its_country(lab: Lab) -> None:
    forms = list(by_calling_code().values())
    values = [f"+{form.code} {form.begun[: form.width]}-12345" for form in forms]
    for form, number in zip(forms, lab.masked("text", values, spec("phone_number")), strict=True):
        begun = {form.begun[at : at + form.width] for at in range(0, len(form.begun), form.width)}
        assert number.startswith(f"+{form.code}") and len(number) == 1 + len(form.code) + form.length
        assert number[1 + len(form.code) :][: form.width] in begun


def test_one_number_written_in_many_ways_gets_one_number(lab: Lab) -> None:
    ways = ["+49 170 1234567", "0049 170/123 45 67", "(+49) 170-1234567", " +491701234567"]
    assert len(set(lab.masked("text", ways, spec("phone_number")))) == 1


def test_a_national_number_is_dialled_as_at_home(lab: Lab) -> None:
    german, french = lab.masked(
        "text", ["+49 170 1234567", "+33 612345678"], spec("phone_number", form="national")
    )
    assert re.fullmatch("01[567][0-9]{9,10}", german) and re.fullmatch("0[67][0-9]{8}", french)


def test_a_short_column_gets_numbers_that_fit_it(lab: Lab) -> None:
    twin = lab.masked("varchar(12)", ["+49170123456", "+33612345678"], spec("phone_number"))
    assert re.fullmatch(PLANS["US"], twin[0]) and re.fullmatch(PLANS["FR"], twin[1])


def test_each_country_that_may_be_named_has_a_form_and_enough_numbers() -> None:
    assert set(get_args(PhoneCountry)) == set(phone_forms())
    codes = by_calling_code()
    for form in phone_forms().values():
        assert form.beginnings * form.width == len(form.begun) and form.length - form.width >= 5
        assert not any(form.code != code and form.code.startswith(code) for code in codes)
