"""Paths into XML documents as workflows write them: ``/person/name``, ``//email``, ``/order/@customer``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

DEEPEST = 12
ANY = "*"
"""Stands for every name."""
_NAME = re.compile(r"[^\W\d][\w.\-·]*")
_HOW = "a path is written like /person/name, //email, /order/@customer or /a/*/b"


class WrongPathError(ValueError):
    """Says what is wrong with a path."""


@dataclass(frozen=True)
class XmlPath:
    """Which elements, or which of their attributes. Names are local ones, as in ``name`` of ``p:name``."""

    top: tuple[str, ...]
    """Names from the root on."""
    anywhere: tuple[str, ...] = ()
    """Names behind ``//``: those of an element and of those right above it."""
    attribute: str | None = None

    @property
    def several(self) -> bool:
        """The path says that there are several values: each may be another person's."""
        return bool(self.anywhere) or ANY in (*self.top, self.attribute)

    @property
    def element(self) -> XmlPath:
        """The element whose attribute it is, or the path itself."""
        return XmlPath(self.top, self.anywhere)

    def __str__(self) -> str:
        text = "".join(f"/{name}" for name in self.top)
        if self.anywhere:
            text += "//" + "/".join(self.anywhere)
        return text if self.attribute is None else f"{text}/@{self.attribute}"


def parse_xml_path(text: str) -> XmlPath:
    """Raises WrongPathError."""
    if not text.startswith("/") or text.endswith("/"):
        raise WrongPathError(_HOW)
    if "[" in text or "(" in text:
        raise WrongPathError("a single element, or one of a condition, cannot be masked, only all of a name")
    parts = text.split("/")[1:]
    attribute = None
    if parts[-1].startswith("@"):
        attribute = _name(parts.pop()[1:])
        if not parts or parts == [""]:
            # //@id is an attribute of any element.
            parts.append(ANY) if parts else parts.extend(["", ANY])
            if text.startswith("/@"):
                raise WrongPathError("a document itself has no attributes; //@name is one of any element")
    if parts.count("") > 1:
        raise WrongPathError("// may stand in a path once")
    places = [_name(part) if part else "" for part in parts]
    if len(places) > DEEPEST:
        raise WrongPathError(f"it is deeper than {DEEPEST} names")
    if "" not in places:
        return XmlPath(tuple(places), attribute=attribute)
    cut = places.index("")
    return XmlPath(tuple(places[:cut]), tuple(places[cut + 1 :]), attribute)


def _name(text: str) -> str:
    name = text.removeprefix("*:")
    if name.startswith("xmlns"):
        raise WrongPathError("a namespace declaration is no attribute; it stays where its element does")
    if ":" in name:
        raise WrongPathError(
            f"names are compared without their prefix, which is another in another document: write"
            f" {name.rpartition(':')[2]}"
        )
    if name != ANY and not _NAME.fullmatch(name):
        raise WrongPathError(_HOW)
    return name


def overlap(one: XmlPath, other: XmlPath) -> bool:
    """Whether both may lead to the same element, or to the same attribute."""
    if (one.attribute is None) != (other.attribute is None):
        return False
    if one.attribute is not None and not _same((one.attribute, other.attribute or "")):
        return False
    longest = sum(len(each.top) + len(each.anywhere) for each in (one, other))
    return any(_meet(one, other, length) for length in range(1, longest + 1))


def leads_through(inner: XmlPath, outer: XmlPath) -> bool:
    """Whether all that a path leads to surely stands inside what another one leads to."""
    if outer.attribute is not None:
        return False
    last = len(inner.top) + bool(inner.anywhere)
    return any(_covers(outer, inner.top[:length]) for length in range(1, last))


def _covers(path: XmlPath, names: Sequence[str]) -> bool:
    wanted = _at_length(path, len(names))
    return wanted is not None and all(each in (ANY, name) for each, name in zip(wanted, names, strict=True))


def _meet(one: XmlPath, other: XmlPath, length: int) -> bool:
    names, others = _at_length(one, length), _at_length(other, length)
    return names is not None and others is not None and all(map(_same, zip(names, others, strict=True)))


def _at_length(path: XmlPath, length: int) -> tuple[str, ...] | None:
    """The names of an element at a depth, as the path has them; None where it leads to none there."""
    free = length - len(path.top) - len(path.anywhere)
    if free < 0 or (free > 0 and not path.anywhere):
        return None
    return (*path.top, *(ANY,) * free, *path.anywhere)


def _same(names: tuple[str, str]) -> bool:
    return ANY in names or names[0] == names[1]
