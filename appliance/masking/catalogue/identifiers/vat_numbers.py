"""VAT numbers by country."""

from __future__ import annotations

from appliance.masking.catalogue.identifiers.forms import (
    Form,
    Step,
    behind,
    digits,
    eleven_minus,
    fixed,
    iso_11_10,
    looked_up,
    luhn_after,
    mod_97,
    number,
    pair,
    rest_of,
    two_digits,
)
from appliance.masking.expressions.digits import digit, weighted


def _austrian_vat(text: str) -> str:
    """As Luhn's, with 4 more; the digits in even places are doubled."""
    number = f"substr({text}, 2)"
    doubled = f"translate({number}, '0123456789', '0246813579')"
    total = " + ".join(digit(doubled if place % 2 == 0 else number, place) for place in range(1, 8))
    return f"{text} || mod(96 - ({total}), 10)::text"


def _british_vat(text: str) -> str:
    """What is missing to the next multiple of 97."""
    return f"{text} || {two_digits(f'97 - mod({weighted(text, (8, 7, 6, 5, 4, 3, 2))}, 97)')}"


def _plain_austrian_vat(text: str) -> str:
    doubled = "0246813579"
    total = sum(int(doubled[int(each)] if place % 2 else each) for place, each in enumerate(text[1:]))
    return f"{text}{(96 - total) % 10}"


def _plain_british_vat(text: str) -> str:
    total = sum(int(each) * weight for each, weight in zip(text, range(8, 1, -1), strict=True))
    return f"{text}{97 - total % 97:02}"


VAT: dict[str, Form] = {
    "AT": Form(
        "Umsatzsteuer-Identifikationsnummer",
        (fixed("U"), digits(7)),
        (Step(_austrian_vat, _plain_austrian_vat),),
        "#########",
    ),
    "BE": Form(
        "btw-nummer",
        (fixed("0"), number(2_000_000, 9_999_999, 7)),
        (mod_97(8),),
        "####.###.###",
    ),
    "DE": Form("USt-IdNr.", (number(10_000_000, 99_999_999, 8),), (iso_11_10(8),), "#########"),
    "DK": Form(
        "momsnummer",
        (number(1, 9, 1), digits(6)),
        (pair((2, 7, 6, 5, 4, 3, 2), lambda total: (11 - total) % 11),),
        "## ## ## ##",
    ),
    "ES": Form("NIF of a company", (fixed("B"), digits(7)), (luhn_after(7, 1),), "#########"),
    "FI": Form(
        "ALV-numero",
        (digits(7),),
        (pair((7, 9, 10, 5, 8, 4, 2), lambda total: (11 - total) % 11),),
        "########",
    ),
    "FR": Form(
        "numéro de TVA",
        (number(1, 9, 1), digits(7)),
        (
            luhn_after(8),
            Step(
                lambda text: f"{two_digits(f'mod(12 + 3 * mod({text}::bigint, 97), 97)')} || {text}",
                lambda text: f"{(12 + 3 * int(text)) % 97:02}{text}",
            ),
        ),
        "## ### ### ###",
    ),
    "GB": Form(
        "VAT number", (number(1, 9, 1), digits(6)), (Step(_british_vat, _plain_british_vat),), "### #### ##"
    ),
    "IE": Form(
        "VAT number",
        (digits(7),),
        (looked_up((8, 7, 6, 5, 4, 3, 2), 23, "WABCDEFGHIJKLMNOPQRSTUV"),),
        "########",
    ),
    "IT": Form(
        "partita IVA", (number(1, 9, 1), digits(6), number(1, 100, 3)), (luhn_after(10),), "###########"
    ),
    "LU": Form("numéro de TVA", (number(100_000, 999_999, 6),), (rest_of(6, 89),), "########"),
    "NL": Form(
        "btw-nummer",
        (number(1, 9, 1), digits(7)),
        (pair((9, 8, 7, 6, 5, 4, 3, 2), lambda total: total), behind("B01")),
        "############",
    ),
    "PL": Form(
        "NIP",
        (number(1, 9, 1), number(11, 99, 2), digits(6)),
        (pair((6, 5, 7, 2, 3, 4, 5, 6, 7), lambda total: total),),
        "###-###-##-##",
    ),
    "PT": Form("NIPC", (fixed("5"), digits(7)), (eleven_minus((9, 8, 7, 6, 5, 4, 3, 2)),), "#########"),
    "SE": Form(
        "momsregistreringsnummer",
        (fixed("556"), digits(6)),
        (luhn_after(9), behind("01")),
        "############",
    ),
}
