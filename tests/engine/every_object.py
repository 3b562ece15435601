"""A schema with every kind of object, as far as a major of PostgreSQL has it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.engine.clusters import WHEEL_MAJOR

EVERY_OBJECT = (Path(__file__).parent / "every_object.sql").read_text()
ROWS = (Path(__file__).parent / "every_object_rows.sql").read_text()

_BEFORE: dict[int, list[tuple[str, str]]] = {
    14: [
        (", multirange_type_name = crm.price_ranges", ""),
        (
            "BEGIN ATOMIC; SELECT 'T-' || nextval('crm.ticket_number'::regclass); END",
            "AS $$ SELECT 'T-' || nextval('crm.ticket_number'::regclass) $$",
        ),
        ('CREATE STATISTICS crm.customer_expression ON (lower("Full Name")) FROM crm.customer;\n', ""),
    ],
    15: [(" NULLS NOT DISTINCT", "")],
}
"""What a server older than this does not understand, and what is there in its place."""


def every_object_of(major: int) -> str:
    """The schema for a server of that major; the Python package's was built without ICU."""
    text = EVERY_OBJECT
    for since, changes in _BEFORE.items():
        if major < since:
            for what, instead in changes:
                assert what in text, what
                text = text.replace(what, instead)
    if major == WHEEL_MAJOR:
        text = re.sub(r"\(provider = icu, [^)]*\)", "(provider = libc, locale = 'C.UTF-8')", text)
    return text
