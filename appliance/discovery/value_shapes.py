"""What a value is, as one SQL expression over its text ``v.value``: a word, and never an error.

The text has at most ``LONGEST`` characters and the collation "C".
"""

from __future__ import annotations

from collections.abc import Iterable

from appliance.discovery import value_patterns as patterns
from appliance.masking.expressions.sql_text import literal

LONGEST = 4_000
"""Characters of a value that are looked at."""
NAMES = "appliance_names"
"""The JSON object of known names, as a column beside the value."""
LIMIT_YEAR, KNOWN = "\x02year\x02", "\x02names\x02"
"""Stand for the query's parameters until it is complete."""
_LONGEST_STREET = 120
_LONGEST_NAME = 80
_TEXT = "v.value"
_FEW_DIGITS = 6
"""A text of fewer is spared what needs more: most texts that are no person's data."""
_ByDigits = tuple[int, str, str]
"""How many digits a text must have for it at least, the condition, the word."""


def shape_sql() -> str:
    """The word for a value: one of the personal kinds' (``email``, …), or what else it looks like."""
    by_digits = [*_numbered(), *_plain(), *_loose()]
    few = _case((condition, word) for least, condition, word in by_digits if least < _FEW_DIGITS)
    first = [*_apart(), *_marked(), (f"{_TEXT} !~ '[0-9]'", _words()), (f"{_digits()} < {_FEW_DIGITS}", few)]
    return _case([*first, *((condition, word) for _, condition, word in by_digits)])


def _case(tests: Iterable[tuple[str, str]]) -> str:
    branches = " ".join(f"WHEN {condition} THEN {word}" for condition, word in tests)
    return f"CASE {branches} ELSE 'words' END"


def _digits() -> str:
    return f"length({_TEXT}) - length(translate({_TEXT}, '0123456789', ''))"


def luhn(digits: str) -> str:
    """Whether a text of digits has the check digit of ISO/IEC 7812."""
    return (
        "(SELECT mod(sum(CASE WHEN mod(u.i, 2) = 1 THEN u.d::int WHEN u.d::int > 4 THEN u.d::int * 2 - 9"
        f" ELSE u.d::int * 2 END), 10) = 0 FROM unnest(string_to_array(reverse({digits}), NULL))"
        " WITH ORDINALITY AS u (d, i))"
    )


def mod_97(text: str) -> str:
    """Whether a text of letters and digits has the check digits of ISO 13616."""
    moved = f"(substr({text}, 5) || substr({text}, 1, 4))"
    number = "string_agg(CASE WHEN u.c >= 'A' THEN (ascii(u.c) - 55)::text ELSE u.c END, '' ORDER BY u.i)"
    return (
        f"(SELECT mod({number}::numeric, 97) = 1"
        f" FROM unnest(string_to_array({moved}, NULL)) WITH ORDINALITY AS u (c, i))"
    )


def _matches(pattern: str, text: str = _TEXT) -> str:
    return f"{text} ~ {literal(pattern)}"


def _whole(pattern: str, text: str = _TEXT) -> str:
    return _matches(f"^(?:{pattern})$", text)


def _apart() -> list[tuple[str, str]]:
    """What is no text."""
    year = f"WHEN {_TEXT} < v.limit_year THEN 'old_date' ELSE 'date'"
    photograph, document = (_matches(each) for each in (patterns.PHOTOGRAPH_BYTES, patterns.DOCUMENT_BYTES))
    by_bytes = f"CASE WHEN {photograph} THEN 'photograph' WHEN {document} THEN 'document' ELSE 'bytes' END"
    return [
        ("v.mode = 'bytes'", by_bytes),
        ("v.mode = 'year'", f"CASE WHEN {_TEXT} = '' THEN 'other' {year} END"),
        (f"v.mode = 'number' AND length({_TEXT}) < 9", "'number'"),
        (f"btrim({_TEXT}) = ''", "'blank'"),
        (f"length({_TEXT}) < 3", "'code'"),
    ]


def _marked() -> list[tuple[str, str]]:
    """What a sign gives away, with digits or without."""
    begins = f"strpos({literal(patterns.FIRST_OF_SECRETS)}, left({_TEXT}, 1)) > 0"
    return [
        (
            f"strpos({_TEXT}, '@') > 0 AND {_matches(patterns.EMAIL)}",
            f"CASE WHEN {_matches(patterns.USER_IN_URL)} THEN 'url' ELSE 'email' END",
        ),
        (f"strpos({_TEXT}, '://') > 0 AND {_matches(patterns.SOCIAL)}", "'url'"),
        (f"{begins} AND {_matches(patterns.HASHES)}", "'password'"),
        (f"{begins} AND {_matches(patterns.SECRETS)}", "'secret'"),
    ]


def _words() -> str:
    """Text without a digit: whether it is of known names."""
    named = f"length({_TEXT}) <= {_LONGEST_NAME} AND {_matches(patterns.FEW_WORDS)}"
    return f"CASE WHEN {named} AND NOT {_matches(patterns.NO_NAME)} THEN {_name()} ELSE 'words' END"


