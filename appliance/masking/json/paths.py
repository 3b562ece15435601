"""Paths into JSON documents as workflows write them: ``contact.email``, ``orders[*].card``."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_STEP = re.compile(r'"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^."\[\]]+)')
_LIST = re.compile(r"\[(?P<inside>[^\]]*)\]")
DEEPEST = 6
ANY_KEY = "\0"
"""Stands for ``*`` in a path: each key of an object. No key in a database has a NUL in it."""

Leaf = TypeVar("Leaf")


class WrongPathError(ValueError):
    """Says what is wrong with a path."""


def parse_path(text: str) -> tuple[str, ...]:
    """The keys on the way. ``[*]`` may be left out: a list on the way is always gone through.

    Raises WrongPathError.
    """
    rest = text[1:] if text.startswith("$") else text
    keys: list[str] = []
    while rest:
        if found := _LIST.match(rest):
            if found["inside"].strip() != "*":
                raise WrongPathError("a single element of a list cannot be masked, only all of them: [*]")
            rest = rest[found.end() :]
            continue
        if rest.startswith(".") and (keys or text.startswith("$") or rest is not text):
            rest = rest[1:]
        found = _STEP.match(rest)
        if found is None:
            raise WrongPathError('a path is written like contact.email, orders[*].card or "odd key".x')
        keys.append(_key(found))
        rest = rest[found.end() :]
        if rest and rest[0] not in ".[":
            raise WrongPathError("a dot or [*] must stand between two keys")
    if len(keys) > DEEPEST:
        raise WrongPathError(f"it is deeper than {DEEPEST} keys")
    return tuple(keys)


def _key(found: re.Match[str]) -> str:
    if found["plain"] is not None:
        return ANY_KEY if found["plain"] == "*" else found["plain"]
    try:
        return str(json.loads(f'"{found["quoted"]}"'))
    except ValueError:
        raise WrongPathError("a quoted key is written as in JSON") from None


def path_text(keys: tuple[str, ...]) -> str:
    """A path as people read it."""
    if not keys:
        return "$"
    return ".".join(
        "*"
        if key == ANY_KEY
        else key
        if re.fullmatch(r"[\w-]+", key)
        else json.dumps(key, ensure_ascii=False)
        for key in keys
    )


def jsonpath(keys: tuple[str, ...], condition: str) -> str:
    """An SQL/JSON path (lax, so lists are gone through) with a filter on what stands at its end."""
    steps = "".join("." + ("*" if key == ANY_KEY else json.dumps(key, ensure_ascii=False)) for key in keys)
    return f"lax ${steps} ? ({condition})"


@dataclass
class Branch(Generic[Leaf]):
    """Paths grown into a tree, so that each level of a document is taken apart once."""

    leaf: Leaf | None = None
    children: dict[str, Branch[Leaf]] = field(default_factory=dict)

    def add(self, keys: tuple[str, ...], leaf: Leaf) -> None:
        """Grow one path. Raises WrongPathError where one path leads through the end of another."""
        here = self
        for key in keys:
            if here.leaf is not None:
                raise WrongPathError("it leads through another path that is masked as a whole")
            if here.children and (key == ANY_KEY) != (ANY_KEY in here.children):
                raise WrongPathError("a * stands for every key, so no other key may stand beside it")
            here = here.children.setdefault(key, Branch())
        if here.leaf is not None or here.children:
            raise WrongPathError("another path is the same or leads through it")
        here.leaf = leaf
