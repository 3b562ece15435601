"""Finding a run or a change again: filters, the grid of the latest runs, the audit log as a file."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime

import pytest

from appliance.dashboard.pages.run_grid import SHORTEST, TALLEST, grid
from appliance.dashboard.store.access import audit
from appliance.dashboard.store.run_history.run_lists import Wanted, latest, runs
from tests.dashboard import seeds
from tests.dashboard.conftest import Dashboard


@pytest.fixture
def looked_at(stored: Dashboard) -> Dashboard:
    """A store of each kind with a fleet and its runs."""
    seeds.fleet(stored.api, stored.client)
    return stored


@pytest.fixture
def seeded(dashboard: Dashboard) -> Dashboard:
    """The same over SQLite."""
    seeds.fleet(dashboard.api, dashboard.client)
    return dashboard


def found(dashboard: Dashboard, **wanted: str | float) -> int:
    with dashboard.context.database.read() as session:
        return len(runs(session, Wanted(**wanted), 500))  # type: ignore[arg-type]


def test_runs_are_found_by_who_asked_by_day_and_by_why_they_failed(looked_at: Dashboard) -> None:
    everything = found(looked_at)
    assert 0 < found(looked_at, person="schedule") < everything
    assert found(looked_at, person="nobody") == 0
    assert found(looked_at, text="REFUSED the password") == 1
    assert found(looked_at, text="nightly staging") > 1
    assert found(looked_at, text="%") == 0
    assert found(looked_at, text="staging_twin") == 0
    day = datetime.now(UTC).timestamp()
    assert found(looked_at, since=day + 86400) == 0
    assert found(looked_at, until=day + 86400) == everything
    assert 0 < found(looked_at, since=day - 36 * 3600) < everything


def test_every_filter_stands_on_the_page_and_stays_while_it_is_read_on(seeded: Dashboard) -> None:
    browser = seeded.signed_in()
    page = browser.get("/runs?state=failed&q=password&since=2000-01-01&until=2100-01-01&person=schedule").text
    assert (
        'data-live="/runs/live?state=failed&amp;person=schedule&amp;q=password&amp;since=2000-01-01' in page
    )
    assert page.count(">Failed</span></td>") == 1
    assert browser.get("/runs?since=yesterday&until=31-12-2026").status_code == 200
    nothing = browser.get("/runs?q=no+such+thing").text
    assert "No run is like that" in nothing


def test_the_api_finds_the_same(seeded: Dashboard) -> None:
    rows = seeded.api.get("/v1/runs", params={"text": "refused the password"}).json()
    assert [row["state"] for row in rows] == ["failed"]
    assert seeded.api.get("/v1/runs", params={"person": "schedule", "limit": 1}).json()[0]["asked_by"] is None


def test_the_grid_has_the_latest_runs_of_each_workflow_oldest_first(looked_at: Dashboard) -> None:
    with looked_at.context.database.read() as session:
        rows = grid(latest(session, each=3))
    by_id = {row.workflow_id: row for row in rows}
    assert len(by_id) == len(rows) and len(by_id["staging-twin"].bars) == 3
    for row in rows:
        assert all(SHORTEST <= bar.height <= TALLEST for bar in row.bars)
        assert [bar.x for bar in row.bars] == sorted(bar.x for bar in row.bars)
    page = looked_at.signed_in().get("/runs").text
    assert re.search(r'<svg [^>]*aria-label="The latest runs of Nightly staging twin', page)


def test_lists_say_when_it_last_went_well_and_that_runs_fail_where_all_else_works(
    seeded: Dashboard,
) -> None:
    browser = seeded.signed_in()
    fleet = browser.get("/").text
    assert "Last success" in fleet and "Works, runs fail" in fleet
    workflows = browser.get("/workflows").text
    assert "Age of the twin" in workflows and workflows.count("data-ago") > 3


def test_the_audit_log_is_downloaded_as_it_is_filtered(
    seeded: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.dashboard.pages.audit.EXPORT_ROWS", 4)
    browser = seeded.signed_in()
    page = browser.get("/audit?q=workflow.create&since=2001-01-01").text
    assert page.count("<tr>") == 4 and "workflow: create" in page
    assert 'href="/audit.csv?q=workflow.create&amp;since=2001-01-01"' in page
    answer = browser.get("/audit.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["content-type"].startswith("text/csv")
    assert [row["action"] for row in rows] == seeded.audit()
    assert all(row["at_utc"].endswith("+00:00") for row in rows)
    only = list(csv.DictReader(io.StringIO(browser.get("/audit.csv?q=workflow.create").text)))
    assert {row["action"] for row in only} == {"workflow.create"}
    assert len(browser.get("/audit.csv?until=2001-01-01").text.splitlines()) == 1
    assert seeded.client().get("/audit.csv").status_code == 303


def test_a_name_in_the_audit_log_is_no_formula_for_a_spreadsheet(dashboard: Dashboard) -> None:
    with dashboard.context.database.write() as session:
        for subject in ("=HYPERLINK(1)", "+1", "@x", "plain"):
            audit.record(session, seeds_actor(), "appliance.create", subject)
    rows = list(csv.DictReader(io.StringIO(dashboard.signed_in().get("/audit.csv").text)))
    subjects = {row["subject"] for row in rows}
    assert {"'=HYPERLINK(1)", "'+1", "'@x", "plain"} <= subjects


def seeds_actor() -> audit.Actor:
    return audit.Actor("ada", "admin", "127.0.0.1")
