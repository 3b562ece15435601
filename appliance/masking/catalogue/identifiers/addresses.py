"""``ip`` and ``mac``: addresses in a network, of which the beginning may stay."""

from __future__ import annotations

import ipaddress

from pydantic import Field

from appliance.masking.examples import draw
from appliance.masking.expressions.drawing import Digest, text_message
from appliance.masking.expressions.sql_text import short_match
from appliance.masking.mask import KeyedParams, Mask, Masked, Original, Promises
from appliance.masking.scope import Scope, never_itself, unless_empty
from appliance.masking.shape import Kind, Shape, Value

_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_FOUR = f"({_OCTET}[.]){{3}}{_OCTET}"
_GROUP = "[0-9A-Fa-f]{1,4}"
_EIGHT_GROUPS = f"({_GROUP}:){{7}}{_GROUP}"
_SHORTER = f"({_GROUP}(:{_GROUP})*)?::({_GROUP}(:{_GROUP})*)?"
_LONGEST = 45
_ROOM_FOR_FOUR, _ROOM_FOR_SIX = 15, 39
_FREE_BITS = 16
"""Fewer than so many that are drawn, and a network may stay what it was."""


class IpParams(KeyedParams):
    """How much of an address stays."""

    keep_prefix: int = Field(
        default=0,
        strict=True,
        ge=0,
        le=24,
        description="Bits of an IPv4 address that stay; with 0 the address becomes one of 10.0.0.0/8.",
        examples=[16],
    )
    keep_prefix6: int = Field(
        default=0,
        strict=True,
        ge=0,
        le=112,
        description="Bits of an IPv6 address that stay; with 0 the address becomes one of fd00::/8.",
        examples=[48],
    )


class Ip(Mask[IpParams]):
    """Bits after the prefix are drawn; the length of a network stays."""

    name = "ip"
    summary = "Replaces an IP address or a network; a prefix may stay."
    params = IpParams
    kinds = frozenset[Kind]({"text", "inet", "cidr"})
    proof = "by_chance"
    promises = Promises(
        length="at most 39 characters in text; a column with less room gets IPv4 addresses",
        format="the family and the length of a network stay; a network of which all bits are kept stays as it"
        " is; text that is no address becomes one",
    )
    hides = "all bits after the prefix that is kept."
    learnt = (
        "which rows have the same address, its family, the length of its network, and the prefix that is"
        " kept. The n pairs open themselves and nothing else."
    )
    originals = (Original("192.0.2.44"), Original("2001:db8::7a:5"))

    def compile(self, value: Value, params: IpParams, scope: Scope) -> Masked:
        """By the type."""
        kind, key, sql = value.shape.kind, params.key_of(self.name), value.sql
        if kind == "text":
            return self._text(value, params, scope)
        address = f"{sql}::inet" if kind == "cidr" else sql
        masked = scope.drawn(
            value, key, text_message(value.text), lambda digest: _address(address, params, digest)
        )
        if kind == "inet":
            return Masked(masked, "by_chance")
        four, six = max(8, params.keep_prefix), max(8, params.keep_prefix6)
        free = f"CASE family({sql}) WHEN 4 THEN {four} ELSE {six} END"
        return Masked(
            f"network({masked})",
            "by_chance",
            chance=0.5**_FREE_BITS,
            normal_form_sql=f"CASE WHEN masklen({sql}) >= {_FREE_BITS} + {free} THEN {sql}::text END",
        )

    def _text(self, value: Value, params: IpParams, scope: Scope) -> Masked:
        text = value.text
        four = f"{text} ~ '^{_FOUR}$'"
        colons = f"length({text}) - length(replace({text}, ':', ''))"
        six = f"{text} ~ '^({_EIGHT_GROUPS}|{_SHORTER})$' AND {colons} <= 7"
        room = value.shape.length is None or value.shape.length >= _ROOM_FOR_SIX

        def made(digest: Digest) -> str:
            kept_four = f"host({_version_4(f'{text}::inet', params.keep_prefix, digest)})"
            drawn_four = f"host('10.0.0.0'::inet + {digest.number(0, 24)})"
            found = f"WHEN {four} THEN {kept_four}"
            if room:
                kept_six = f"host({_version_6(f'{text}::inet', params.keep_prefix6, digest)})"
                found += (
                    f" WHEN {six} THEN {kept_six} WHEN strpos({text}, ':') > 0 AND strpos({text}, '.') = 0"
                )
                found += f" THEN host({_version_6(None, 0, digest)})"
            found = f"WHEN octet_length({text}) > {_LONGEST} THEN {drawn_four} {found} ELSE {drawn_four}"
            return never_itself(f"CASE {found} END", value, "'10.0.0.0'")

        sql = scope.drawn(value, params.key_of(self.name), text_message(value.key_text), made)
        shape = short_match(text, f"{_FOUR}|[0-9a-f:]*")
        return Masked(unless_empty(value, sql), "by_chance", chance=0.5**_FREE_BITS, shape_sql=shape)

    def example(self, original: Original, params: IpParams) -> str:
        """Of one address of each family."""
        address = ipaddress.ip_address(original.text)
        bits, four = address.max_prefixlen, address.version == 4
        digest = draw.of_text(params.key_of(self.name), original.text)
        kept = params.keep_prefix if four else params.keep_prefix6
        drawn = draw.number(digest, 0, 32) if four else int.from_bytes(digest[:16], "big")
        begun = int(address) if kept else 0x0A << 24 if four else 0xFD << 120
        below = (1 << (bits - (kept or 8))) - 1
        made = (begun & ~below) | (drawn & below)
        return str(ipaddress.ip_address(made) if four else ipaddress.IPv6Address(made))

    def problems(self, shape: Shape, params: IpParams, scope: Scope) -> list[str]:
        """A column too short for an address."""
        if shape.length is not None and shape.length < _ROOM_FOR_FOUR:
            return [f"the column has {shape.length} characters, and an address needs {_ROOM_FOR_FOUR}"]
        return []


