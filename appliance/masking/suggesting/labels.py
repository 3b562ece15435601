"""Labels of an enum that are a person's data: the schema lists them, so no value has to be looked at."""

from __future__ import annotations

import re

from appliance.workflow.catalog import Column

_ADDRESS_OR_NUMBER = re.compile(r"[^\s@]+@[^\s@]+\.[A-Za-z]{2,}|\+[0-9][0-9 ()/.-]{7,}[0-9]")


def personal_labels(column: Column) -> int:
    """How many of an enum's labels look like an address or a number."""
    return sum(1 for label in column.enum_labels if _ADDRESS_OR_NUMBER.search(label))
