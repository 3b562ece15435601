"""Numbers that a state, a bank or a network gives: their check digits, by the standards."""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Callable, Iterator

import pytest

from appliance.masking.catalogue.identifiers.countries import NATIONAL
from appliance.masking.catalogue.identifiers.iban import LENGTHS
from appliance.masking.catalogue.identifiers.vat_numbers import VAT
from tests.engine.clusters import Cluster
from tests.engine.masking_lab import Lab, make_lab, remove_lab, spec


@pytest.fixture(scope="module")
def lab(source: Cluster) -> Iterator[Lab]:
    made = make_lab(source)
    yield made
    remove_lab(made)


def luhn_is_right(text: str) -> bool:
    total = 0
    for place, each in enumerate(reversed(text)):
        doubled = int(each) * (1 + place % 2)
        total += doubled - 9 * (doubled > 9)
    return total % 10 == 0


def sum_of(text: str, *weights: int) -> int:
    return sum(int(each) * weight for each, weight in zip(text, weights, strict=True))


def mod_11_10_is_right(text: str) -> bool:
    state = 5 * 2
    for each in text[:-1]:
        state = ((int(each) + state) % 10 or 10) * 2 % 11
    return (state + int(text[-1])) % 10 == 1


def codice_fiscale_is_right(text: str) -> bool:
    odd = dict(zip("0123456789", (1, 0, 5, 7, 9, 13, 15, 17, 19, 21), strict=True))
    values = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
    odd |= dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", values, strict=True))
    total = sum(
        odd[each] if place % 2 == 0 else int(each) if each.isdigit() else ord(each) - 65
        for place, each in enumerate(text[:15])
    )
    return text[15] == chr(65 + total % 26)


VERHOEFF_PRODUCT = re.findall(
    "[0-9]+",
    "0123456789 1234067895 2340178956 3401289567 4012395678 5987604321 6598710432 7659821043 8765932104"
    " 9876543210",
)
VERHOEFF_PLACES = re.findall(
    "[0-9]+", "0123456789 1576283094 5803796142 8916043527 9453126870 4286573901 2793806415 7046913258"
)


def verhoeff_is_right(text: str) -> bool:
    state = 0
    for place, each in enumerate(reversed(text)):
        state = int(VERHOEFF_PRODUCT[state][int(VERHOEFF_PLACES[place % 8][int(each)])])
    return state == 0


