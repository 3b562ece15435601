"""What the server makes of a value is what the masks' description says, in a second implementation."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from decimal import Decimal

import pytest

from appliance.keys.keys import source_key
from appliance.masking.mask import KeyedParams
from appliance.masking.registry import MASKS
from tests.engine.clusters import Cluster
from tests.engine.masking_lab import Lab, make_lab, remove_lab, spec
from tests.engine.pseudonyms import Pseudonyms

ROOT = bytes(range(100, 132))
PEOPLE = Pseudonyms(ROOT, "production", 3)
KEY = source_key(ROOT, "production", 3)
DOMAINS = (None, "billing", "a_b")
TEXTS = [
    "Ann",
    "Ann Lee",
    "",
    "ann@corp.test",
    "Łukasz 👋",
    "back\\slash",
    "\\x41",
    "+49 (170) 123-4567",
    "x" * 5000,
]
PHONES = [
    *("555-0100", "+44 7700 900123", "555.010.1234", "1", "(0)", "--", "12345678901234567890123", "9" * 18),
    *(
        "1234567890123456",
        "+1 (555) 010-123",
        "<=>?:;,!",
        "+49 (170) 123-4567",
        "a, b & 'c': 5!",
        "\u00e9555",
        "555\t0100",
    ),
    *("tel: 555 ext 12", "0" * 41, "\uff15\uff15\uff15-0100", ""),
]


@pytest.fixture(scope="module")
def lab(source: Cluster) -> Iterator[Lab]:
    made = make_lab(source)
    yield made
    remove_lab(made)


def params(domain: str | None, **others: object) -> dict[str, object]:
    return others | ({} if domain is None else {"domain": domain})


@pytest.mark.parametrize("domain", DOMAINS)
def test_texts_are_masked_as_described(lab: Lab, domain: str | None) -> None:
    def masked(mask: str, **others: object) -> list[str]:
        return lab.masked("text", TEXTS, spec(mask, **params(domain, **others)), key=KEY)

    for length in (8, 15, 32, 33, 64):
        assert masked("hash", length=length) == [PEOPLE.hash_text(text, domain, length) for text in TEXTS]
    for length in (4, 16, 21, 22, 40):
        assert masked("random_string", length=length) == [
            PEOPLE.random_string(text, domain, length) for text in TEXTS
        ]
    assert masked("email") == [PEOPLE.email(text, domain) for text in TEXTS]
    for mask in ("first_name", "last_name", "full_name", "city", "street", "company"):
        assert masked(mask) == [PEOPLE.picked(mask, text, domain) for text in TEXTS], mask


@pytest.mark.parametrize("domain", DOMAINS)
def test_phones_are_masked_as_described(lab: Lab, domain: str | None) -> None:
    found = lab.masked("text", PHONES, spec("phone", **params(domain)), key=KEY)
    assert found == [PEOPLE.phone(text, domain) for text in PHONES]


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize(("kind", "bits"), [("smallint", 15), ("integer", 31), ("bigint", 63)])
def test_whole_numbers_are_hashed_as_described(lab: Lab, kind: str, bits: int, domain: str | None) -> None:
    numbers = [0, 1, 2, 4711, -1, -2, 2**bits - 1, -(2**bits), 2 ** (bits - 1) + 12]
    found = lab.masked(kind, numbers, spec("hash", **params(domain)), key=KEY)
    assert found == [PEOPLE.hash_number(each, bits, domain) for each in numbers]


@pytest.mark.parametrize("domain", DOMAINS)
def test_other_types_are_hashed_as_described(lab: Lab, domain: str | None) -> None:
    chosen = spec("hash", **params(domain))
    values = [b"", b"a", bytes(range(256))]
    assert lab.masked("bytea", values, chosen, key=KEY) == [
        PEOPLE.hash_bytes(each, domain) for each in values
    ]
    ids = [uuid.UUID(int=0), uuid.UUID("12345678-1234-4234-9234-123456789abc")]
    assert lab.masked("uuid", ids, chosen, key=KEY) == [PEOPLE.hash_uuid(each, domain) for each in ids]
    addresses = ["192.0.2.7", "2001:db8::1", "fd00::"]
    found = lab.masked("inet", addresses, chosen, key=KEY, cast="inet")
    assert [each.partition("/")[0] for each in found] == [
        PEOPLE.hash_address(each, domain) for each in addresses
    ]


@pytest.mark.parametrize("domain", DOMAINS)
def test_numbers_move_as_described(lab: Lab, domain: str | None) -> None:
    chosen = spec("number_noise", **params(domain))
    whole = [0, 1, -1, 2, 3, 7, -9, 100, 4711, -2_000_000]
    found = lab.masked("integer", whole, chosen, key=KEY)
    assert found == [PEOPLE.noise_on_integer(each, domain) for each in whole]
    prices = [Decimal("1200.00"), Decimal("-99.90"), Decimal("8000000.01")]
    found = lab.masked("numeric(12,2)", prices, chosen, key=KEY)
    assert found == [PEOPLE.noise_on_numeric(each, 2, domain) for each in prices]
    floats = [1.5, -2.25, 1e9]
    found = lab.masked("double precision", floats, chosen, key=KEY)
    assert found == [PEOPLE.noise_on_float(each, domain) for each in floats]


@pytest.mark.parametrize("domain", DOMAINS)
def test_dates_move_as_described(lab: Lab, domain: str | None) -> None:
    dates = [dt.date(1984, 3, 5) + dt.timedelta(days=each) for each in range(20)]
    found = lab.masked("date", dates, spec("date_shift", **params(domain)), key=KEY)
    assert found == [PEOPLE.shifted(each, place, domain) for place, each in enumerate(dates)]


def test_no_keyed_mask_is_left_out() -> None:
    keyed = {name for name, mask in MASKS.items() if issubclass(mask.params, KeyedParams)}
    assert keyed == {
        *("hash", "email", "first_name", "last_name", "full_name", "phone", "street", "city", "company"),
        *("random_string", "date_shift", "number_noise"),
    }
