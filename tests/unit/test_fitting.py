"""A model made of fields from elsewhere: an odd part costs that part, and an essential one the whole."""

from __future__ import annotations

from typing import Any

from appliance.contract.events import EVENT_KINDS, RunFinished
from appliance.contract.fields import ScrubbedText
from appliance.contract.fitting import fitting, shown_name
from appliance.contract.run_parts import FailureReport

ENDED: dict[str, Any] = {"run_id": "r-1", "workflow": "w", "outcome": "failed", "seconds": 1.0}
WHY: dict[str, Any] = {"what": ScrubbedText("It broke."), "exit_code": 1}


def test_what_fits_is_taken_as_it_is() -> None:
    assert fitting(RunFinished, ENDED) == RunFinished(**ENDED)


def test_an_odd_part_deep_inside_goes_alone() -> None:
    odd = WHY | {"step": "a step of tomorrow", "table": "a\nb", "sqlstate": "23505"}
    given = ENDED | {"failure": odd, "steps": 7, "key of tomorrow": 1}
    found = fitting(RunFinished, given)
    assert found == RunFinished(**ENDED, failure=FailureReport(**WHY, sqlstate="23505"))
    assert given["failure"] is odd and "step" in odd, "nothing of the caller's is changed"


def test_of_a_list_only_the_odd_items_go() -> None:
    steps = ({"step": "plan", "seconds": 1}, {"step": "plan"}, {"step": "dance", "seconds": 1})
    steps += ({"step": "copy", "seconds": 2},)
    found = fitting(RunFinished, ENDED | {"steps": steps})
    assert found is not None
    assert [each.step for each in found.steps] == ["plan", "copy"]


def test_a_failure_without_words_is_left_out_and_not_the_outcome() -> None:
    found = fitting(RunFinished, ENDED | {"failure": {"exit_code": 1}})
    assert found == RunFinished(**ENDED)


def test_text_that_nobody_scrubbed_is_left_out() -> None:
    found = fitting(RunFinished, ENDED | {"failure": WHY | {"why": "Key (email)=(ada@example.com)"}})
    assert found is not None and found.failure is not None
    assert found.failure.why is None


def test_without_an_essential_part_there_is_no_event() -> None:
    assert fitting(RunFinished, ENDED | {"outcome": "a mood"}) is None
    assert fitting(RunFinished, {}) is None


def test_a_name_that_cannot_be_printed_is_shown_escaped_and_like_no_other() -> None:
    names = ["public.a\nb", r"public.a\nb", "public.a\x1b[2Jb", "public.a\u202eb", "public.a?b", "public.ä"]
    shown = [shown_name(name) for name in names]
    assert shown[:2] == [r"public.a\nb", r"public.a\\nb"] and shown[-1] == "public.ä"
    assert len(set(shown)) == len(names) and all(name.isprintable() for name in shown)
    assert len(shown_name("x" * 1000)) == 260


def test_every_kind_of_event_has_its_model() -> None:
    assert len(EVENT_KINDS) == 18
    assert EVENT_KINDS["run_finished"] is RunFinished
