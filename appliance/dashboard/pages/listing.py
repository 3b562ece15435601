"""A list's page: what of it is shown, in which order, and the addresses that show something else of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import urlencode

RowT = TypeVar("RowT")
Keys = Mapping[str, Callable[[RowT], Any]]
"""By which a list can be sorted: a column's name, and what of a row is compared. None is last either way."""


ALL = "all"


@dataclass(frozen=True)
class Shown:
    """What the address of a list's page asks for. ``sort`` is a column's name, with a minus for downwards."""

    path: str
    q: str = ""
    show: str = ""
    tag: str = ""
    sort: str = ""
    p: int = 1

    def query(self, **changes: str | int) -> str:
        """The same with something else; the first page again, unless a page is named."""
        other = replace(self, **({"p": 1} | changes))  # type: ignore[arg-type]
        show = other.show if other.show != ALL else ""
        asked = {"q": other.q, "show": show, "tag": other.tag, "sort": other.sort, "p": other.p}
        return urlencode({key: value for key, value in asked.items() if value and (key, value) != ("p", 1)})

    def link(self, **changes: str | int) -> str:
        """The address of a page."""
        return f"{self.path}?{self.query(**changes)}".removesuffix("?")

    def live(self) -> str:
        """The address of the part of this page that changes by itself."""
        return f"{self.path.rstrip('/') or '/fleet'}/live?{self.query(p=self.p)}".removesuffix("?")

    def turned(self, column: str) -> str:
        """What sorting by a column is called when its title is clicked: upwards, then downwards."""
        return f"-{column}" if self.sort == column else column

    def direction(self, column: str) -> str:
        """How the list is sorted by a column, in the words of ``aria-sort``."""
        return {column: "ascending", f"-{column}": "descending"}.get(self.sort, "none")


def ordered(rows: list[RowT], sort: str, keys: Keys[RowT]) -> list[RowT]:
    """The rows in the order that was asked for; as they come where that is no column."""
    key = keys.get(sort.removeprefix("-"))
    if key is None:
        return rows
    known = [row for row in rows if key(row) is not None]
    unknown = [row for row in rows if key(row) is None]
    return sorted(known, key=key, reverse=sort.startswith("-")) + unknown