NATIONAL_RULES: dict[str, Callable[[str], bool]] = {
    "AT": lambda n: sum_of(n, 3, 7, 9, 0, 5, 8, 4, 2, 1, 6) % 11 == int(n[3]),
    "BE": lambda n: 97 - int(n[:9]) % 97 == int(n[9:]),
    "BR": lambda n: (
        sum_of(n[:9], *range(10, 1, -1)) * 10 % 11 % 10 == int(n[9])
        and sum_of(n[:10], *range(11, 1, -1)) * 10 % 11 % 10 == int(n[10])
    ),
    "CA": luhn_is_right,
    "CH": lambda n: n.startswith("756") and sum_of(n, *([1, 3] * 6 + [1])) % 10 == 0,
    "CN": lambda n: (
        (
            sum_of(n[:17], *(2**place % 11 for place in range(17, 0, -1)))
            + (10 if n[17] == "X" else int(n[17]))
        )
        % 11
        == 1
    ),
    "DE": lambda n: n[0] != "0" and len(set(n[:10])) == 9 and mod_11_10_is_right(n),
    "DK": lambda n: 1 <= int(n[:2]) <= 31 and 1 <= int(n[2:4]) <= 12 and n[6] in "0123",
    "ES": lambda n: n[8] == "TRWAGMYFPDXBNJZSQVHLCKE"[int(n[:8]) % 23],
    "FI": lambda n: n[10] == "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(n[:6] + n[7:10]) % 31],
    "FR": lambda n: 97 - int(n[:13]) % 97 == int(n[13:]),
    "GB": lambda n: (
        re.fullmatch("(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][0-9]{6}[A-D]", n)
        is not None
    ),
    "IE": lambda n: n[7] == "WABCDEFGHIJKLMNOPQRSTUV"[sum_of(n[:7], 8, 7, 6, 5, 4, 3, 2) % 23],
    "IN": lambda n: n[0] not in "01" and verhoeff_is_right(n),
    "IT": codice_fiscale_is_right,
    "NL": lambda n: sum_of(n, 9, 8, 7, 6, 5, 4, 3, 2, -1) % 11 == 0,
    "PL": lambda n: sum_of(n, 1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1) % 10 == 0,
    "PT": lambda n: (11 - sum_of(n[:8], *range(9, 1, -1)) % 11) % 11 % 10 == int(n[8]),
    "SE": luhn_is_right,
    "TR": lambda n: (
        n[0] != "0"
        and (7 * sum(map(int, n[0:9:2])) - sum(map(int, n[1:8:2]))) % 10 == int(n[9])
        and sum(map(int, n[:10])) % 10 == int(n[10])
    ),
    "US": lambda n: n[:3] not in ("000", "666") and n[0] != "9" and n[3:5] != "00" and n[5:] != "0000",
    "ZA": luhn_is_right,
}
VAT_RULES: dict[str, Callable[[str], bool]] = {
    "AT": lambda n: (
        n[0] == "U"
        and (96 - sum(int(d) if p % 2 == 0 else sum(divmod(2 * int(d), 10)) for p, d in enumerate(n[1:8])))
        % 10
        == int(n[8])
    ),
    "BE": lambda n: n[0] == "0" and 97 - int(n[:8]) % 97 == int(n[8:]),
    "DE": lambda n: n[0] != "0" and mod_11_10_is_right(n),
    "DK": lambda n: sum_of(n, 2, 7, 6, 5, 4, 3, 2, 1) % 11 == 0,
    "ES": lambda n: n[0] == "B" and luhn_is_right(n[1:]),
    "FI": lambda n: sum_of(n, 7, 9, 10, 5, 8, 4, 2, 1) % 11 == 0,
    "FR": lambda n: luhn_is_right(n[2:]) and (12 + 3 * (int(n[2:]) % 97)) % 97 == int(n[:2]),
    "GB": lambda n: (sum_of(n[:7], 8, 7, 6, 5, 4, 3, 2) + int(n[7:])) % 97 == 0,
    "IE": NATIONAL_RULES["IE"],
    "IT": lambda n: luhn_is_right(n) and 1 <= int(n[7:10]) <= 100,
    "LU": lambda n: int(n[:6]) % 89 == int(n[6:]),
    "NL": lambda n: n[9:] == "B01" and sum_of(n[:9], 9, 8, 7, 6, 5, 4, 3, 2, -1) % 11 == 0,
    "PL": lambda n: sum_of(n, 6, 5, 7, 2, 3, 4, 5, 6, 7, -1) % 11 == 0,
    "PT": NATIONAL_RULES["PT"],
    "SE": lambda n: n[10:] == "01" and luhn_is_right(n[:10]),
}


@pytest.mark.parametrize("country", NATIONAL)
def test_a_national_id_has_right_check_digits(lab: Lab, country: str) -> None:
    twin = lab.masked("text", [f"{number}" for number in range(80)], spec("national_id", country=country))
    assert len(set(twin)) > 75
    for number in twin:
        assert len(number) == NATIONAL[country].length and NATIONAL_RULES[country](number), number


@pytest.mark.parametrize("country", VAT)
def test_a_vat_id_has_right_check_digits(lab: Lab, country: str) -> None:
    twin = lab.masked("text", [f"{country}{number}" for number in range(80)], spec("vat_id", country=country))
    assert len(set(twin)) > 75
    for number in twin:
        assert number[:2] == country and VAT_RULES[country](number[2:]), number


def test_a_national_id_is_written_as_it_was(lab: Lab) -> None:
    apart, plain = lab.masked("text", ["078-05-1120", "078051120"], spec("national_id", country="US"))
    assert re.fullmatch("[0-9]{3}-[0-9]{2}-[0-9]{4}", apart) and apart.replace("-", "") == plain
    (narrow,) = lab.masked("varchar(9)", ["078-05-11"], spec("national_id", country="US"))
    assert re.fullmatch("[0-9]{9}", narrow)


def test_an_iban_is_valid_and_of_its_country(lab: Lab) -> None:
    values = [f"{country} 12 {number}" for country in LENGTHS for number in range(3)]
    for value, masked in zip(values, lab.masked("text", values, spec("iban")), strict=True):
        plain = masked.replace(" ", "")
        turned = "".join(str(int(each, 36)) for each in plain[4:] + plain[:4])
        assert plain[:2] == value[:2] and len(plain) == LENGTHS[value[:2]] and int(turned) % 97 == 1