def _address(address: str, params: IpParams, digest: Digest) -> str:
    four, six = (
        _version_4(address, params.keep_prefix, digest),
        _version_6(address, params.keep_prefix6, digest),
    )
    return f"set_masklen(CASE family({address}) WHEN 4 THEN {four} ELSE {six} END, masklen({address}))"


def _version_4(address: str, kept: int, digest: Digest) -> str:
    """Never the address itself: then the last bit is another one."""
    alone = f"set_masklen({address}, 32)"
    drawn, other = (
        f"('0.0.0.0'::inet + {digest.number(0, 32)})",
        f"('0.0.0.0'::inet + ({digest.number(0, 32)} # 1))",
    )
    first, second = (_beside(address, kept, each, 32, "10.0.0.0/8") for each in (drawn, other))
    return f"coalesce(nullif({first}, {alone}), {second})"


def _version_6(address: str | None, kept: int, digest: Digest) -> str:
    """128 drawn bits, of which the last ones stand after the prefix."""
    shown = f"encode(substr({digest.sql}, 1, 16), 'hex')"
    groups = " || ':' || ".join(f"substr({shown}, {1 + 4 * place}, 4)" for place in range(8))
    drawn = f"(({groups})::inet)"
    if address is None:
        return f"({drawn} & '00ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'::inet | 'fd00::'::inet)"
    alone = f"set_masklen({address}, 128)"
    first, second = (_beside(address, kept, each, 128, "fd00::/8") for each in (drawn, f"~ {drawn}"))
    return f"coalesce(nullif({first}, {alone}), {second})"


def _beside(address: str, kept: int, drawn: str, bits: int, instead: str) -> str:
    """The kept bits of an address, or those of a private network, and drawn ones behind them."""
    network = f"set_masklen({address}, {kept})" if kept else f"'{instead}'::inet"
    begun = f"({address} & netmask({network}))" if kept else f"'{instead.partition('/')[0]}'::inet"
    return f"set_masklen({begun} | ({drawn} & hostmask({network})), {bits})"


