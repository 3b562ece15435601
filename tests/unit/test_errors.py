"""What is said about a failure, in one form from where it is raised to where a person reads it."""

from __future__ import annotations

import pickle

import pytest

from appliance.contract.calls import Problem
from appliance.contract.step_messages import Failure
from appliance.dashboard.http_errors import (
    ConflictError,
    NotFoundError,
    TooManyRequestsError,
    problem_of,
    status_of,
)
from appliance.documents import problems
from appliance.errors import (
    ApplianceError,
    ExitCode,
    Explanation,
    RefusedError,
    WorkFailedError,
    WrongRequestError,
)
from appliance.system.findings import fail

WHOLE = Explanation(
    "The twin could not be made.", "The disk is full.", "df -h", sqlstate="53100", table="public.customer"
)


def test_the_three_parts_are_printed_on_lines_of_their_own_or_on_one() -> None:
    assert WHOLE.text() == "The twin could not be made.\nThe disk is full.\nNext: df -h"
    assert WHOLE.line() == "The twin could not be made. The disk is full. Next: df -h"


def test_a_part_that_is_empty_leaves_no_line() -> None:
    assert Explanation("It failed.").text() == "It failed."
    assert Explanation("It failed.", next_step="df -h").text() == "It failed.\nNext: df -h"
    assert Explanation("It failed.", "Why.").line() == "It failed. Why."


@pytest.mark.parametrize("printed", [WHOLE.text(), WHOLE.line()])
def test_a_next_step_is_found_again_in_what_was_printed(printed: str) -> None:
    found = Explanation.parsed(printed)
    assert found.next_step == "df -h"
    assert "disk is full" in found.what and "df" not in found.what


def test_what_only_looks_like_a_next_step_is_none() -> None:
    assert Explanation.parsed("The column AfterNext: is gone.").next_step == ""


def test_several_explanations_are_joined_part_by_part_with_the_first_ones_codes() -> None:
    both = Explanation.joined([WHOLE, Explanation("Two.", "Because.", "ls", sqlstate="42501")])
    assert both.what == "The twin could not be made.\nTwo."
    assert (both.why, both.next_step) == ("The disk is full.\nBecause.", "df -h\nls")
    assert both.sqlstate == "53100"


def test_an_error_is_its_explanation() -> None:
    error = WorkFailedError("It failed.", "Why.", "df -h", sqlstate="53100", table="public.customer")
    assert str(error) == error.text() == error.explanation.text()
    assert (error.what, error.why, error.next_step) == ("It failed.", "Why.", "df -h")
    assert (error.sqlstate, error.table, error.rule) == ("53100", "public.customer", None)


def test_an_error_that_is_explained_anew_prints_the_new_reason_and_keeps_the_rest() -> None:
    error = WorkFailedError("It failed.", "Why.", "df -h", sqlstate="55P03", table="t").explain(
        "Another reason."
    )
    assert str(error) == "It failed.\nAnother reason.\nNext: df -h"
    assert (error.sqlstate, error.table) == ("55P03", "t")


def test_an_error_goes_through_a_process_boundary_whole() -> None:
    error = WrongRequestError.of(WHOLE)
    assert error.exit_code == ExitCode.REQUEST_WRONG
    returned = pickle.loads(pickle.dumps(error))
    assert (
        type(returned) is WrongRequestError and returned.explanation == WHOLE and str(returned) == str(error)
    )


def test_a_failure_says_on_the_wire_and_back_what_the_error_said() -> None:
    refusal = RefusedError("No.", "Policy.", "Ask the owner.", rule="unlisted")
    failure = Failure.of(refusal.explanation, step="plan", exit_code=refusal.exit_code, retry=False)
    assert failure.exit_code == 3
    returned = Failure.model_validate_json(failure.model_dump_json())
    assert returned.explanation == refusal.explanation


def test_a_finding_holds_an_explanation_and_its_json_stays_flat() -> None:
    finding = fail("disk", "It is full.", "df -h", ["VACUUM"])
    assert finding.explanation == Explanation("It is full.", next_step="df -h")
    assert finding.as_json() == {
        "check": "disk",
        "state": "fail",
        "what": "It is full.",
        "next_step": "df -h",
        "sql": ["VACUUM"],
    }


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFoundError("No."), 404, "notfound"),
        (ConflictError("No."), 409, "conflict"),
        (TooManyRequestsError(3), 429, "toomany"),
        (RefusedError("No.", rule="destinations"), 403, "destinations"),
        (RefusedError("No."), 403, "refused"),
        (problems.WrongDocumentError([problems.Problem((), "is too large")]), 422, "documentwrong"),
        (WrongRequestError("No."), 422, "requestwrong"),
        (WorkFailedError("No."), 500, "workfailed"),
    ],
)
def test_the_codes_of_the_dashboards_answers_do_not_hang_on_names_of_classes(
    error: ApplianceError, status: int, code: str
) -> None:
    assert (status_of(error), problem_of(error).code) == (status, code)


def test_an_answer_holds_no_more_than_the_contract_lets_it() -> None:
    long = Problem.of("c" * 100, Explanation("w" * 2000, "y" * 3000, "n" * 2000))
    assert [len(each) for each in (long.code, long.what, long.why, long.next_step)] == [64, 1000, 2000, 1000]
