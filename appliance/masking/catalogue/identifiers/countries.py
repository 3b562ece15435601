"""National ids and VAT numbers by country."""

from __future__ import annotations

from appliance.masking.catalogue.identifiers.forms import (
    BIRTHDAY,
    Form,
    Step,
    digits,
    fixed,
    iso_11_10,
    looked_up,
    luhn_after,
    number,
    of_number,
    one_of,
    pair,
    sign,
    two_digits,
    verhoeff_after,
)
from appliance.masking.digits import digit, weighted

_DIGITS = "0123456789"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DISTRICTS = "110101310101440103500101"
"""Districts of Beijing, Shanghai, Guangzhou and Chongqing."""
_ELEVEN_DOWN = "00987654321"
"""11 minus the rest, and 0 for the rests 0 and 1."""


def _mod_11_minus(weights: tuple[int, ...]) -> Step:
    """11 minus the sum modulo 11, where 10 and 11 become 0."""
    return looked_up(weights, 11, _ELEVEN_DOWN)


def _from_ten(weights: tuple[int, ...]) -> Step:
    """What is missing to the next ten."""
    return looked_up(weights, 10, "0987654321")


def _codice_fiscale(text: str) -> str:
    """Odd places count by a table of their own, even ones as they are, letters from A = 0."""
    odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
    signs = "".join(chr(64 + each) for each in (*odd[:10], *odd))
    parts = []
    for place in range(1, 16):
        found = f"strpos('{_DIGITS}{_LETTERS}', substr({text}, {place}, 1))"
        if place % 2:
            parts.append(f"ascii(substr('{signs}', {found}, 1)) - 64")
        else:
            parts.append(f"CASE WHEN {found} > 10 THEN {found} - 11 ELSE {found} - 1 END")
    return f"{text} || chr(65 + mod({' + '.join(parts)}, 26))"


def _turkish(text: str) -> str:
    odd, even = weighted(text, (1, 0, 1, 0, 1, 0, 1, 0, 1)), weighted(text, (0, 1, 0, 1, 0, 1, 0, 1))
    return f"{text} || mod(7 * {odd} - {even} + 100, 10)::text"


def _finnish(text: str) -> str:
    """The sign that stands for the digits without the one of the century, modulo 31."""
    whole = f"(left({text}, 6) || right({text}, 3))::bigint"
    return f"{text} || substr('0123456789ABCDEFHJKLMNPRSTUVWXY', 1 + mod({whole}, 31)::int, 1)"


def _austrian_vat(text: str) -> str:
    """As Luhn's, with 4 more; the digits in even places are doubled."""
    number = f"substr({text}, 2)"
    doubled = f"translate({number}, '0123456789', '0246813579')"
    total = " + ".join(digit(doubled if place % 2 == 0 else number, place) for place in range(1, 8))
    return f"{text} || mod(96 - ({total}), 10)::text"


def _british_vat(text: str) -> str:
    """What is missing to the next multiple of 97."""
    return f"{text} || {two_digits(f'97 - mod({weighted(text, (8, 7, 6, 5, 4, 3, 2))}, 97)')}"


def _shuffled_digits(text: str) -> str:
    """The digits 1 to 9 in the order that eight choices give, and one of the first eight again."""
    rest, order = "'123456789'", "''"
    for place in range(1, 9):
        chosen = f"substr(appliance_rest, 1 + {digit('appliance_text', place)}, 1)"
        left = f"overlay(appliance_rest PLACING '' FROM 1 + {digit('appliance_text', place)} FOR 1)"
        if place == 1:
            sql = f"SELECT {text} AS appliance_text, {rest} AS appliance_rest, {order} AS appliance_order"
        sql = (
            f"SELECT appliance_text, {left} AS appliance_rest,"
            f" appliance_order || {chosen} AS appliance_order FROM ({sql} OFFSET 0) AS appliance_choice"
        )
    again = f"substr(appliance_order, 1 + {digit('appliance_text', 9)}, 1)"
    return f"(SELECT appliance_order || appliance_rest || {again} FROM ({sql} OFFSET 0) AS appliance_order)"


_STEUER_ID = Form(
    "Steuer-Identifikationsnummer",
    # Nine different digits without a zero, by the place from which a cycle of them is read, and one again.
    (*(number(0, count - 1, 1) for count in range(9, 1, -1)), number(0, 7, 1)),
    (
        _shuffled_digits,
        iso_11_10(10),
    ),
    "## ### ### ###",
)