class MacParams(KeyedParams):
    """Whether the maker stays."""

    keep_vendor: bool = Field(
        default=False,
        strict=True,
        description="Keep the first three bytes, which say who has made the device.",
        examples=[True],
    )


_WITH_SIGNS = 17
_LOCAL = 0x72
"""A first byte whose bits say that an address is local, and of one device."""
_MAC = "([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|[0-9A-Fa-f]{12}"


class Mac(Mask[MacParams]):
    """Local addresses of single devices, or the maker's."""

    name = "mac"
    summary = "Replaces a MAC address; its maker may stay."
    params = MacParams
    kinds = frozenset[Kind]({"text", "macaddr", "macaddr8"})
    proof = "by_chance"
    promises = Promises(
        length="17 characters in text, or 12 where the value or the column has no room for signs between",
        format="a locally administered address, or with `keep_vendor` one of the same maker; in text with the"
        " value's hyphens or colons",
    )
    hides = "the device; without `keep_vendor` its maker too."
    learnt = (
        "which rows have the same address, and with `keep_vendor` its maker. The n pairs open themselves and"
        " nothing else."
    )
    originals = (Original("08:00:2b:01:02:03"),)

    def compile(self, value: Value, params: MacParams, scope: Scope) -> Masked:
        """By the type."""
        kind, sql = value.shape.kind, value.sql
        digest = scope.digest(params.key_of(self.name), text_message(value.key_text))
        if kind == "text":
            return self._text(value, params, scope)
        width = 6 if kind == "macaddr" else 8
        drawn = f"encode(set_byte(substr({digest.sql}, 1, {width}), 0, {_LOCAL}), 'hex')::{kind}"
        if params.keep_vendor:
            zeros = "00" * 3 + "ff" * (width - 3)
            drawn = f"trunc({sql}) | ({drawn} & '{zeros}'::{kind})"
        masked = f"({drawn})"
        return Masked(masked, "by_chance", chance=0.5**24)

    def _text(self, value: Value, params: MacParams, scope: Scope) -> Masked:
        # Longer text is no address.
        text, room = f"left({value.text}, {_LONGEST})", value.shape.length

        def made(digest: Digest) -> str:
            drawn = f"encode(set_byte(substr({digest.sql}, 1, 6), 0, {_LOCAL}), 'hex')"
            plain = f"CASE WHEN {text} ~ '[A-F]' THEN upper({drawn}) ELSE {drawn} END"
            if params.keep_vendor:
                maker = f"left(translate({text}, ':-', ''), 6)"
                plain = f"CASE WHEN {text} ~ '^({_MAC})$' THEN {maker} || right({plain}, 6) ELSE {plain} END"
            sign = "''"
            if room is None or room >= _WITH_SIGNS:
                sign = (
                    f"CASE WHEN {text} ~ '^[0-9A-Fa-f]{{12}}$' THEN ''"
                    f" WHEN strpos({text}, '-') > 0 THEN '-' ELSE ':' END"
                )
            pairs = (f"substr(appliance_plain, {1 + 2 * each}, 2)" for each in range(6))
            drawn = f"SELECT {plain} AS appliance_plain, {sign} AS appliance_sign OFFSET 0"
            return f"(SELECT {' || appliance_sign || '.join(pairs)} FROM ({drawn}) AS appliance_mac)"

        sql = scope.drawn(value, params.key_of(self.name), text_message(value.key_text), made)
        return Masked(
            unless_empty(value, sql),
            "by_chance",
            chance=0.5**24,
            shape_sql=short_match(value.text, f"({_MAC})?"),
        )

    def example(self, original: Original, params: MacParams) -> str:
        """With colons between."""
        digest = draw.of_text(params.key_of(self.name), original.text)
        made = bytes([_LOCAL, *digest[1:6]]).hex(":")
        return original.text[:9] + made[9:] if params.keep_vendor else made

    def problems(self, shape: Shape, params: MacParams, scope: Scope) -> list[str]:
        """A column too short for an address."""
        if shape.length is not None and shape.length < 12:
            return [f"the column has {shape.length} characters, and a MAC address needs 12"]
        return []
