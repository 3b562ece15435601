"""Personal names that values are compared with: those that the masks pick from, and frequent ones."""

from __future__ import annotations

import json
import unicodedata
from functools import cache
from importlib import resources

from appliance.masking.word_lists import whole_list


@cache
def known_names(encoding: str = "UTF8") -> str:
    """A JSON object: names in small letters, and ``f``, ``l`` or ``b`` for first, last or both.

    With and without accents; only of characters that a database of this encoding can hold.
    """
    first, last = _forms("first_name"), _forms("last_name")
    found = {name: "b" if name in last else "f" for name in first} | dict.fromkeys(last - first, "l")
    if encoding != "UTF8":
        found = {name: kind for name, kind in found.items() if name.isascii()}
    return json.dumps(found, ensure_ascii=False, sort_keys=True)


def _forms(name: str) -> set[str]:
    text = (resources.files("appliance.discovery") / "words" / f"{name}.txt").read_text(encoding="utf-8")
    own = [word.strip() for line in text.splitlines() for word in line.split(",")]
    words = [word.lower() for word in (*own, *whole_list(name)) if word]
    return {form for word in words for form in (word, _plain(word)) if " " not in form and len(form) > 1}


def _plain(word: str) -> str:
    apart = unicodedata.normalize("NFKD", word)
    return "".join(each for each in apart if not unicodedata.combining(each))
