"""The columns screen in a real browser: from a new workflow to one of which every column is decided."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import Select
from yaml import safe_load

from appliance.contract.calls import Command, ConnectionReport, PlanCommand, PolicyReport
from appliance.contract.catalog import PlanReported, Refused, UncoveredColumn
from appliance.contract.events import CommandChanged
from appliance.contract.fields import ScrubbedText
from appliance.masking.examples.shown import examples_of
from tests.browser.chromium import DESKTOP, PHONE, accessibility_problems, chromium, console_errors, look
from tests.browser.test_dashboard import click, press, shows, until
from tests.dashboard import catalogs, seeds
from tests.dashboard.running import PASSWORD, RunningDashboard, running_dashboard
from tests.dashboard.simulated_appliance import SimulatedAppliance


@dataclass(frozen=True)
class West:
    """A dashboard, and its appliance."""

    dashboard: RunningDashboard
    appliance: SimulatedAppliance


@pytest.fixture(scope="module")
def west(tmp_path_factory: pytest.TempPathFactory) -> Iterator[West]:
    """A dashboard with one appliance, which shares the columns of a shop and of a large house."""
    folder = Path(tmp_path_factory.mktemp("dashboard"))
    with running_dashboard(folder, DASHBOARD_HEARTBEAT_SECONDS="300") as made:
        made.command("create-user", "ada", "--role", "editor", "--password-stdin", given=f"{PASSWORD}\n")
        _, appliance = seeds.add(
            made.client(made.command("create-token", "seeds", "--role", "admin")), "West"
        )
        names = ("production", "house", "staging")
        appliance.policy = PolicyReport(workflows_from_cloud=True, share_catalog="names")
        appliance.state = {"connections": tuple(ConnectionReport(name=each, state="ready") for each in names)}
        appliance.heartbeat()
        catalogs.tell_catalog(appliance)
        catalogs.tell_catalog(appliance, catalogs.house(), "house")
        yield West(made, appliance)


@pytest.fixture(scope="module")
def dashboard(west: West) -> RunningDashboard:
    return west.dashboard


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, dashboard: RunningDashboard) -> Iterator[WebDriver]:
    """A browser that has signed in."""
    with chromium(Path(tmp_path_factory.mktemp("profile"))) as driver:
        look(driver, DESKTOP)
        driver.get(f"{dashboard.url}/sign-in?next=/new-workflow")
        driver.find_element(By.ID, "name").send_keys("ada")
        driver.find_element(By.ID, "password").send_keys(PASSWORD, Keys.ENTER)
        until(driver, lambda: shows(driver, "Columns"))
        yield driver


def yaml(browser: WebDriver) -> str:
    return str(browser.find_element(By.ID, "yaml").get_property("value"))


def undecided(browser: WebDriver) -> str:
    return browser.find_element(By.CSS_SELECTOR, "#c-filter-open b").text


def test_from_a_new_workflow_to_a_saved_one_with_every_column_decided(
    browser: WebDriver, dashboard: RunningDashboard
) -> None:
    look(browser, DESKTOP)
    browser.get(f"{dashboard.url}/new-workflow")
    assert [each.text for each in Select(browser.find_element(By.ID, "f-source")).options] == [
        "house",
        "production",
        "staging",
    ]
    click(browser, By.CSS_SELECTOR, "[data-include='crm.*']")
    until(browser, lambda: "crm.*" in yaml(browser))
    click(browser, By.CSS_SELECTOR, "#c-accept > summary")
    click(browser, By.ID, "c-all")
    until(browser, lambda: undecided(browser) == "1")
    assert "public.customer.phone: phone" in yaml(browser)
    assert "# The most specific pattern wins." in yaml(browser)
    click(browser, By.ID, "c-filter-open")
    until(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, "[data-decide]")) == 1)
    pick = Select(browser.find_element(By.CSS_SELECTOR, "[data-decide='public.customer.notes']"))
    offered = {each.text for each in pick.options}
    assert "text_scrub" in offered and "date_shift" not in offered
    pick.select_by_visible_text("text_scrub")
    until(browser, lambda: undecided(browser) == "0")
    assert accessibility_problems(browser) == [] and console_errors(browser) == []
    press(browser, "Create")
    until(browser, lambda: browser.current_url.split("?")[0].endswith("/workflows/nightly-twin"))
    assert shows(browser, "public.customer.notes")


def test_an_option_is_written_into_the_yaml_and_nothing_else_of_it_changes(
    browser: WebDriver, dashboard: RunningDashboard
) -> None:
    look(browser, DESKTOP)
    browser.get(f"{dashboard.url}/workflows/nightly-twin/edit")
    before = yaml(browser)
    browser.find_element(By.ID, "c-search").send_keys("phone")
    click(browser, By.CSS_SELECTOR, "[data-options='public.customer.phone']")
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "[data-option='keep_prefix']"))
    browser.find_element(By.CSS_SELECTOR, "[data-option='keep_prefix']").send_keys("3")
    until(browser, lambda: "keep_prefix: 3" in yaml(browser))
    shown = "return [...document.querySelectorAll('#columns .example code')].map((each) => each.innerText)"
    until(browser, lambda: examples_of("phone", {"keep_prefix": 3})[0][1] in browser.execute_script(shown))
    focused = browser.switch_to.active_element
    assert focused.get_attribute("data-option") == "keep_prefix" and focused.get_property("value") == "3"
    changed = set(yaml(browser).splitlines()) ^ set(before.splitlines())
    assert all("phone" in line or "keep_prefix" in line for line in changed)
    browser.execute_script("sent = true")


def test_what_was_picked_in_haste_is_all_saved(browser: WebDriver, dashboard: RunningDashboard) -> None:
    look(browser, DESKTOP)
    browser.get(f"{dashboard.url}/workflows/nightly-twin/edit")
    click(browser, By.ID, "c-filter-keep")
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "[data-decide='public.orders.placed_at']"))
    assert not browser.find_elements(By.CSS_SELECTOR, "[data-decide='public.customer.phone']")
    browser.execute_script(
        """
        const picked = { "public.orders.placed_at": "mask:date_shift", "crm.lead.source": "mask:null" };
        for (const [column, to] of Object.entries(picked)) {
          const pick = document.querySelector(`[data-decide="${column}"]`);
          pick.value = to;
          pick.dispatchEvent(new Event("change", { bubbles: true }));
        }
        document.getElementById("save").click();
        """
    )
    until(browser, lambda: browser.current_url.split("?")[0].endswith("/workflows/nightly-twin"))
    masks = safe_load(browser.find_element(By.CSS_SELECTOR, "pre").text)["masks"]
    assert masks["public.orders.placed_at"] == "date_shift" and masks["crm.lead.source"] == "null"
    browser.get(f"{dashboard.url}/workflows/nightly-twin/edit")
    click(browser, By.ID, "c-filter-mask")
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "[data-decide='public.orders.placed_at']"))
    assert console_errors(browser) == []


def test_a_draft_is_planned_as_it_stands_and_what_it_lacks_is_put_in(browser: WebDriver, west: West) -> None:
    look(browser, DESKTOP)
    browser.get(f"{west.dashboard.url}/new-workflow")
    click(browser, By.ID, "plan-draft")
    until(browser, lambda: shows(browser, "Planning"))
    asked: list[Command] = []
    until(browser, lambda: asked.extend(west.appliance.heartbeat().commands) or asked)
    request = asked[0].request
    assert isinstance(request, PlanCommand) and request.draft is not None
    assert json.loads(request.draft)["keep"] == ["public.*.id"]
    lacking = {"schema_name": "public", "table": "customer", "type": "text"}
    west.appliance.tell(
        PlanReported(
            command_id=asked[0].id,
            workflow=request.workflow,
            digest=request.digest,
            refused=(Refused(what=ScrubbedText.mark("2 columns are neither masked nor kept.")),),
            uncovered=(
                UncoveredColumn(**lacking, column="phone", suggestion="mask", mask="phone"),
                UncoveredColumn(**lacking, column="notes", suggestion="decide"),
            ),
            uncovered_total=2,
        )
    )
    west.appliance.tell(CommandChanged(command_id=asked[0].id, state="done"))
    west.appliance.send()
    until(browser, lambda: shows(browser, "A run would be refused"))
    assert accessibility_problems(browser) == []
    click(browser, By.ID, "merge-planned")
    until(browser, lambda: "public.customer.phone: phone" in yaml(browser))
    assert "# decide: public.customer.notes" in yaml(browser)
    until(browser, lambda: shows(browser, "The YAML has changed since"))
    assert console_errors(browser) == []
    browser.execute_script("sent = true")


def test_a_pattern_that_matches_nothing_is_removed_with_a_click(
    browser: WebDriver, dashboard: RunningDashboard
) -> None:
    browser.get(f"{dashboard.url}/new-workflow")
    Select(browser.find_element(By.ID, "f-source")).select_by_visible_text("house")
    click(browser, By.CSS_SELECTOR, "[data-drop='public.*.email']")
    until(browser, lambda: "public.*.email" not in yaml(browser))
    assert "public.*.id" in yaml(browser)
    until(browser, lambda: not browser.find_elements(By.CSS_SELECTOR, "[data-drop]"))
    browser.execute_script("sent = true")


def test_sixty_tables_are_folded_and_the_keyboard_decides_on_a_phone(
    browser: WebDriver, dashboard: RunningDashboard
) -> None:
    look(browser, PHONE, dark=True)
    browser.get(f"{dashboard.url}/new-workflow")
    Select(browser.find_element(By.ID, "f-source")).select_by_visible_text("house")
    click(browser, By.CSS_SELECTOR, "[data-include='billing.*']")
    until(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, "details.coltable")) == 40)
    assert browser.find_elements(By.CSS_SELECTOR, "[data-decide]") == []
    summary = browser.find_element(By.CSS_SELECTOR, "details.coltable > summary")
    summary.send_keys(Keys.ENTER)
    until(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, "[data-decide]")) == 15)
    field = browser.find_element(By.CSS_SELECTOR, "[data-decide$='field_01']")
    name = field.get_attribute("data-decide")
    field.send_keys("Keep", Keys.TAB)
    until(browser, lambda: f"- {name}" in yaml(browser))
    assert accessibility_problems(browser) == [] and console_errors(browser) == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= PHONE[0]
    browser.execute_script("sent = true")
