"""Runs of ``appliance run`` are listed, shown and read as the appliance's own are; a plan leaves nothing."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from tests.engine.breakable_proxy import wait_until
from tests.engine.scenario import Ended, Scenario


def shown(scenario: Scenario, *arguments: str) -> Ended:
    """What a command prints; canaries must not show."""
    return scenario.command(*arguments)


def test_a_run_is_listed_shown_and_read_like_any_other(scenario: Scenario) -> None:
    scenario.source.sql(scenario.source_database, "CREATE TABLE public.audit_more (id int)")
    view = "CREATE VIEW public.all_audits AS SELECT id FROM public.audit_more"
    scenario.source.sql(scenario.source_database, view)
    scenario.workflow["tables"]["exclude"] = ["public.audit_*", "public.all_*"]
    ended = scenario.run("run", "--json")
    assert ended.code == 0, ended.text
    run_id = ended.lines[0]["run_id"]
    state = ("--state", str(scenario.state))

    [listed] = json.loads(shown(scenario, "runs", "--json", *state).out)
    assert (listed["run_id"], listed["state"], listed["trigger"]) == (run_id, "succeeded", "operator")
    assert "steps" not in listed

    one = shown(scenario, "runs", run_id, *state)
    assert one.code == 0, one.text
    for said in ("succeeded after", "open_snapshot", "publish", "crm.customer", "300", "Verified:"):
        assert said in one.out, said
    details = json.loads(shown(scenario, "runs", run_id, "--json", *state).out)
    assert {step["state"] for step in details["steps"]} == {"succeeded"}
    assert {table["table"]: table["rows"] for table in details["tables"]} == {
        "crm.customer": 300,
        "public.invoice": 3000,
    }
    assert all(table["done"] for table in details["tables"])
    not_carried = ended.lines[-1]["not_carried"]
    assert len(not_carried) == details["plan"]["not_carried"]
    for lacking in not_carried:
        assert lacking["name"] in one.out

    read = shown(scenario, "logs", run_id, *state)
    assert read.code == 0, read.text
    assert "--- verify, attempt 1" in read.out and "The step 'copy' begins." in read.out
    only = shown(scenario, "logs", run_id, "--step", "plan", "--follow", "--tail", "1", *state)
    assert only.out.splitlines()[-1].endswith("The step 'plan' has succeeded.")
    assert len(only.out.splitlines()) == 1


def test_a_run_that_fails_says_why_in_the_list_and_in_its_log(scenario: Scenario) -> None:
    scenario.source.sql(scenario.source_database, "CREATE TABLE public.new_one (id int, secret text)")
    scenario.source.sql(scenario.source_database, "GRANT SELECT ON public.new_one TO reader")
    assert scenario.run().code == 3
    state = ("--state", str(scenario.state))
    [listed] = json.loads(shown(scenario, "runs", "--json", *state).out)
    assert listed["state"] == "refused"
    assert listed["failure"]["rule"] == "unlisted"
    in_list = shown(scenario, "runs", *state).out
    assert max(map(len, in_list.splitlines())) < 250
    whole = shown(scenario, "runs", listed["run_id"], *state).out
    assert "public.new_one.secret" in whole and "Next: " in whole
    assert "public.new_one.secret" in shown(scenario, "logs", listed["run_id"], *state).out


def test_a_run_whose_process_was_killed_is_not_shown_as_running(scenario: Scenario) -> None:
    scenario.source.sql(
        scenario.source_database,
        "INSERT INTO public.invoice SELECT i, 1, now(), 1 FROM generate_series(4000, 300000) AS i",
    )
    process = scenario.start("run")
    records = scenario.state / "runs"
    wait_until(
        lambda: (
            any(records.glob("*/record.json")) and "copy" in next(records.glob("*/record.json")).read_text()
        )
    )
    os.killpg(process.pid, signal.SIGSTOP)
    state = ("--state", str(scenario.state))
    [listed] = json.loads(shown(scenario, "runs", "--json", *state).out)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    [killed] = json.loads(shown(scenario, "runs", "--json", *state).out)
    assert (listed["run_id"], listed["state"]) == (killed["run_id"], "running")
    assert killed["state"] == "failed" and "killed" in killed["failure"]["what"]


def test_a_plan_leaves_no_folder_and_a_killed_one_goes_with_the_next(scenario: Scenario) -> None:
    assert scenario.run("plan").code == 0
    assert list((scenario.state / "runs").iterdir()) == []
    left = scenario.state / "runs" / "staging-twin-killed"
    left.mkdir()
    (left / "planning.lock").touch()
    assert scenario.run("plan").code == 0
    assert list((scenario.state / "runs").iterdir()) == []
    assert json.loads(shown(scenario, "runs", "--json", "--state", str(scenario.state)).out) == []


def test_a_run_of_another_name_is_not_found(scenario: Scenario, tmp_path: Path) -> None:
    scenario.state.mkdir()
    missing = shown(scenario, "logs", "../../etc", "--state", str(scenario.state))
    assert missing.code == 2 and "There are no logs" in missing.err


def test_a_quiet_run_prints_nothing_and_a_verbose_one_each_line_of_its_log(scenario: Scenario) -> None:
    quiet = scenario.run("run", "--quiet")
    assert (quiet.code, quiet.text) == (0, "")
    assert scenario.run("plan", "-q").text == ""
    verbose = scenario.run("run", "--verbose")
    assert verbose.code == 0, verbose.text
    assert "copy 0: The step 'copy' begins." in verbose.out
    assert "crm.customer: 300 rows" in verbose.out
    scenario.workflow["keep"].remove("public.invoice.*")
    refused = scenario.run("run", "--quiet")
    assert refused.code == 3 and not refused.out and "public.invoice" in refused.err
    in_lines = scenario.run("run", "--verbose")
    assert in_lines.code == 3 and "public.invoice" in in_lines.out and "\\n" not in in_lines.out
