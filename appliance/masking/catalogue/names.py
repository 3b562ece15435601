"""``first_name``, ``last_name`` and ``full_name``: people who do not exist."""

from __future__ import annotations

from appliance.masking.catalogue.picked import PickedMask, Words, two_words
from appliance.masking.mask import Original, Promises

_FORMAT = "believable names of many languages, with their accents"


class FirstName(PickedMask):
    name = "first_name"
    summary = "Replaces a first name with another one."
    lists = ("first_name",)
    promises = Promises(length="at most 10 characters", format=_FORMAT)
    originals = (Original("Ann"),)


class LastName(PickedMask):
    name = "last_name"
    summary = "Replaces a family name with another one."
    lists = ("last_name",)
    promises = Promises(length="at most 13 characters", format=_FORMAT)
    originals = (Original("Lee"),)


class FullName(PickedMask):
    """A first name and a family name."""

    name = "full_name"
    summary = "Replaces a person's whole name with another one."
    lists = ("first_name", "last_name")
    promises = Promises(length="at most 23 characters", format="a first name and a family name")
    originals = (Original("Ann Lee"),)

    def words(self, length: int | None, encoding: str) -> Words:
        """Both halves are shortened alike where the column is short."""
        return two_words(self.lists, length, encoding)
