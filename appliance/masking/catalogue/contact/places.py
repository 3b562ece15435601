"""``street``, ``city``, ``region``, ``country`` and ``country_code``: made-up addresses."""

from __future__ import annotations

from appliance.masking.catalogue.picked import PickedMask, Words
from appliance.masking.examples.draw import number
from appliance.masking.expressions.drawing import Digest
from appliance.masking.mask import Original, Promises
from appliance.masking.scope import Scope
from appliance.masking.word_lists import word_list

HOUSE_NUMBERS = 199
_NUMBER_AND_BLANK = 4


class Street(PickedMask):
    """A house number and a street."""

    name = "street"
    of_person = True
    summary = "Replaces a street address with another one."
    lists = ("street",)
    promises = Promises(length="at most 24 characters", format="a house number and a street's name")
    originals = (Original("12 Elm Rd"),)

    def words(self, length: int | None, encoding: str) -> Words:
        """Leaves room for the number."""
        room = None if length is None else length - _NUMBER_AND_BLANK
        return Words((word_list("street", longest=room, encoding=encoding),))

    def pick(self, words: Words, digest: Digest, step: int, scope: Scope) -> str:
        """The number comes from other bytes of the digest."""
        number = f"(1 + mod({digest.number(4, 30)}, {HOUSE_NUMBERS}))::text"
        return f"{number} || ' ' || {scope.word(words.lists[0], f'{digest.number(0, 30)} + {step}')}"

    def picked_example(self, words: Words, digest: bytes, step: int) -> str:
        """The same, computed here."""
        return f"{1 + number(digest, 4, 30) % HOUSE_NUMBERS} {super().picked_example(words, digest, step)}"

    def domain_sql(self, words: Words) -> str:
        """Every street with every number."""
        street = words.unnested(0)
        return f"SELECT n || ' ' || s FROM generate_series(1, {HOUSE_NUMBERS}) AS a (n), {street} AS b (s)"


class City(PickedMask):
    """A city of the world."""

    name = "city"
    of_person = True
    summary = "Replaces a city with another one."
    lists = ("city",)
    promises = Promises(length="at most 15 characters", format="a city's name")
    originals = (Original("Springfield"),)


class Country(PickedMask):
    """A country's usual name in English."""

    name = "country"
    of_person = True
    summary = "Replaces a country's name with another one."
    lists = ("country",)
    promises = Promises(length="at most 24 characters", format="a country's name in English")
    originals = (Original("Germany"),)


class CountryCode(PickedMask):
    """Of ISO 3166-1."""

    name = "country_code"
    of_person = True
    summary = "Replaces a country's code of two letters with another one."
    lists = ("country_code",)
    promises = Promises(length="two characters", format="a country's code by ISO 3166-1, in capital letters")
    originals = (Original("DE"),)


class Region(PickedMask):
    """A state, a province or a Land."""

    name = "region"
    of_person = True
    summary = "Replaces a state, province or other region with another one."
    lists = ("region",)
    promises = Promises(length="at most 17 characters", format="the name of a region of the world")
    originals = (Original("Bavaria"),)
