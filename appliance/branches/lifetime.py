"""How long a branch is to stand, as a person writes it: ``90m``, ``12h``, ``3d``, ``2w``."""

from __future__ import annotations

import re
from datetime import timedelta

from appliance.errors import WrongRequestError

_WRITTEN = re.compile(r"([1-9][0-9]{0,5})([mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def lifetime(text: str) -> timedelta:
    """The time that ``text`` says. Raises WrongRequestError."""
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise WrongRequestError(
            f"'{text[:40]}' is no length of time.",
            "It is a whole number and m, h, d or w: minutes, hours, days or weeks.",
            "--ttl 3d",
        )
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
