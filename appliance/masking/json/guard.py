"""Whether a ``json`` value can become ``jsonb`` without an error, found out without an error.

``json`` stores text as it came. ``jsonb`` refuses some of it: the escape of NUL, halves of surrogate pairs,
numbers beyond ``numeric``, documents whose parts exceed 256 MB. Its error would print the document into the
server's log.
"""

from __future__ import annotations

LONGEST_DOCUMENT = 32_000_000
"""Bytes of text: an array of one-digit numbers grows six-fold as jsonb."""
# From here on a number may have more digits than numeric holds (131072 before the point, 16383 after it).
_LONG_NUMBERS = 16_000

# Inside E'' literals.
_BAD_ESCAPE = {True: "(?:0000|[dD][89a-fA-F])", False: "(?!00[0-7][1-9a-fA-F]|00[1-7]0)"}
_PAIR = r"\\\\u[dD][89abAB][0-9a-fA-F][0-9a-fA-F]\\\\u[dD][c-fC-F][0-9a-fA-F][0-9a-fA-F]"
_STRING = r'"(?:[^"\\\\]|\\\\.)*"'
_LARGE_EXPONENT = "[0-9][eE][-+]?[0-9]{5}"


def is_jsonb(document: str, encoding: str = "UTF8") -> str:
    """A boolean SQL expression, never an error; false rather than true where in doubt. NULL for NULL."""
    text = f'({document}::text COLLATE "C")'
    # Without pairs of backslashes, those that are left begin an escape.
    escapes = f"replace({text}, E'\\\\\\\\', '')"
    lone = f"regexp_replace({escapes}, E'{_PAIR}', '', 'g') !~ E'\\\\\\\\u{_BAD_ESCAPE[encoding == 'UTF8']}'"
    outside = f"regexp_replace({text}, E'{_STRING}', '', 'g')"
    numbers = f"{outside} !~ '{_LARGE_EXPONENT}|[0-9]{{255}}'"
    suspicious = f"({text} ~ '{_LARGE_EXPONENT}' OR octet_length({text}) > {_LONG_NUMBERS})"
    return (
        f"CASE WHEN octet_length({text}) > {LONGEST_DOCUMENT} THEN false"
        f" WHEN strpos({text}, E'\\\\u') > 0 AND NOT ({lone}) THEN false"
        f" WHEN {suspicious} THEN {numbers} ELSE true END"
    )
