"""Where people get stuck, the page says what goes on: first sign-ins, conflicts, failures, refusals."""

from __future__ import annotations

import re
from html import unescape

import pytest

from appliance.contract.calls import PolicyReport, ScrubbedText
from appliance.contract.events import RunFinished, RunStarted
from appliance.contract.run_parts import FailureReport
from appliance.dashboard.pages.editing.failed_line import line_about
from appliance.dashboard.pages.editing.versions import BETWEEN, THEIRS, YOURS, merge
from tests.dashboard import seeds
from tests.dashboard.conftest import Browser, Dashboard
from tests.dashboard.running import PASSWORD
from tests.dashboard.seeds import STAGING
from tests.dashboard.simulated_appliance import SimulatedAppliance

EDIT = "/workflows/staging-twin/edit"


def typed(page: str) -> str:
    found = re.search(r'<textarea class="code"[^>]*>(.*?)</textarea>', page, re.DOTALL)
    return unescape(found[1]) if found else ""


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    return found[1] if found else ""


@pytest.fixture
def author(dashboard: Dashboard) -> Browser:
    """A person who edits a workflow."""
    dashboard.api.post("/v1/workflows", json={"yaml": STAGING}).raise_for_status()
    return dashboard.signed_in()


@pytest.fixture
def west(dashboard: Dashboard, author: Browser) -> tuple[str, SimulatedAppliance]:
    """An appliance that the workflow is for."""
    appliance_id, simulated = dashboard.enrolled()
    dashboard.api.put(
        "/v1/workflows/staging-twin/appliances", json={"appliance_ids": [appliance_id]}
    ).raise_for_status()
    simulated.fetch()
    simulated.heartbeat()
    return appliance_id, simulated


def test_who_signs_in_with_a_one_time_password_is_led_to_choosing_one_and_on_from_there(
    dashboard: Dashboard,
) -> None:
    page = dashboard.signed_in().post("/people", {"name": "grace", "role": "viewer"}).text
    found = re.search(r"aria-label=\"One-time password\">([^<]+)<", page)
    browser = Browser(dashboard.client())
    answer = browser.post(
        "/sign-in", {"name": "grace", "password": found[1] if found else "", "next": "/runs"}, page="/sign-in"
    )
    assert answer.headers["location"] == "/account?next=/runs"
    account = browser.get("/account?next=/runs")
    assert account.status_code == 200 and "Choose a password of your own" in account.text
    changed = browser.post(
        "/account/password",
        {"old": found[1] if found else "", "new": PASSWORD, "next": field(account.text, "next")},
    )
    assert changed.headers["location"] == "/runs?note=password"
    assert browser.get("/runs?note=password").status_code == 200


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_nobody_is_led_elsewhere_after_choosing_a_password(dashboard: Dashboard, target: str) -> None:
    page = dashboard.signed_in().post("/people", {"name": "grace", "role": "viewer"}).text
    found = re.search(r"aria-label=\"One-time password\">([^<]+)<", page)
    browser = Browser(dashboard.client())
    browser.sign_in("grace", found[1] if found else "")
    changed = browser.post(
        "/account/password", {"old": found[1] if found else "", "new": PASSWORD, "next": target}
    )
    assert changed.headers["location"] == "/?note=password"


def test_an_error_keeps_the_navigation_for_who_is_signed_in_and_shows_none_to_strangers(
    dashboard: Dashboard,
) -> None:
    browser = dashboard.signed_in()
    for path in ("/nothing-here", "/workflows/none", "/appliances/none"):
        answer = browser.client.get(path, headers={"referer": "http://dashboard.test/workflows"})
        assert answer.status_code == 404
        assert 'aria-label="Main"' in answer.text and 'href="/workflows">Back' in answer.text
    elsewhere = browser.client.get("/nothing-here", headers={"referer": "https://evil.example/workflows"})
    assert ">Back<" not in elsewhere.text
    stranger = dashboard.client().get("/nothing-here")
    assert stranger.status_code == 404 and 'aria-label="Main"' not in stranger.text


