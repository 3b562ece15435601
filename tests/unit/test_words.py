"""The project says things plainly: some words and phrases of a storyteller stand nowhere in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("appliance", "docs", "provisioning", "systemd", "compose")
WRITTEN = {".css", ".html", ".js", ".json", ".md", ".py", ".service", ".sh", ".sql", ".timer", ".yaml"}
AVOIDED = ("told", "tells", "whoever", "somebody", "nobody", "of now", "there is one", "once more", "at rest")

ALLOWED = {
    # Names of people and places, from which masks draw.
    "appliance/masking/words": AVOIDED,
}
"""Where a word may stand after all. A path means all below it."""

_NEW_LINE = "\n"
_BETWEEN = r"(?:\s|\n\s*(?:#|--|//)\s*)+"
_AVOIDED = {word: re.compile(rf"\b{_BETWEEN.join(word.split())}\b", re.IGNORECASE) for word in AVOIDED}


def found_in(text: str, allowed: tuple[str, ...] = ()) -> list[str]:
    """Each avoided word with its line; a phrase is found over the end of a line, in a comment too."""
    return [
        f"{1 + text.count(_NEW_LINE, 0, hit.start())}: {word}"
        for word, pattern in _AVOIDED.items()
        if word not in allowed
        for hit in pattern.finditer(text)
    ]


def files() -> Iterator[Path]:
    """Every file that people wrote, or that is made from what they wrote."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in WRITTEN and path.is_file() and "__pycache__" not in path.parts:
                yield path


def allowed_in(path: str) -> tuple[str, ...]:
    """The words that may stand in a file."""
    return next((words for place, words in ALLOWED.items() if path.startswith(place)), ())


def test_the_words_to_avoid_stand_nowhere() -> None:
    """Say it with a name of the trade: "a session waits", "the role that runs it", "another user"."""
    looked_at, found = 0, []
    for path in files():
        looked_at += 1
        name = str(path.relative_to(ROOT))
        found += [f"{name}:{line}" for line in found_in(path.read_text(), allowed_in(name))]
    assert not found, "\n".join(found)
    assert looked_at > 500


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It was\nTold so.", ["2: told"]),
        ("# asked once\n    # more, then left", ["1: once more"]),
        ("the key, if there is\none", ["1: there is one"]),
        ("told_at, retold, for one", []),
    ],
)
def test_a_word_is_found_as_a_whole_and_over_lines(text: str, found: list[str]) -> None:
    assert found_in(text) == found
