"""What a step says of its failure: enough to act on, and no word of the server's own."""

from __future__ import annotations

import psycopg

from appliance.orchestration.step_failures import FailedStep
from appliance.postgres.errors import database_failure
from appliance.run_folder import StopRequest
from appliance.steps.calling.execute import describe_failure


def failed_at(table: str | None) -> BaseException:
    try:
        raise psycopg.errors.InvalidTextRepresentation('invalid input syntax: "a row\'s value"')
    except psycopg.Error as error:
        try:
            raise database_failure("A table could not be read.", error, table=table) from None
        except Exception as ours:
            return ours


def test_it_names_step_table_sqlstate_class_and_place() -> None:
    failure = describe_failure("copy", failed_at("public.customer"), shard=3)
    assert (failure.step, failure.shard, failure.table) == ("copy", 3, "public.customer")
    assert (failure.sqlstate, failure.exception) == ("22P02", "WorkFailedError")
    assert failure.what and failure.why and failure.next_step
    assert "a row's value" not in failure.model_dump_json()


def test_text_in_no_encoding_is_told_from_what_nobody_knows() -> None:
    failure = database_failure("A table could not be read.", psycopg.errors.CharacterNotInRepertoire("\\xff"))
    assert "not valid in the encoding" in failure.why and "22021" in failure.why


def test_what_is_about_no_table_names_none() -> None:
    assert describe_failure("plan", failed_at(None)).table is None
    assert describe_failure("plan", ValueError("a row's value")).table is None


def test_a_run_that_was_stopped_is_listed_with_the_reason_and_what_to_do() -> None:
    full = StopRequest("failed", "The appliance's disk is full: 0 bytes are free.", "Make room.")
    failure = FailedStep("finish").stopped(full)
    assert (failure.what, failure.next_step) == (full.why, "Make room.")
    assert failure.why == "The run was stopped for that."
    cancelled = FailedStep("copy", 3).stopped(StopRequest("cancel", "Not today."))
    assert (cancelled.what, cancelled.why) == ("The run was cancelled.", "Not today.")