def test_a_change_that_was_overtaken_is_kept_shown_and_can_be_merged(
    dashboard: Dashboard, author: Browser
) -> None:
    mine = STAGING.replace("parallel: 4", "parallel: 2")
    theirs = STAGING.replace("prefix: 3", "prefix: 5")
    dashboard.api.put(
        "/v1/workflows/staging-twin", json={"yaml": theirs, "based_on": 1, "note": "longer prefixes"}
    ).raise_for_status()
    answer = author.post(EDIT, {"yaml": mine, "based_on": "1", "note": "gently"})
    assert answer.status_code == 409
    assert typed(answer.text) == mine and 'value="gently"' in answer.text
    assert "longer prefixes" in answer.text and "keep_prefix: 5" in answer.text
    merged = author.post(
        EDIT, {"yaml": mine, "based_on": "1", "present": field(answer.text, "present"), "resolve": "merge"}
    )
    assert typed(merged.text) == mine.replace("prefix: 3", "prefix: 5")
    assert field(merged.text, "based_on") == "2"
    assert dashboard.api.get("/v1/workflows/staging-twin").json()["revision"] == 2
    saved = author.post(EDIT, {"yaml": typed(merged.text), "based_on": "2"})
    assert saved.headers["location"] == "/workflows/staging-twin?note=saved"


def test_saving_over_the_others_change_is_possible_and_never_over_one_that_was_not_shown(
    dashboard: Dashboard, author: Browser
) -> None:
    mine = STAGING.replace("parallel: 4", "parallel: 2")
    for number, note in ((1, "first"), (2, "second")):
        theirs = {"yaml": STAGING + f"# {note}\n", "based_on": number, "note": note}
        dashboard.api.put("/v1/workflows/staging-twin", json=theirs).raise_for_status()
    over = {"yaml": mine, "based_on": "1", "present": "2", "resolve": "overwrite"}
    assert author.post(EDIT, over).status_code == 409
    saved = author.post(EDIT, over | {"present": "3"})
    assert saved.status_code == 303
    assert dashboard.api.get("/v1/workflows/staging-twin").json()["yaml"] == mine


def test_what_both_have_changed_stands_there_twice_and_cannot_be_saved_so() -> None:
    both = merge("a: 1\nb: 2\n", "a: 3\nb: 2\n", "a: 4\nb: 2\n", "version 7")
    assert both.conflicts == 1
    assert both.text == f"{YOURS} yours\na: 3\n{BETWEEN}\na: 4\n{THEIRS} version 7\nb: 2\n"
    assert merge("a\nb\nc", "A\nb\nc", "a\nb\nC", "x") == ("A\nb\nC\n", 0)


@pytest.mark.parametrize(
    ("words", "table", "line"),
    [
        ("Raise limits.memory_mb in the workflow above 512.", "", "limits: {parallel: 4, memory_mb: 512}"),
        ("limits.run_timeout_min in the workflow says so.", "", "limits: {parallel: 4, memory_mb: 512}"),
        ("The mask of public.customer.phone does not fit.", "", "  public.customer.phone: {mask"),
        ("The mask email of crm.lead.email gives what is no number.", "", '  "*.*.email": email'),
        ("Add crm.contact.linkedin to masks or keep.", "", "masks:"),
        ("A row is too long.", "crm.contact", '  include: ["public.*", "crm.*"]'),
    ],
)
def test_a_failure_leads_to_the_line_that_it_is_about(words: str, table: str, line: str) -> None:
    number = line_about(STAGING, [words], table)
    assert number is not None and STAGING.splitlines()[number - 1].startswith(line)


def test_a_failure_that_names_nothing_of_the_workflow_leads_to_no_line() -> None:
    assert line_about(STAGING, ["The disk is full."]) is None
    assert line_about(STAGING, ["Correct production.password in connections.yaml."], "crm.contact") is None
    assert line_about("no: [yaml", ["limits.parallel"]) is None


