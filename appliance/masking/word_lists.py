"""The word lists that masks pick from: written for this project, packed for a pick in constant time.

A list travels as one bound setting and is cast to ``name[]``. Elements of that type have a fixed width, so
a pick costs the same wherever it lies in the list: 25 ns, against 160 ns for ``substr`` of a packed bytea,
which has to be decoded at every pick, and 350 ns for a ``text[]`` of the same length (PostgreSQL 15).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib import resources

from appliance.masking.expressions.sql_text import array_literal

ENOUGH_WORDS = 20
"""A column too short for this many words of a list is too short for the mask."""
_NAME_BYTES = 63
_OF_A_LOCALE = re.compile(r"(female|male|last|last_female|last_male)_[a-z]{2}_[a-z]{2}")
_LIMITED = re.compile(r"(?P<name>[a-z_]+?)(?:_to_(?P<longest>[0-9]+))?(?P<ascii>_ascii)?")


@dataclass(frozen=True)
class WordList:
    """A list, or the part of it that fits a column. ``key`` names it in a binding."""

    key: str
    words: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.words)

    @property
    def longest(self) -> int:
        """Characters of its longest word."""
        return max((len(word) for word in self.words), default=0)

    @property
    def setting_value(self) -> str:
        """What is bound: a PostgreSQL array literal."""
        return array_literal(self.words)


@cache
def whole_list(name: str) -> tuple[str, ...]:
    """All words of a list, in the order of its file, which is part of what a pseudonym depends on."""
    if name == "mailbox":
        return _mailboxes()
    folder = resources.files("appliance.masking") / "words"
    folder = folder / "names" if _OF_A_LOCALE.fullmatch(name) else folder
    text = (folder / f"{name}.txt").read_text(encoding="utf-8")
    words = tuple(
        unicodedata.normalize("NFC", word.strip()) for line in text.splitlines() for word in line.split(",")
    )
    assert all(word and len(word.encode()) <= _NAME_BYTES for word in words)  # noqa: S101
    return words


def word_list(name: str, *, longest: int | None = None, encoding: str = "UTF8") -> WordList:
    """The words of at most ``longest`` characters that a database of this encoding can hold."""
    words = whole_list(name)
    key = name
    if longest is not None and longest < max(map(len, words)):
        words = tuple(word for word in words if len(word) <= longest)
        key += f"_to_{longest}"
    if encoding not in ("UTF8", "SQL_ASCII"):
        words = tuple(word for word in words if word.isascii())
        key += "_ascii"
    return WordList(key, words)


def there_is(name: str) -> bool:
    """Whether there is a list of this name among those by locale."""
    return (resources.files("appliance.masking") / "words" / "names" / f"{name}.txt").is_file()


def word_list_of(key: str) -> WordList:
    """The list that a binding's domain names. Raises ValueError for no such list."""
    found = _LIMITED.fullmatch(key)
    if found is None:
        raise ValueError(f"no word list is called {key}")
    longest = found["longest"]
    return word_list(
        found["name"],
        longest=int(longest) if longest else None,
        encoding="LATIN1" if found["ascii"] else "UTF8",
    )


def _mailboxes() -> tuple[str, ...]:
    """``first.last`` of plain lower-case letters, each first name once."""
    first = _plain(whole_list("first_name"))
    last = _plain(whole_list("last_name"))
    return tuple(f"{name}.{last[(index * 7) % len(last)]}" for index, name in enumerate(first))


def _plain(words: tuple[str, ...]) -> list[str]:
    lowered = (word.lower() for word in words if word.isascii())
    return [word for word in lowered if word.isalpha()]
