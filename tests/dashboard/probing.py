"""Sends an API what its OpenAPI document describes, and what it does not; nothing of it may end in a 5xx."""

from __future__ import annotations

from collections.abc import Callable, Container

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

Headers = Callable[[schemathesis.APIOperation], dict[str, str]]


def probe(
    schema: schemathesis.BaseSchema,
    mode: GenerationMode,
    headers: Headers,
    *,
    examples: int = 5,
    said: Container[int] = (),
) -> int:
    """How many calls were tried. ``said`` are answers above 499 that the document describes."""
    tried = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        try:
            _send_to(operation, mode, headers(operation), examples, said)
        except Unsatisfiable:
            continue  # Nothing can be wrong about a call that takes nothing.
        tried += 1
    return tried


def _send_to(
    operation: schemathesis.APIOperation,
    mode: GenerationMode,
    headers: dict[str, str],
    examples: int,
    said: Container[int],
) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: schemathesis.Case) -> None:
        response = case.call(headers=headers)
        code = response.status_code
        described = str(code) in operation.definition.raw["responses"]
        assert code < 500 or (code in said and described), f"{case.method} {case.path}: {code}"

    send()