def test_a_failed_run_offers_the_workflow_at_the_line_and_says_which_version_ran_and_who_asked(
    dashboard: Dashboard, author: Browser, west: tuple[str, SimulatedAppliance]
) -> None:
    appliance_id, simulated = west
    digest = dashboard.api.get("/v1/workflows/staging-twin").json()["digest"]
    author.post("/workflows/staging-twin/runs", {"appliance": appliance_id})
    (command,) = simulated.take_commands(simulated.heartbeat())
    say = ScrubbedText.mark
    failure = FailureReport(
        step="copy",
        table="crm.contact",
        exception="OutOfMemory",
        location="appliance/steps/copy.py:88",
        what=say("The step copy was ended because it needed more than 512 MB."),
        next_step=say("Raise limits.memory_mb in the workflow above 512."),
    )
    simulated.tell(
        RunStarted(
            run_id="r1",
            workflow="staging-twin",
            trigger="command",
            origin="cloud",
            digest=digest,
            command_id=command.id,
        )
    )
    simulated.tell(
        RunFinished(run_id="r1", workflow="staging-twin", outcome="failed", seconds=4, failure=failure)
    )
    simulated.send()
    page = author.get(f"/runs/{appliance_id}/r1").text
    assert "by ada" in page and "version 1 of the workflow" in page
    shown, _, folded = page.partition("For support")
    assert "copy.py:88" not in shown and "copy.py:88" in folded
    link = re.search(r'id="mend" href="([^"]+)"', page)
    editor = author.get(unescape(link[1]) if link else "").text
    line = STAGING.splitlines().index("limits: {parallel: 4, memory_mb: 512}") + 1
    assert "Raise limits.memory_mb" in editor and f'data-at="{line}"' in editor


def test_a_check_says_of_each_appliance_whether_its_policy_would_take_the_workflow(
    author: Browser, west: tuple[str, SimulatedAppliance]
) -> None:
    _, simulated = west
    simulated.policy = PolicyReport(
        workflows_from_cloud=True, read=("other",), write=("staging",), max_parallel=2
    )
    simulated.heartbeat()
    page = author.get(EDIT).text
    assert "Hospital West would not take it" in page
    assert "The connection `production` may not be read from." in page and "limits.parallel is 4" in page
    simulated.policy = PolicyReport(workflows_from_cloud=True, read=("production",), write=("staging",))
    simulated.heartbeat()
    fits = author.get(EDIT).text
    assert "would not take it" not in fits and "What Hospital West reports of its policy allows it" in fits


def test_an_older_appliance_that_reports_less_of_its_policy_refuses_nothing_here(
    author: Browser, west: tuple[str, SimulatedAppliance]
) -> None:
    _, simulated = west
    simulated.policy = PolicyReport(workflows_from_cloud=True)
    simulated.heartbeat()
    assert "would not take it" not in author.get(EDIT).text


def test_a_connection_is_filled_in_and_says_when_a_run_last_worked_with_it_or_could_not(
    dashboard: Dashboard, author: Browser, west: tuple[str, SimulatedAppliance]
) -> None:
    appliance_id, simulated = west
    page = author.get(f"/appliances/{appliance_id}").text
    assert "Filled in" in page and "Ready" not in page
    digest = dashboard.api.get("/v1/workflows/staging-twin").json()["digest"]
    failed = FailureReport(
        step="open_snapshot",
        sqlstate="28P01",
        what=ScrubbedText.mark("Connection 'production' could not be opened."),
    )
    for run_id, outcome, failure in (("r1", "succeeded", None), ("r2", "failed", failed)):
        simulated.tell(
            RunStarted(
                run_id=run_id, workflow="staging-twin", trigger="schedule", origin="cloud", digest=digest
            )
        )
        simulated.tell(
            RunFinished(
                run_id=run_id,
                workflow="staging-twin",
                outcome=outcome,
                seconds=4,
                twins=() if failure else ("staging",),
                failure=failure,
            )
        )
        simulated.send()
    page = author.get(f"/appliances/{appliance_id}").text
    assert page.count("Last worked") == 2
    assert "A run could not use it" in page and "(28P01)" in page


def test_what_is_refused_has_one_colour(dashboard: Dashboard) -> None:
    seeds.fleet(dashboard.api, dashboard.client)
    browser = dashboard.signed_in()
    for path in ("/", "/workflows", "/runs", "/workflows/staging-twin"):
        badges = re.findall(r'class="badge (\w+)">(?:\d+ )?[Rr]efused', browser.get(path).text)
        assert badges and set(badges) == {"bad"}, path