def _name() -> str:
    """``full_name`` for a first and a last name, or either."""
    words = f"unnest(regexp_split_to_array(lower({_TEXT} COLLATE \"default\"), '[\\s,.''-]+')) AS w (word)"
    kinds = f"(SELECT string_agg({NAMES} ->> w.word, '') FROM {words})"
    unknown = f"CASE WHEN {_whole(patterns.LIKE_A_NAME)} THEN 'like_a_name' ELSE 'words' END"
    both = "k.found ~ 'b.|.b|f.*l|l.*f'"
    either = "WHEN strpos(k.found, 'l') > 0 THEN 'last_name' ELSE 'first_name'"
    return (
        f"(SELECT CASE WHEN k.found IS NULL THEN {unknown} WHEN {both} THEN 'full_name' {either} END"
        f" FROM (SELECT {kinds} AS found) AS k)"
    )


def _numbered() -> list[_ByDigits]:
    """Numbers with a form or a check digit. A check is computed only of what has the form."""
    year = f"substring({_TEXT} FROM '{patterns.YEAR}')"
    iban = f"replace(substring({_TEXT} FROM {literal(patterns.IBAN_WITHIN)}), ' ', '')"
    card = f"translate(substring({_TEXT} FROM {literal(patterns.CARD_WITHIN)}), ' -', '')"
    return [
        (0, f"length({_TEXT}) = 36 AND {_whole(patterns.UUID)}", "'uuid'"),
        (0, f"length({_TEXT}) = 17 AND {_whole(patterns.MAC)}", "'mac_address'"),
        (4, f"strpos({_TEXT}, '.') > 0 AND {_whole(patterns.IP4 + '(?:/[0-9]{1,2})?')}", "'ip_address'"),
        (0, f"strpos({_TEXT}, ':') > 0 AND {_whole(patterns.IP6)}", "'ip_address'"),
        (8, _whole(patterns.POSITION), "'position'"),
        (6, _whole(patterns.DATE), f"CASE WHEN {year} < v.limit_year THEN 'old_date' ELSE 'date' END"),
        (
            2,
            f"length({_TEXT}) >= 15 AND CASE WHEN {_whole(patterns.IBAN, iban)} THEN {mod_97(iban)}"
            " ELSE false END",
            "'bank_account'",
        ),
        (13, f"CASE WHEN {_whole(patterns.CARD, card)} THEN {luhn(card)} ELSE false END", "'card'"),
        (
            6,
            " OR ".join((_matches(patterns.SSN_WITHIN), _whole(patterns.NATIONAL), _dni(), _nir())),
            "'national_id'",
        ),
        (15, f"CASE WHEN {_whole('[0-9]{15}')} THEN {luhn(_TEXT)} ELSE false END", "'device'"),
        (4, f"length({_TEXT}) = 17 AND {_whole(patterns.VEHICLE)}", "'vehicle'"),
        (0, "v.mode = 'number'", "'number'"),
    ]


def _dni() -> str:
    """The Spanish number with its letter."""
    letter = f"substr('TRWAGMYFPDXBNJZSQVHLCKE', mod(left({_TEXT}, 8)::int, 23) + 1, 1)"
    return f"CASE WHEN {_whole('[0-9]{8}-?[A-Z]')} THEN {letter} = right({_TEXT}, 1) ELSE false END"


def _nir() -> str:
    """The French number with its key."""
    digits = f"replace({_TEXT}, ' ', '')"
    key = f"97 - mod(left({digits}, 13)::numeric, 97) = right({digits}, 2)::int"
    form = _whole("[12][0-9]{2}(0[1-9]|1[0-2]|[2-9][0-9])[0-9]{10}", digits)
    return f"CASE WHEN {form} THEN {key} ELSE false END"


def _plain() -> list[_ByDigits]:
    """One word with digits in it."""
    mixed = " AND ".join(_matches(f"[{signs}]") for signs in ("A-Z", "a-z", "0-9"))
    like_a_phone = f"CASE WHEN {_whole(patterns.DIGITS_OF_PHONE)} THEN 'like_a_phone' ELSE 'number' END"
    return [
        (0, f"length({_TEXT}) >= 32 AND {_whole('[0-9a-fA-F]{32,}')}", "'hex'"),
        (0, f"length({_TEXT}) >= 24 AND {_whole('[A-Za-z0-9+/_=-]{24,}')} AND {mixed}", "'encoded'"),
        (0, f"length({_TEXT}) = 14 AND {_whole(patterns.MOMENT)}", "'number'"),
        (0, _whole("-?[0-9]+(?:[.,][0-9]+)?"), like_a_phone),
    ]


def _loose() -> list[_ByDigits]:
    """Phones, addresses, and what stands in a sentence."""
    others = f"length(translate({_TEXT}, '0123456789', ''))"
    phone = (
        f"length({_TEXT}) <= 25 AND {_whole(patterns.PHONE_SIGNS)} AND {others} < length({_TEXT}) - 6"
        f" AND {_whole(patterns.PHONE_FORM)}"
    )
    street = (
        f"length({_TEXT}) <= {_LONGEST_STREET} AND {_matches(patterns.STREET, f'lower({_TEXT})')}"
        f" AND {_matches('[A-Za-z]{3}')}"
    )
    within = _matches(rf"(?:^|[^0-9.]){patterns.IP4}(?:$|[^0-9.])")
    return [
        (7, phone, "'phone'"),
        (7, _matches(patterns.PHONE_WITHIN), "'phone'"),
        (0, street, "'street'"),
        (4, f"strpos({_TEXT}, '.') > 0 AND {within} AND {_matches('[[:space:]]')}", "'ip_address'"),
        (0, f"length({_TEXT}) <= 24 AND {_TEXT} !~ '[^A-Za-z0-9_./#-]'", "'code'"),
    ]
