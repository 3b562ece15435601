"""The contract: nothing unplanned fits through it, and both sides may be of different ages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from appliance.contract.calls import OUTBOUND, EnrolRequest, Event, EventBatch, Heartbeat
from appliance.contract.events import RunStarted, WorkflowChanged
from appliance.contract.fields import SCRUBBED_TEXT_MAX, ScrubbedText, WireModel
from appliance.contract.run_parts import FailureReport
from docs.making.what_leaves import what_leaves_page

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FREE_TEXT_FIELDS = {
    *("what", "why", "next_step", "log_tail", "problem"),
    *("statement", "message", "help", "reasons", "notes"),
}


def outbound_fields() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for model in OUTBOUND:
        schema = model.model_json_schema()
        objects = {model.__name__: schema} | schema.get("$defs", {})
        for owner, described in objects.items():
            for name, value in described.get("properties", {}).items():
                yield owner, name, value


def leaves(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "items" in value:
        yield from leaves(value["items"])
    nested = [option for key in ("anyOf", "oneOf", "allOf") for option in value.get(key, [])]
    for option in nested:
        yield from leaves(option)
    if not nested:
        yield value


FIELDS = list(outbound_fields())
IDS = [f"{owner}.{name}" for owner, name, _ in FIELDS]


@pytest.mark.parametrize(("owner", "name", "value"), FIELDS, ids=IDS)
def test_every_field_that_may_leave_says_why(owner: str, name: str, value: dict[str, Any]) -> None:
    assert value.get("description", "").endswith("."), f"{owner}.{name} has no description"


@pytest.mark.parametrize(("owner", "name", "value"), FIELDS, ids=IDS)
def test_every_field_that_may_leave_is_bounded(owner: str, name: str, value: dict[str, Any]) -> None:
    for leaf in leaves(value):
        kind = leaf.get("type")
        if kind == "string":
            bounded = "enum" in leaf or "const" in leaf or "format" in leaf
            assert bounded or ("maxLength" in leaf and "pattern" in leaf)
        elif kind in {"integer", "number"}:
            assert "minimum" in leaf and "maximum" in leaf
        elif kind == "array":
            assert "maxItems" in leaf or "maxItems" in value
        else:
            assert kind in {"boolean", "null"} or "$ref" in leaf, f"{kind} is not a bounded type"


@pytest.mark.parametrize(("owner", "name", "value"), FIELDS, ids=IDS)
def test_free_text_is_allowed_only_where_an_error_is_told(
    owner: str, name: str, value: dict[str, Any]
) -> None:
    if any(leaf.get("maxLength") == SCRUBBED_TEXT_MAX for leaf in leaves(value)):
        assert name in FREE_TEXT_FIELDS


def every_wire_model(model: type[WireModel] = WireModel) -> Iterator[type[WireModel]]:
    for below in model.__subclasses__():
        yield below
        yield from every_wire_model(below)


def test_no_model_takes_a_key_that_is_not_declared() -> None:
    assert all(model.model_config.get("extra") == "forbid" for model in every_wire_model())
    with pytest.raises(ValidationError):
        RunStarted(run_id="a", workflow="w", trigger="schedule", origin="local", row="x")  # type: ignore[call-arg]


def test_plain_text_cannot_be_put_where_scrubbed_text_is_due() -> None:
    with pytest.raises(ValidationError):
        FailureReport(what="password=hunter2")  # type: ignore[arg-type]
    assert FailureReport(what=ScrubbedText.mark("It broke.")).what == "It broke."


def test_scrubbed_text_survives_the_wire() -> None:
    sent = WorkflowChanged(workflow="w", state="invalid", problem=ScrubbedText.mark("bad\tline\nof text"))
    assert WorkflowChanged.from_wire(sent.to_wire()) == sent
    assert sent.problem == "bad line\nof text"


@given(st.text(max_size=3000))
def test_whatever_is_marked_fits_the_field(text: str) -> None:
    sent = FailureReport(what=ScrubbedText.mark(text))
    assert len(sent.what) <= SCRUBBED_TEXT_MAX
    assert FailureReport.from_wire(sent.to_wire()) == sent


def test_a_newer_sender_is_understood_and_its_news_dropped() -> None:
    body = json.dumps(
        {
            "sent_at": NOW.isoformat(),
            "version": "9.0",
            "started_at": NOW.isoformat(),
            "healthy": True,
            "mood": "good",
            "components": [{"name": "docker", "state": "ok", "colour": "blue"}],
        }
    )
    read = Heartbeat.from_wire(body)
    assert "mood" not in read.to_wire() and "colour" not in read.to_wire()


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"sent_at":' * 10_000,
        "",
        "null",
        "{}",
        '{"sent_at":"0001-01-01T00:00:00+14:00","version":"1","started_at":"9999-12-31T23:59:59-14:00","healthy":true}',
        '{"sent_at":1e400,"version":"1","started_at":0,"healthy":true}',
        '{"sent_at":"2026-01-01T00:00:00Z","version":"\\ud800","started_at":"2026-01-01T00:00:00Z","healthy":true}',
    ],
    ids=["deep list", "deep object", "empty", "null", "no keys", "far years", "infinite", "lone surrogate"],
)
def test_garbage_is_a_validation_error_and_nothing_worse(body: str) -> None:
    with pytest.raises(ValidationError):
        Heartbeat.from_wire(body)


def test_a_moment_must_have_a_zone_and_is_told_in_utc() -> None:
    data = RunStarted(run_id="a", workflow="w", trigger="schedule", origin="local")
    event = Event.from_wire(
        json.dumps(
            {"id": str(uuid4()), "sequence": 1, "at": "2026-01-02T05:04:05+02:00", "data": data.model_dump()}
        )
    )
    assert event.at == NOW and event.at.tzinfo is UTC
    with pytest.raises(ValidationError):
        EventBatch(stream=uuid4(), sent_at=datetime(2026, 1, 2), events=(event,))


def test_a_short_enrolment_token_is_refused() -> None:
    with pytest.raises(ValidationError):
        EnrolRequest(token="short", attempt="x" * 32, version="1")


def test_the_page_names_every_field() -> None:
    page = what_leaves_page()
    for owner, name, _ in FIELDS:
        section = page.split(f"# {owner}\n", 1)[1].split("\n#", 1)[0]
        assert f"| `{name}` |" in section
