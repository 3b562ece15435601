"""Text of XML documents in SQL: what its references mean, how it is written, whether the server reads it."""

from __future__ import annotations

from typing import Literal

from appliance.masking.expressions.sql_text import literal

LONGEST_DOCUMENT = 32_000_000
"""Bytes of text: a regular expression takes four for each of them."""
BLANKS = "E' \\t\\n\\r'"

_COMMENT = r"<!--(?:[^-]|-[^-])*-->"
_CDATA = r"<!\[CDATA\[(?:[^\]]|\][^\]]|\]\]+[^\]>])*\]\]+>"
_INSTRUCTION = r"<\?(?:[^?]|\?+[^?>])*\?+>"
_TAG = "<[^!?\"'<>](?:[^\"'<>]|\"[^\"<]*\"|'[^'<]*')*>"
TOKENS = literal(f"{_COMMENT}|{_CDATA}|{_INSTRUCTION}|{_TAG}|[^<]+")
"""The pieces of a well-formed document without a document type. Each can end in one place only, so the
longest match is the piece."""
_UTF8 = literal(
    r"^(?:[\x01-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}"
    r"|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}"
    r"|\xf4[\x80-\x8f][\x80-\xbf]{2})*$"
)
# What XML 1.0 has no character for.
_CONTROLS = "".join(f"\\x{code:02x}" for code in range(1, 32) if code not in (9, 10, 13))


def is_read(text: str, encoding: str) -> str:
    """A boolean SQL expression, never an error: the server takes the text for XML content, it is made of the
    pieces of ``TOKENS``, and so it declares no entities. False rather than true where in doubt.
    """
    # A document type is no piece, nor is anything else that only the server may know how to read.
    more = f"regexp_replace({text}, {TOKENS}, '', 'g') <> ''"
    unreadable = f" WHEN {text} !~ {_UTF8} THEN false" if encoding == "SQL_ASCII" else ""
    return (
        f"CASE WHEN octet_length({text}) > {LONGEST_DOCUMENT} THEN false{unreadable}"
        f" WHEN {more} THEN false ELSE xml_is_well_formed_content({text}) END"
    )


def decoded(text: str, encoding: str, name: str, *, attribute: bool = False) -> str:
    """What a piece of text means: its references are replaced, its ends of lines are those of XML.

    ``name`` begins names that no column has.
    """
    lines = f"replace(replace({text}, E'\\r\\n', E'\\n'), E'\\r', E'\\n')"
    if attribute:
        lines = f"translate(replace({text}, E'\\r\\n', ' '), E'\\t\\n\\r', '   ')"
    reference, place, number = f"{name}_r", f"{name}_at", f"{name}_n"
    digits = f"substr({reference}, 3, length({reference}) - 3)"
    figures = f"substr({reference}, 4, length({reference}) - 4)"
    code = (
        f"CASE WHEN {reference} ~ '^&#0*[0-9]{{1,7}};$' THEN ('0' || ltrim({digits}, '0'))::int"
        f" WHEN {reference} ~ '^&#x0*[0-9a-fA-F]{{1,6}};$'"
        f" THEN ('x' || lpad(ltrim({figures}, '0'), 8, '0'))::bit(32)::int END"
    )
    named = " ".join(
        f"WHEN '&{each};' THEN {literal(character)}"
        for each, character in (("amp", "&"), ("lt", "<"), ("gt", ">"), ("quot", '"'), ("apos", "'"))
    )
    meant = (
        f"CASE WHEN {number} IS NULL THEN CASE {reference} {named} ELSE {reference} END"
        f" {_characters(number, encoding)} ELSE '&#' || {number} || ';' END"
    )
    return (
        f"CASE WHEN strpos({text}, '&') = 0 THEN {lines} ELSE"
        f" (SELECT string_agg({meant}, '' ORDER BY {place})"
        f" FROM (SELECT {reference}, {place}, {code} AS {number}"
        f" FROM (SELECT {name}_found[1] AS {reference}, {place}"
        f" FROM regexp_matches({lines}, '&[^;&]*;?|[^&]+', 'g') WITH ORDINALITY"
        f" AS appliance_found ({name}_found, {place})) AS appliance_references) AS appliance_numbers) END"
    )


def _characters(number: str, encoding: str) -> str:
    """The branches of a CASE for the numbers that are a character of the database; never an error."""
    plain = f"WHEN {number} BETWEEN 1 AND 127 THEN chr({number})"
    valid = f"{number} BETWEEN 128 AND 55295 OR {number} BETWEEN 57344 AND 1114111"
    if encoding == "UTF8":
        return f"{plain} WHEN {valid} THEN chr({number})"
    if encoding == "LATIN1":
        return f"{plain} WHEN {number} BETWEEN 128 AND 255 THEN chr({number})"
    if encoding == "SQL_ASCII":
        # The server reads XML as UTF-8 there.
        two = f"49280 + (({number} >> 6) << 8) + ({number} & 63)"
        three = f"14712960 + (({number} >> 12) << 16) + ((({number} >> 6) & 63) << 8) + ({number} & 63)"
        four = (
            f"4034953344 + (({number} >> 18) << 24) + ((({number} >> 12) & 63) << 16)"
            f" + ((({number} >> 6) & 63) << 8) + ({number} & 63)"
        )
        as_bytes = (
            f"CASE WHEN {number} < 2048 THEN to_hex({two}) WHEN {number} < 65536 THEN to_hex({three})"
            f" ELSE to_hex({four}) END"
        )
        return f"{plain} WHEN {valid} THEN convert_from(decode({as_bytes}, 'hex'), 'UTF8')"
    return plain


def trimmed(text: str) -> str:
    """A value without the blanks around it, which are the document's and not the value's."""
    return f"btrim({text}, {BLANKS})"


def written(text: str, encoding: str, where: Literal["text", "attribute"]) -> str:
    """A value as text of a document, without the characters that XML has none for."""
    none = f"E'{_CONTROLS}{_uncharacters(encoding)}'"
    sql = f"btrim(translate({text}, {none}, ''), {BLANKS})"
    marks = [("&", "'&amp;'"), ("<", "'&lt;'"), (">", "'&gt;'")]
    for mark, reference in marks:
        sql = f"replace({sql}, '{mark}', {reference})"
    sql = f"replace({sql}, E'\\r', '&#13;')"
    if where == "attribute":
        for mark, reference in (("'\"'", "'&quot;'"), ("E'\\t'", "'&#9;'"), ("E'\\n'", "'&#10;'")):
            sql = f"replace({sql}, {mark}, {reference})"
    return sql


def _uncharacters(encoding: str) -> str:
    return r"\ufffe\uffff" if encoding == "UTF8" else ""