def test_an_iban_fits_its_column_and_may_be_of_one_country(lab: Lab) -> None:
    for iban in lab.masked("varchar(22)", ["MT84", "DE 1", "x"], spec("iban")):
        assert len(iban) <= 22 and iban[:2] in ("NO", "DE")
    values = [f"DE{number}" for number in range(400)]
    twin = lab.masked("text", values, spec("iban", country="FR"))
    assert len(set(twin)) == 400 and all(iban[:2] == "FR" for iban in twin)
    spaced, plain = lab.masked("text", ["de89 3704 0044", "DE8937040044"], spec("iban"))
    assert spaced.replace(" ", "") == plain and " " in spaced


@pytest.mark.parametrize("keep", [0, 1, 6, 8])
def test_a_card_passes_luhn_and_keeps_its_form_and_prefix(lab: Lab, keep: int) -> None:
    values = ["4111 1111 1111 1111", "4111111111111111", "3782-822463-10005", "6304000000000", "4" * 19]
    twin = lab.masked("text", values, spec("card", keep_prefix=keep))
    assert twin[0].replace(" ", "") == twin[1]
    for value, masked in zip(values, twin, strict=True):
        digits, before = re.sub("[ -]", "", masked), re.sub("[ -]", "", value)
        assert luhn_is_right(digits) and masked != value
        assert re.sub("[0-9]", "0", masked) == re.sub("[0-9]", "0", value)
        kept = min(keep, len(before) - 8)
        assert digits[:kept] == before[:kept]


def test_a_uuid_in_text_and_in_its_own_type_becomes_the_same(lab: Lab) -> None:
    values = [str(uuid.UUID(int=number)) for number in range(50)]
    as_text = lab.masked("text", values, spec("uuid"))
    assert as_text == lab.masked("uuid", values, spec("uuid"), cast="uuid")
    assert all(uuid.UUID(each).version == 4 for each in as_text) and len(set(as_text)) == 50
    (short,) = lab.masked("char(32)", ["0b52f1b06a054b1d8a3e2f5f6f3f9a01"], spec("uuid"))
    assert uuid.UUID(short).version == 4 and len(short) == 32


def test_a_number_key_is_a_permutation_of_numeric(lab: Lab) -> None:
    values = [str(number) for number in range(-300, 700)]
    twin = lab.masked("numeric(6)", values, spec("number_key"), cast="numeric(6)")
    assert len(set(twin)) == 1000 and twin[300] == "0"
    assert all((int(each) < 0) == (int(value) < 0) for each, value in zip(twin, values, strict=True))
    assert sum(each == value for each, value in zip(twin, values, strict=True)) < 5
    large = lab.masked("numeric", ["123456789012345678901234.25", "1"], spec("number_key"), cast="numeric")
    assert large[0][:6] == "123456" and large[0][-3:] == ".25" and large[0] != "123456789012345678901234.25"


def test_an_address_keeps_its_prefix_and_its_family(lab: Lab) -> None:
    values = [f"192.168.{number}.{number}" for number in range(60)] + [f"2001:db8::{n}" for n in range(60)]
    chosen = spec("ip", keep_prefix=16, keep_prefix6=48)
    as_text, as_inet = lab.masked("text", values, chosen), lab.masked("inet", values, chosen, cast="inet")
    networks = [ipaddress.ip_network("192.168.0.0/16")] * 60 + [ipaddress.ip_network("2001:db8::/48")] * 60
    for value, text, inet, network in zip(values, as_text, as_inet, networks, strict=True):
        for masked in (text, inet.partition("/")[0]):
            assert masked != value and ipaddress.ip_address(masked) in network
    for address in lab.masked("text", values, spec("ip")):
        found = ipaddress.ip_address(address)
        assert found in ipaddress.ip_network("10.0.0.0/8" if found.version == 4 else "fd00::/8")


def test_a_network_stays_one_of_its_length(lab: Lab) -> None:
    (masked,) = lab.masked("cidr", ["10.20.30.0/24"], spec("ip", keep_prefix=8), cast="cidr")
    assert re.fullmatch(r"10\.\d+\.\d+\.0/24", masked) and masked != "10.20.30.0/24"


def test_a_mac_address_keeps_its_maker_and_its_signs(lab: Lab) -> None:
    values = ["08:00:2b:01:02:03", "08-00-2B-01-02-03", "08002b010203"]
    kept = lab.masked("text", values, spec("mac", keep_vendor=True))
    for masked, start in zip(kept, ["08:00:2b:", "08-00-2B-", "08002b"], strict=True):
        assert masked.startswith(start) and masked not in values
    assert (
        lab.masked("macaddr", values[:1], spec("mac", keep_vendor=True), cast="macaddr")[0][:9] == "08:00:2b:"
    )
    assert all(int(each[:2], 16) & 3 == 2 for each in lab.masked("text", values, spec("mac")))
