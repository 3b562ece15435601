"""What every keyed mask draws from: one pseudorandom function, SHA-256 under a secret key, in a server's SQL.

A digest is ``sha256(key || header || message)``. The header is a letter for the kind of message and the
message's length in bytes, so no two values are ever hashed alike. A mask that shows at most the first
``SHOWN_BYTES`` bytes uses the chopped construction of Coron, Dodis, Malinaud and Puniya ("Merkle-Damgård
Revisited", CRYPTO 2005), which stays a pseudorandom function where all of a keyed hash's output would let
an attacker lengthen the message. A mask that shows more draws from HMAC (RFC 2104).

Every mask kind and domain has its own key (``appliance.keys.keys``), so one that falls opens nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

SHOWN_BYTES = 16
"""A chopped digest shows no more; the other half stays secret."""
INTEGER_HEADER = "6e00000008"
LONG_BYTES = 1_000_000
"""A longer value enters as digests of itself: 1 GB and a header do not fit into one datum."""


@dataclass(frozen=True)
class Message:
    """What is hashed: the header's fixed beginning in hex, and an SQL expression of type bytea for the rest.

    The expression is NULL for NULL.
    """

    header: str
    body: str


def text_message(text: str) -> Message:
    """A text expression's bytes, after their length.

    ``decode`` of escaped text gives the bytes without looking at them, so text that is not valid in the
    database's encoding cannot make it fail, as ``convert_to`` would, with the bytes in the server's log.
    A backslash in a long text becomes another character of one byte instead of two, since the text may have
    no room for more; two digests with two such characters differ wherever two texts do.
    """
    escaped = f"decode(replace({text}, E'\\\\', E'\\\\\\\\'), 'escape')"
    once, again = (f"sha256(decode(replace({text}, E'\\\\', '{sign}'), 'escape'))" for sign in "/|")
    content = f"CASE WHEN octet_length({text}) > {LONG_BYTES} THEN {once} || {again} ELSE {escaped} END"
    return Message("74", f"int4send(octet_length({text})) || {content}")


def numeric_message(value: str) -> Message:
    """A numeric's text without zeros at its end, after its length: the same as a text's.

    It is never as long as a text may be, and without a backslash.
    """
    text = f"trim_scale({value})::text"
    return Message("74", f"int4send(octet_length({text})) || decode({text}, 'escape')")


def bytes_message(value: str) -> Message:
    """A bytea expression, after its length."""
    content = f"CASE WHEN octet_length({value}) > {LONG_BYTES} THEN sha256({value}) ELSE {value} END"
    return Message("62", f"int4send(octet_length({value})) || {content}")


def integer_message(value: str) -> Message:
    """A whole number as eight bytes."""
    return Message(INTEGER_HEADER, f"int8send({value})")


def round_message(value: str, bits: int, step: int) -> Message:
    """A whole number in one round of a permutation of so many bits."""
    return Message(f"72{bits:02x}{step:02x}00000008", f"int8send({value})")


def float_message(value: str) -> Message:
    """A double precision number as its eight bytes, with one zero."""
    return Message("6600000008", f"float8send({value} + 0)")


_MOMENTS = {
    "date": ("6400000004", "date_send"),
    "timestamp": ("6400000008", "timestamp_send"),
    "timestamptz": ("6400000008", "timestamptz_send"),
    "time": ("6400000008", "time_send"),
    "timetz": ("640000000c", "timetz_send"),
}


def moment_message(value: str, kind: str) -> Message:
    """A date or a time as the days or microseconds that the server keeps, whatever its time zone."""
    header, send = _MOMENTS[kind]
    return Message(header, f"{send}({value})")


def uuid_message(value: str) -> Message:
    """A uuid as its sixteen bytes."""
    return Message("7500000010", f"uuid_send({value})")


@dataclass(frozen=True)
class Digest:
    """A digest that has been computed, as a mask's SQL sees it."""

    sql: str

    def number(self, first: int, bits: int) -> str:
        """A non-negative whole number of ``bits`` bits (63 at most) from the byte ``first`` on.

        Byte by byte, because that is the fastest way there is: a cast of hexadecimal digits costs twice as
        much, and only PostgreSQL 18 casts bytes.
        """
        count = (bits + 7) // 8
        top, kind = bits - 8 * (count - 1), "bigint" if bits > 31 else "int"
        parts = []
        for place in range(count):
            byte = f"get_byte({self.sql}, {first + place})"
            if place == 0 and top < 8:
                byte = f"({byte} & {(1 << top) - 1})"
            shift = 8 * (count - 1 - place)
            wide = f"{byte}::bigint" if kind == "bigint" else byte
            parts.append(f"({wide} << {shift})" if shift else wide)
        return f"({' | '.join(parts)})"

    def number_once(self, bits: int) -> str:
        """The same as ``number(0, bits)``, from one mention of the digest."""
        count = (bits + 7) // 8
        whole = f"('x' || encode(substr({self.sql}, 1, {count}), 'hex'))::bit({8 * count})::bigint"
        return f"({whole} & {(1 << bits) - 1})"

    def hex(self, digits: int) -> str:
        """So many hexadecimal digits from the beginning."""
        shown = f"encode(substr({self.sql}, 1, {(digits + 1) // 2}), 'hex')"
        return f"left({shown}, {digits})" if digits % 2 else shown

    def bit(self, byte: int) -> str:
        """True or false, by a byte's lowest bit."""
        return f"(get_byte({self.sql}, {byte}) & 1) = 1"
