"""What a column's name says of it, in whatever style: first_name, FirstName, strVorname, fname."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache

from appliance.masking.suggesting.kinds import PersonalKind
from appliance.masking.suggesting.name_context import NAME_SOMEONE, PEOPLE, SAYS_LESS, THINGS
from appliance.masking.suggesting.name_words import WORDS
from appliance.masking.suggesting.name_words_elsewhere import WORDS_ELSEWHERE

_HUNGARIAN = frozenset(
    re.findall(
        r"\w+",
        "str sz txt text vc nvc vch chr ch dt dtm int lng bln bool num dec dbl fld col clm lp psz n s c f b d"
        " i m x tx fk pk tbl t a p",
    )
)
"""Words that programs' prefixes leave at the beginning of a name."""
_NAME = re.compile(r"_(?:name|names|nm|nam|nom|noms|nombre|nombres|nome|nomi|bezeichnung)_$")
_BARE_NAME = re.compile(r"_(?:name|names|nm|nom|nombre|nome)_")
_ONE_WORD = re.compile(r"_(?P<thing>[a-z]{3,}?)(?:name|nom)_$")
_WHATEVER_FOLLOWS = frozenset(
    {
        "health",
        "biometric",
        "special_category",
        "family",
        "age",
        "income",
        "birth_date",
        "date_about_a_person",
    }
)
"""Kinds of which a type or a status says as much: blood_type, marital_status."""


_IN_AN_ADDRESS = frozenset({"state", "region", "department", "departement"})
"""What is a part of an address in a table of persons or addresses, and elsewhere as well of other things."""
_ADDRESSES = frozenset({"address", "adresse", "anschrift", "direccion", "indirizzo", "endereco"})


@dataclass(frozen=True)
class NameGuess:
    """What a name says."""

    kind: PersonalKind
    by: str
    """The words of the name that say it."""


@lru_cache(maxsize=4096)
def in_words(name: str) -> tuple[str, ...]:
    """The words of a name, in small letters without accents; a program's prefix (strName) is left out."""
    plain = _plain(name)
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", plain)
    words = [re.sub(r"(?<=[a-z])[0-9]{1,2}$", "", word) for word in re.split(r"[\W_]+", apart.lower())]
    words = [word for word in words if word and not word.isdigit()]
    while len(words) > 1 and words[0] in _HUNGARIAN:
        words = words[1:]
    return tuple(words)


def _plain(text: str) -> str:
    """Without accents; letters that are written by hand as one stand as one."""
    apart = unicodedata.normalize("NFKD", text.replace("ß", "ss").replace("ẞ", "SS"))
    return "".join(each for each in apart if not unicodedata.combining(each))


@lru_cache(maxsize=4096)
def guess_by_name(table: str, column: str) -> NameGuess | None:
    """What the name of a column in a table of some name says; None if nothing personal."""
    whatever_table = _in_any_table(column)
    if whatever_table is not None:
        return whatever_table
    words = in_words(column)
    joined = f"_{'_'.join(words)}_"
    if words and words[-1] in _IN_AN_ADDRESS and _has_addresses(table):
        return NameGuess("city", words[-1])
    return _a_name(table, words, joined)


# By itself, since thousands of tables have the same few names of columns.
@lru_cache(maxsize=4096)
def _in_any_table(column: str) -> NameGuess | None:
    """What the words of a name say, whatever the table is about."""
    words = in_words(column)
    joined = f"_{'_'.join(words)}_"
    for kind, pattern in _patterns():
        found = pattern.search(joined)
        if found is not None and not _says_less(kind, joined, found) and not _of_a_thing(kind, words):
            return NameGuess(kind, found[0].strip("_").replace("_", " "))
    return None


def _has_addresses(table: str) -> bool:
    """Whether a table's name is about persons, or their addresses."""
    words = in_words(table)
    return bool(words) and bool(_singular(words[-1]) & (PEOPLE | _ADDRESSES))


def is_about_things(name: str) -> bool:
    """Whether a table, or a word before ``name``, is about something that is no person."""
    words = in_words(name)
    return bool(words) and bool(_singular(words[-1]) & (THINGS - PEOPLE))


def _a_name(table: str, words: tuple[str, ...], joined: str) -> NameGuess | None:
    """``name`` of a person by the word before it, or by the table."""
    if not _BARE_NAME.search(joined):
        together = _ONE_WORD.search(joined)
        if together is not None and _singular(together["thing"]) & PEOPLE:
            return NameGuess("full_name", together[0].strip("_"))
        if words and _singular(words[-1]) & NAME_SOMEONE:
            return NameGuess("full_name", words[-1])
        return None
    others = [word for word in words if not _BARE_NAME.search(f"_{word}_")]
    about = [others[-1]] if others else list(in_words(table))
    if any(_singular(word) & PEOPLE for word in about) and not is_about_things("_".join(about)):
        return NameGuess("full_name", " ".join([*about, "name"]))
    return None


def _says_less(kind: PersonalKind, joined: str, found: re.Match[str]) -> bool:
    if kind in _WHATEVER_FOLLOWS:
        return False
    rest = [word for word in joined[found.end() - 1 :].split("_") if word]
    within = found[0].strip("_").split("_")
    return (bool(rest) and rest[-1] in SAYS_LESS | {"id", "ids"}) or (
        len(within) > 1 and within[-1] in SAYS_LESS
    )


def _of_a_thing(kind: PersonalKind, words: tuple[str, ...]) -> bool:
    """``description`` of a product, ``photo`` of a building, ``address`` of a server."""
    if kind in ("photograph", "document", "free_text"):
        return bool(_singular(words[0]) & (THINGS - PEOPLE)) if len(words) > 1 else False
    if kind in ("full_name", "first_name", "last_name"):
        return any(_singular(word) & (THINGS - PEOPLE) for word in words[:-1])
    return False


def _singular(word: str) -> set[str]:
    forms = {
        word,
        word.removesuffix("s"),
        word.removesuffix("es"),
        word.removesuffix("n"),
        word.removesuffix("en"),
    }
    return forms | ({word.removesuffix("ies") + "y"} if word.endswith("ies") else set())


@cache
def _patterns() -> tuple[tuple[PersonalKind, re.Pattern[str]], ...]:
    return tuple((kind, _compiled(text)) for kind, text in (*WORDS, *WORDS_ELSEWHERE))


def _compiled(text: str) -> re.Pattern[str]:
    """One expression for all phrases of a kind, the longer first."""
    alternatives = sorted({_phrase(phrase) for phrase in phrases(text)}, key=len, reverse=True)
    return re.compile(f"_(?:{'|'.join(alternatives)})(?=_)_?")


def phrases(text: str) -> list[str]:
    """The phrases of a kind, which a list separates by commas."""
    return [phrase.strip() for phrase in text.split(",") if phrase.strip()]


def _phrase(phrase: str) -> str:
    escaped = (re.escape(_plain(word)) for word in phrase.split(" "))
    words = [word.replace(r"\*", r"[^\W_]*").replace(r"\?", "[a-z]") for word in escaped]
    return "_?".join(words)
