"""The demo's shop is what the demo says of it, and the same wherever it is made."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest

from compose.demo.sample.load import Size, tables
from compose.demo.sample.people import make_people, source_of
from compose.demo.sample.words import card_number

SMALL = Size(
    customers=300, products=50, orders=400, visits=200, tickets=50, reviews=50, companies=20, audit=30
)
DIGEST_OF_SMALL = "1e62bf1f2521f87ef9f4d8e956aa30491681f770d2ac012c63b627d72810e282"
"""Changes whenever the sample changes; it must not change with the version of Python."""


@pytest.fixture(scope="module")
def small() -> dict[str, list[tuple[object, ...]]]:
    return {name: list(rows) for name, _, rows in tables(SMALL)}


def test_the_sample_is_the_same_on_every_machine_and_python(
    small: dict[str, list[tuple[object, ...]]],
) -> None:
    digest = hashlib.sha256()
    for name, rows in small.items():
        digest.update(repr((name, rows)).encode())
    assert digest.hexdigest() == DIGEST_OF_SMALL


def test_the_shop_has_enough_tables_and_rows() -> None:
    size = Size()
    assert len(list(tables(SMALL))) >= 12
    assert size.customers + size.orders + size.visits + size.reviews > 100_000


def test_every_row_has_as_many_values_as_its_table_has_columns(
    small: dict[str, list[tuple[object, ...]]],
) -> None:
    for name, columns, rows in tables(SMALL):
        widths = Counter(len(row) for row in rows)
        assert list(widths) == [len(columns)], name


def test_no_two_people_share_an_address() -> None:
    people = make_people(5_000)
    assert len({person.email for person in people}) == 5_000


def test_nobody_can_be_written_to_by_accident() -> None:
    assert all(person.email.endswith(".example") for person in make_people(2_000))


def test_names_come_in_several_scripts() -> None:
    names = "".join(person.name for person in make_people(2_000))
    assert "ł" in names
    assert any("Ͱ" <= letter <= "Ͽ" for letter in names)
    assert any("一" <= letter <= "鿿" for letter in names)


def test_free_text_holds_addresses_and_numbers(small: dict[str, list[tuple[object, ...]]]) -> None:
    bodies = " ".join(str(row[4]) for row in small["crm.message"])
    assert ".example" in bodies
    assert "4000 00" in bodies


def test_values_are_missing_here_and_there(small: dict[str, list[tuple[object, ...]]]) -> None:
    for table in ("customer", "orders", "payment", "visit", "crm.ticket"):
        assert any(None in row for row in small[table]), table


def test_card_numbers_pass_the_luhn_check() -> None:
    random = source_of("luhn")
    for _ in range(200):
        digits = [int(digit) for digit in card_number(random)]
        doubled = [sum(divmod(digit * 2, 10)) for digit in digits[::2]]
        assert (sum(doubled) + sum(digits[1::2])) % 10 == 0
