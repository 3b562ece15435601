"""The names people choose for workflows and connections, as pydantic types that say what is allowed."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from appliance.documents.model import describe, wrong


def named(pattern: str, expected: str) -> AfterValidator:
    """Text must match the whole of a regular expression; ``expected`` says so in words."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise wrong(f"{describe(text)} is not allowed" if text else "is empty", expected)
        return text

    return AfterValidator(check)


def shape(pattern: str) -> WithJsonSchema:
    """The same for a JSON Schema."""
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})


_WORKFLOW_ID = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
# It becomes a section of a libpq service file, so nothing may need escaping there.
CONNECTION_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"

WorkflowId = Annotated[
    str, named(_WORKFLOW_ID, "1 to 63 of a-z, 0-9 and -, with no - at either end"), shape(_WORKFLOW_ID)
]
ConnectionName = Annotated[
    str,
    named(CONNECTION_NAME, "the name of a connection: letters, digits, _ and -, for example staging"),
    shape(CONNECTION_NAME),
]
