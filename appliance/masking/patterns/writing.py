"""A pattern's tree as PostgreSQL reads it: an advanced regular expression, greedy throughout."""

from __future__ import annotations

from appliance.masking.patterns.parsing import LAST, Chain, Chars, Edge, Either, Group, Node, Repeat


def written(node: Node) -> str:
    """The text of the pattern; nothing in it but letters, digits, escapes and what it is made of."""
    match node:
        case Chars(ranges):
            return _chars(ranges)
        case Edge(sign):
            return "\\A" if sign == "^" else "\\Z"
        case Group(part, number):
            return f"({'' if number is not None else '?:'}{written(part)})"
        case Either(branches):
            return f"(?:{'|'.join(written(branch) for branch in branches)})"
        case Chain(parts):
            return "".join(written(part) for part in parts)
        case Repeat(part, least, most):
            inner = written(part)
            if not isinstance(part, Chars | Group):
                inner = f"(?:{inner})"
            return inner + _times(least, most)


def _times(least: int, most: int | None) -> str:
    known = {(0, None): "*", (1, None): "+", (0, 1): "?"}
    if (least, most) in known:
        return known[least, most]
    return f"{{{least},{'' if most is None else most}}}" if least != most else f"{{{least}}}"


def _chars(ranges: tuple[tuple[int, int], ...]) -> str:
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return _sign(ranges[0][0])
    if ranges and ranges[-1][1] == LAST:
        # What is left out is said, since not every encoding has a last character.
        left_out, start = [], 1
        for first, last in ranges:
            if start < first:
                left_out.append((start, first - 1))
            start = last + 1
        return f"[^{_inside(tuple(left_out))}]" if left_out else "(?:.|\\n)"
    return f"[{_inside(ranges)}]"


def _inside(ranges: tuple[tuple[int, int], ...]) -> str:
    return "".join(
        _sign(first) if first == last else f"{_sign(first)}-{_sign(last)}" for first, last in ranges
    )


def _sign(code: int) -> str:
    sign = chr(code)
    if sign.isascii() and sign.isalnum():
        return sign
    # Not as \\x: that takes as many digits as there are.
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
