"""How the status service answers, and what its OpenAPI says of what may go wrong."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from fastapi import Response
from pydantic import TypeAdapter

Described = dict[int | str, dict[str, Any]]
NO_DATABASE: Described = {503: {"description": "The appliance's database does not answer."}}


def json_answer(kind: Any, value: object, *, status: int = 200) -> Response:
    """Written straight out of the types, without FastAPI's second look at each of thousands of lines."""
    return Response(_writer(kind).dump_json(value), status_code=status, media_type="application/json")


@lru_cache
def _writer(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
