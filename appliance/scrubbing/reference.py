"""A reference number of a request must say nothing of whom it is about."""

from __future__ import annotations

import re

from appliance.contract.erasures import REFERENCE_PATTERN
from appliance.errors import WrongRequestError
from appliance.scrubbing.shapes import scrub_line


def check_reference(reference: str, typed: str = "") -> str:
    """Return it. Raises WrongRequestError for one that looks like personal data, or has ``typed`` in it."""
    hidden = scrub_line(reference) != reference
    inside = typed and typed.casefold() in reference.casefold()
    if hidden or inside or not re.fullmatch(REFERENCE_PATTERN, reference):
        raise WrongRequestError(
            "That is no reference number of a request.",
            "It is kept, signed and may leave the appliance, so it must not name a person: up to 40 letters,"
            " digits and . _ / # -, and nothing of the shape of an address, a phone number or an account.",
            "Use the number under which you keep the request, as in REQ-17.",
        )
    return reference
