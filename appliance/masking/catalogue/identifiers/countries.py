"""National ids by country."""

from __future__ import annotations

from appliance.masking.catalogue.identifiers.forms import (
    BIRTHDAY,
    Form,
    Step,
    digits,
    eleven_minus,
    fixed,
    iso_11_10,
    looked_up,
    luhn_after,
    mod_97,
    number,
    one_of,
    pair,
    rest_of,
    verhoeff_after,
)
from appliance.masking.expressions.digits import digit, weighted

_DIGITS = "0123456789"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
_DISTRICTS = "110101310101440103500101"
"""Districts of Beijing, Shanghai, Guangzhou and Chongqing."""


def _from_ten(weights: tuple[int, ...]) -> Step:
    """What is missing to the next ten."""
    return looked_up(weights, 10, "0987654321")


def _codice_fiscale(text: str) -> str:
    """Odd places count by a table of their own, even ones as they are, letters from A = 0."""
    signs = "".join(chr(64 + each) for each in (*_ODD[:10], *_ODD))
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


def _plain_codice_fiscale(text: str) -> str:
    values = {each: place for place, each in enumerate(_DIGITS)}
    values |= {each: place for place, each in enumerate(_LETTERS)}
    odd = dict(zip(_DIGITS + _LETTERS, (*_ODD[:10], *_ODD), strict=True))
    total = sum((values if place % 2 else odd)[each] for place, each in enumerate(text))
    return text + chr(65 + total % 26)


def _plain_turkish(text: str) -> str:
    return f"{text}{(7 * sum(map(int, text[::2])) - sum(map(int, text[1::2]))) % 10}"


def _plain_shuffled_digits(text: str) -> str:
    rest, order = list("123456789"), ""
    for each in text[:8]:
        order += rest.pop(int(each))
    return order + rest[0] + order[int(text[8])]


_STEUER_ID = Form(
    "Steuer-Identifikationsnummer",
    # Nine different digits without a zero, by the place from which a cycle of them is read, and one again.
    (*(number(0, count - 1, 1) for count in range(9, 1, -1)), number(0, 7, 1)),
    (
        Step(_shuffled_digits, _plain_shuffled_digits),
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
            Step(lambda text: f"substr({text}, 7) || left({text}, 6)", lambda text: text[6:] + text[:6]),
        ),
        "#### ######",
    ),
    "BE": Form(
        "Rijksregisternummer",
        (*BIRTHDAY, number(1, 997, 3)),
        (mod_97(9),),
        "##.##.##-###.##",
    ),
    "BR": Form(
        "CPF",
        (digits(9),),
        (eleven_minus((10, 9, 8, 7, 6, 5, 4, 3, 2)), eleven_minus((11, 10, 9, 8, 7, 6, 5, 4, 3, 2))),
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
        (number(1, 28, 2), number(1, 12, 2), number(40, 99, 2), one_of("0123"), digits(3)),
        (),
        "######-####",
    ),
    "ES": Form(
        "DNI",
        (digits(8),),
        (rest_of(8, 23, "TRWAGMYFPDXBNJZSQVHLCKE"),),
        "########-#",
    ),
    "FI": Form(
        "henkilötunnus",
        (number(1, 28, 2), number(1, 12, 2), number(40, 99, 2), fixed("-"), number(2, 899, 3)),
        (rest_of(9, 31, "0123456789ABCDEFHJKLMNPRSTUVWXY", skipped=6),),
        "###########",
    ),
    "FR": Form(
        "NIR",
        (
            one_of("12"),
            number(40, 99, 2),
            number(1, 12, 2),
            number(21, 95, 2),
            number(1, 989, 3),
            number(1, 999, 3),
        ),
        (mod_97(13),),
        "# ## ## ## ### ### ##",
    ),
    "GB": Form(
        "National Insurance number",
        # No letters that stand in a prefix which is not given out.
        (one_of("ACEHJLMPRSWXY"), one_of("ABCEGHJKLMNPRSTWXYZ"), digits(6), one_of("ABCD")),
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
            *(one_of("BCDFGLMNPRSTVZ") for _ in range(6)),
            number(40, 99, 2),
            one_of("ABCDEHLMPRST"),
            number(1, 28, 2),
            one_of("ABCDEFGHIL"),
            number(101, 999, 3),
        ),
        (Step(_codice_fiscale, _plain_codice_fiscale),),
        "################",
    ),
    "NL": Form(
        "BSN",
        (number(1, 9, 1), digits(7)),
        (pair((9, 8, 7, 6, 5, 4, 3, 2), lambda total: total),),
        "#########",
    ),
    "PL": Form("PESEL", (*BIRTHDAY, digits(4)), (_from_ten((1, 3, 7, 9, 1, 3, 7, 9, 1, 3)),), "###########"),
    "PT": Form("NIF", (one_of("12"), digits(7)), (eleven_minus((9, 8, 7, 6, 5, 4, 3, 2)),), "### ### ###"),
    "SE": Form("personnummer", (*BIRTHDAY, digits(3)), (luhn_after(9),), "######-####"),
    "TR": Form(
        "T.C. kimlik no",
        (number(1, 9, 1), digits(8)),
        (Step(_turkish, _plain_turkish), looked_up((1,) * 10, 10, _DIGITS)),
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
