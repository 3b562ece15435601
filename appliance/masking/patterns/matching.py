"""What a pattern can match: how long it is, which characters, whether anything at all."""

from __future__ import annotations

from collections.abc import Iterator

from appliance.masking.patterns.parsing import Chain, Chars, Edge, Either, Group, Node, Repeat


def shortest(node: Node) -> int | None:
    """The fewest characters of a match; None for a pattern that matches nothing."""
    return _shortest(node, begun=False, ended=False)


def _shortest(  # noqa: PLR0911 - a list of what there is
    node: Node, *, begun: bool, ended: bool
) -> int | None:
    """``begun``: a character stands before it. ``ended``: one must come after it."""
    match node:
        case Chars(ranges):
            return 1 if ranges else None
        case Edge(sign):
            return None if (begun if sign == "^" else ended) else 0
        case Group(part):
            return _shortest(part, begun=begun, ended=ended)
        case Either(branches):
            found = [_shortest(branch, begun=begun, ended=ended) for branch in branches]
            return min((each for each in found if each is not None), default=None)
        case Repeat(part, least, _):
            if least == 0:
                return 0
            once = _shortest(part, begun=begun, ended=ended)
            if once is None or least == 1 or once == 0:
                return once
            inner = _shortest(part, begun=True, ended=True)
            return None if inner is None else once * least
        case Chain(parts):
            return _of_sequence(parts, begun=begun, ended=ended)


def _of_sequence(parts: tuple[Node, ...], *, begun: bool, ended: bool) -> int | None:
    widths = [_shortest(part, begun=False, ended=False) for part in parts]
    total = 0
    for place, part in enumerate(parts):
        before = begun or any(widths[:place])
        after = ended or any(widths[place + 1 :])
        width = _shortest(part, begun=before, ended=after)
        if width is None:
            return None
        total += width
    return total


def groups(node: Node) -> int:
    """How many groups are counted."""
    match node:
        case Group(part, number):
            return groups(part) + (number is not None)
        case Repeat(part, _, _):
            return groups(part)
        case Chain(parts) | Either(parts):
            return sum(groups(part) for part in parts)
    return 0


def can_hold(node: Node, sign: str) -> bool:
    """Whether a match may have a character in it."""
    return any(first <= ord(sign) <= last for each in _chars(node) for first, last in each.ranges)


def is_ascii(node: Node) -> bool:
    """Whether only characters of ASCII are named, one by one or as all but some."""
    return all(last < 0x80 or last == 0x10FFFF for each in _chars(node) for first, last in each.ranges)


def _chars(node: Node) -> Iterator[Chars]:
    match node:
        case Chars():
            yield node
        case Group(part) | Repeat(part):
            yield from _chars(part)
        case Chain(parts) | Either(parts):
            for part in parts:
                yield from _chars(part)