NATIONAL: dict[str, Form] = {
    "AT": Form(
        "Sozialversicherungsnummer",
        # The date comes first, so that serial number and check digit are chosen together.
        (number(1, 28, 2), number(1, 12, 2), number(40, 99, 2), number(1, 9, 1), digits(2)),
        (
            pair((5, 8, 4, 2, 1, 6, 3, 7, 9), lambda total: total),
            lambda text: f"substr({text}, 7) || left({text}, 6)",
        ),
        "#### ######",
    ),
    "BE": Form(
        "Rijksregisternummer",
        (*BIRTHDAY, number(1, 997, 3)),
        (of_number(9, 97, lambda rest: two_digits(f"97 - {rest}")),),
        "##.##.##-###.##",
    ),
    "BR": Form(
        "CPF",
        (digits(9),),
        (_mod_11_minus((10, 9, 8, 7, 6, 5, 4, 3, 2)), _mod_11_minus((11, 10, 9, 8, 7, 6, 5, 4, 3, 2))),
        "###.###.###-##",
    ),
    "CA": Form("SIN", (number(1, 7, 1), digits(7)), (luhn_after(8),), "### ### ###"),
    "CH": Form(
        "AHV number",
        (fixed("756"), digits(9)),
        (_from_ten((1, 3) * 6),),
        "###.####.####.##",
    ),
    "CN": Form(
        "resident identity number",
        (one_of(_DISTRICTS, 6), fixed("19"), *BIRTHDAY, digits(3)),
        (looked_up((7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2), 11, "10X98765432"),),
        "##################",
    ),
    "DE": _STEUER_ID,
    "DK": Form(
        "CPR number",
        (number(1, 28, 2), number(1, 12, 2), number(40, 99, 2), sign("0123"), digits(3)),
        (),
        "######-####",
    ),
    "ES": Form(
        "DNI",
        (digits(8),),
        (of_number(8, 23, lambda rest: f"substr('TRWAGMYFPDXBNJZSQVHLCKE', 1 + ({rest})::int, 1)"),),
        "########-#",
    ),
    "FI": Form(
        "henkilötunnus",
        (number(1, 28, 2), number(1, 12, 2), number(40, 99, 2), fixed("-"), number(2, 899, 3)),
        (_finnish,),
        "###########",
    ),
    "FR": Form(
        "NIR",
        (
            sign("12"),
            number(40, 99, 2),
            number(1, 12, 2),
            number(21, 95, 2),
            number(1, 989, 3),
            number(1, 999, 3),
        ),
        (of_number(13, 97, lambda rest: two_digits(f"97 - {rest}")),),
        "# ## ## ## ### ### ##",
    ),
    "GB": Form(
        "National Insurance number",
        # No letters that stand in a prefix which is not given out.
        (sign("ACEHJLMPRSWXY"), sign("ABCEGHJKLMNPRSTWXYZ"), digits(6), sign("ABCD")),
        (),
        "## ## ## ## #",
    ),
    "IE": Form(
        "PPS number",
        (digits(7),),
        (looked_up((8, 7, 6, 5, 4, 3, 2), 23, "WABCDEFGHIJKLMNOPQRSTUV"),),
        "########",
    ),
    "IN": Form("Aadhaar", (number(2, 9, 1), digits(10)), (verhoeff_after(11),), "#### #### ####"),
    "IT": Form(
        "codice fiscale",
        (
            *(sign("BCDFGLMNPRSTVZ") for _ in range(6)),
            number(40, 99, 2),
            sign("ABCDEHLMPRST"),
            number(1, 28, 2),
            sign("ABCDEFGHIL"),
            number(101, 999, 3),
        ),
        (_codice_fiscale,),
        "################",
    ),
    "NL": Form(
        "BSN",
        (number(1, 9, 1), digits(7)),
        (pair((9, 8, 7, 6, 5, 4, 3, 2), lambda total: total),),
        "#########",
    ),
    "PL": Form("PESEL", (*BIRTHDAY, digits(4)), (_from_ten((1, 3, 7, 9, 1, 3, 7, 9, 1, 3)),), "###########"),
    "PT": Form("NIF", (sign("12"), digits(7)), (_mod_11_minus((9, 8, 7, 6, 5, 4, 3, 2)),), "### ### ###"),
    "SE": Form("personnummer", (*BIRTHDAY, digits(3)), (luhn_after(9),), "######-####"),
    "TR": Form(
        "T.C. kimlik no",
        (number(1, 9, 1), digits(8)),
        (_turkish, looked_up((1,) * 10, 10, _DIGITS)),
        "###########",
    ),
    "US": Form(
        "Social Security number",
        (number(1, 665, 3), number(1, 99, 2), number(1, 9999, 4)),
        (),
        "###-##-####",
    ),
    "ZA": Form("identity number", (*BIRTHDAY, digits(4), fixed("08")), (luhn_after(12),), "#############"),
}

VAT: dict[str, Form] = {
    "AT": Form(
        "Umsatzsteuer-Identifikationsnummer",
        (fixed("U"), digits(7)),
        (_austrian_vat,),
        "#########",
    ),
    "BE": Form(
        "btw-nummer",
        (fixed("0"), number(2_000_000, 9_999_999, 7)),
        (of_number(8, 97, lambda rest: two_digits(f"97 - {rest}")),),
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
            lambda text: f"{two_digits(f'mod(12 + 3 * mod({text}::bigint, 97), 97)')} || {text}",
        ),
        "## ### ### ###",
    ),
    "GB": Form("VAT number", (number(1, 9, 1), digits(6)), (_british_vat,), "### #### ##"),
    "IE": Form(
        "VAT number",
        (digits(7),),
        (looked_up((8, 7, 6, 5, 4, 3, 2), 23, "WABCDEFGHIJKLMNOPQRSTUV"),),
        "########",
    ),
    "IT": Form(
        "partita IVA", (number(1, 9, 1), digits(6), number(1, 100, 3)), (luhn_after(10),), "###########"
    ),
    "LU": Form("numéro de TVA", (number(100_000, 999_999, 6),), (of_number(6, 89, two_digits),), "########"),
    "NL": Form(
        "btw-nummer",
        (number(1, 9, 1), digits(7)),
        (pair((9, 8, 7, 6, 5, 4, 3, 2), lambda total: total), lambda text: f"{text} || 'B01'"),
        "############",
    ),
    "PL": Form(
        "NIP",
        (number(1, 9, 1), number(11, 99, 2), digits(6)),
        (pair((6, 5, 7, 2, 3, 4, 5, 6, 7), lambda total: total),),
        "###-###-##-##",
    ),
    "PT": Form("NIPC", (fixed("5"), digits(7)), (_mod_11_minus((9, 8, 7, 6, 5, 4, 3, 2)),), "#########"),
    "SE": Form(
        "momsregistreringsnummer",
        (fixed("556"), digits(6)),
        (luhn_after(9), lambda text: f"{text} || '01'"),
        "############",
    ),
}
