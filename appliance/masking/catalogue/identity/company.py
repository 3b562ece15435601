"""``company``: firms that are in no register."""

from __future__ import annotations

from appliance.masking.catalogue.picked import PickedMask, Words, two_words
from appliance.masking.mask import Original, Promises


class Company(PickedMask):
    """A coined name and a trade."""

    name = "company"
    summary = "Replaces a company's name with an invented one."
    lists = ("company_name", "company_trade")
    promises = Promises(length="at most 29 characters", format="a coined name and a trade")
    originals = (Original("Acme Inc."),)

    def words(self, length: int | None, encoding: str) -> Words:
        """Both halves are shortened alike where the column is short."""
        return two_words(self.lists, length, encoding)
