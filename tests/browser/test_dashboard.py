"""The dashboard in a real browser: from signing in to watching a run finish, on a desk and on a phone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.browser.chromium import DESKTOP, PHONE, accessibility_problems, chromium, console_errors, look
from tests.dashboard import seeds
from tests.dashboard.running import PASSWORD, RunningDashboard, running_dashboard
from tests.dashboard.simulated_appliance import SimulatedAppliance

PATIENCE_S = 600
"""A limit for what hangs, on a loaded machine; what is waited for comes in seconds."""
PASSING = (
    StaleElementReferenceException,
    NoSuchElementException,
    ElementNotInteractableException,
    ElementClickInterceptedException,
)
"""A part of a page may replace itself while it is looked at."""


LONGEST_TIMES = """
for (const each of document.querySelectorAll("time[data-when]")) each.textContent = "Nov 30, 2027, 10:44 AM"
"""
"""Pages fit at ten in the morning too."""

WORDY = f"""\
id: {"w" * 63}
title: "{"Ünïcödé" * 25}"
schedule: "0 2 * * *"
timezone: America/Argentina/ComodRivadavia
source: {"s" * 63}
tables: {{include: ["public.*"]}}
masks: {{"*.*.{"c" * 63}": email}}
deliver: [{{twin: {{connection: {"t" * 63}}}}}]
"""
"""As long as a name may be."""


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDashboard]:
    """A dashboard with a fleet to look at, and its admin ada."""
    folder = Path(tmp_path_factory.mktemp("dashboard"))
    with running_dashboard(folder, DASHBOARD_HEARTBEAT_SECONDS="300") as made:
        made.command("create-user", "ada", "--role", "admin", "--password-stdin", given=f"{PASSWORD}\n")
        token = made.command("create-token", "seeds", "--role", "admin")
        made.environment["TOKEN"] = token
        api = made.client(token)
        seeds.fleet(api)
        api.post("/v1/workflows", json={"yaml": WORDY}).raise_for_status()
        api.post("/v1/appliances", json={"name": "W" * 60}).raise_for_status()
        yield made


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, dashboard: RunningDashboard) -> Iterator[WebDriver]:
    """A browser that has signed in."""
    with chromium(Path(tmp_path_factory.mktemp("profile"))) as driver:
        look(driver, DESKTOP)
        driver.get(f"{dashboard.url}/sign-in?next=/runs")
        assert accessibility_problems(driver) == []
        driver.find_element(By.ID, "name").send_keys("ada")
        driver.find_element(By.ID, "password").send_keys(PASSWORD, Keys.ENTER)
        until(driver, lambda: driver.current_url.endswith("/runs"))
        yield driver


def until(driver: WebDriver, come: Callable[[], object]) -> None:
    try:
        WebDriverWait(driver, PATIENCE_S, 0.1, PASSING).until(lambda _: come())
    except TimeoutException:
        shown = driver.find_element(By.TAG_NAME, "body").text
        raise AssertionError(f"It did not come; the page at {driver.current_url} shows:\n{shown}") from None


def shows(driver: WebDriver, text: str) -> bool:
    return text in str(driver.execute_script("return document.querySelector('main')?.innerText"))


def press(driver: WebDriver, words: str) -> None:
    click(driver, By.XPATH, f"//main//*[self::button or self::a][contains(normalize-space(.), '{words}')]")


def click(driver: WebDriver, by: str, value: str) -> None:
    """Click once it is there, from the middle of the screen: nothing that sticks to an edge lies over it."""

    def pressed() -> bool:
        element = driver.find_element(by, value)
        driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()
        return True

    until(driver, pressed)


def pages(dashboard: RunningDashboard) -> dict[str, str]:
    api = dashboard.client(dashboard.environment["TOKEN"])
    ids = {row["name"]: row["id"] for row in api.get("/v1/appliances").json()}
    runs = {
        row["state"]: f"/runs/{row['appliance_id']}/{row['run_id']}" for row in api.get("/v1/runs").json()
    }
    return {
        "fleet": "/",
        "an appliance": f"/appliances/{ids['Hospital West']}",
        "an appliance in trouble": f"/appliances/{ids['City Archive']}",
        "an appliance that is new": f"/appliances/{ids['Harbour Clinic']}",
        "connections": f"/appliances/{ids['Hospital West']}/connections",
        "workflows": "/workflows",
        "a workflow": "/workflows/staging-twin",
        "a workflow with long names": f"/workflows/{'w' * 63}",
        "its editor": f"/workflows/{'w' * 63}/edit",
        "an appliance with a long name": f"/appliances/{ids['W' * 60]}",
        "the editor": "/workflows/staging-twin/edit",
        "history": "/workflows/staging-twin/history",
        "a version": "/workflows/staging-twin/history/2",
        "assignment": "/workflows/staging-twin/appliances",
        "runs": "/runs",
        "a run": runs["running"],
        "a failed run": runs["failed"],
        "a run that went well": runs["succeeded"],
        "people": "/people",
        "tokens": "/tokens",
        "audit": "/audit",
        "api": "/api",
        "account": "/account",
    }


@pytest.mark.parametrize(
    ("size", "dark"), [(DESKTOP, False), (PHONE, True)], ids=["desk, light", "phone, dark"]
)
def test_every_page_fits_and_can_be_used_by_everybody(
    browser: WebDriver, dashboard: RunningDashboard, size: tuple[int, int], dark: bool
) -> None:
    look(browser, size, dark=dark)
    console_errors(browser)
    problems: dict[str, object] = {}
    for name, path in pages(dashboard).items():
        browser.get(dashboard.url + path)
        found: list[object] = [*accessibility_problems(browser), *console_errors(browser)]
        width = browser.execute_script(f"{LONGEST_TIMES}; return document.documentElement.scrollWidth")
        if width > size[0]:
            found.append(f"is {width} pixels wide")
        if found:
            problems[name] = found
    assert problems == {}


def serve(
    appliance: SimulatedAppliance, over: threading.Event, outcome: Callable[[], str], looked: threading.Event
) -> None:
    """Do what an appliance does: call, take commands, run, tell.

    A run stands still in its middle until the page was looked at there.
    """
    while not over.is_set():
        for command in appliance.take_commands(appliance.heartbeat()):
            if command.request.kind == "run":
                portions = appliance.run(
                    command.request.workflow, trigger="command", command_id=command.id, outcome=outcome()
                )
                for portion, _ in enumerate(portions):
                    appliance.send()
                    over.wait(0.7)
                    while portion == 1 and not (looked.is_set() or over.is_set()):
                        over.wait(0.1)
        over.wait(1.1)  # no more often than the dashboard takes


def test_from_nothing_to_a_run_that_failed_and_one_that_went_well(
    browser: WebDriver, dashboard: RunningDashboard
) -> None:
    look(browser, DESKTOP)
    browser.get(dashboard.url)
    press(browser, "Add an appliance")
    browser.find_element(By.ID, "name").send_keys("Coast Hospital")
    press(browser, "Add it")
    until(browser, lambda: shows(browser, "shown this once"))
    token = browser.find_element(By.CSS_SELECTOR, "pre[aria-label='Enrolment token']").text
    appliance = SimulatedAppliance(dashboard.client())
    appliance.enrol(token)
    press(browser, "I have copied it")
    over, looked, outcomes = threading.Event(), threading.Event(), ["failed", "succeeded"]
    worker = threading.Thread(target=serve, args=(appliance, over, lambda: outcomes.pop(0), looked))
    worker.start()
    try:
        until(browser, lambda: shows(browser, "Healthy"))
        write_workflow(browser, dashboard)
        press(browser, "Choose appliances")
        browser.find_element(By.XPATH, "//label[contains(., 'Coast Hospital')]//input").click()
        press(browser, "Assign")
        until(browser, lambda: shows(browser, "Active"))
        press(browser, "Run now")
        half_way = lambda: shows(browser, "Copy and mask") and shows(browser, "copied, about")  # noqa: E731
        until(browser, half_way)
        looked.set()
        until(browser, lambda: shows(browser, "refused the password"))
        looked.clear()
        assert shows(browser, "connections.yaml") and shows(browser, "28P01")
        press(browser, "Run again")
        until(browser, half_way)
        looked.set()
        until(browser, lambda: shows(browser, "The masked twin is in place"))
        assert shows(browser, "No masked value survived")
    finally:
        over.set()
        worker.join(300)
    assert console_errors(browser) == []


def write_workflow(browser: WebDriver, dashboard: RunningDashboard) -> None:
    """Both sides of the editor, each following the other, and a mistake that is named while typing."""
    browser.get(f"{dashboard.url}/new-workflow")
    yaml = browser.find_element(By.ID, "yaml")
    text = lambda: str(yaml.get_property("value"))  # noqa: E731
    field(browser, "f-id").send_keys("coast-twin")
    until(browser, lambda: "id: coast-twin" in text())
    press(browser, "Add a mask")
    until(browser, lambda: browser.find_elements(By.ID, "m-pattern-1"))
    browser.find_element(By.ID, "m-pattern-1").send_keys("public.customer.phone")
    Select(browser.find_element(By.ID, "m-name-1")).select_by_visible_text("phone")
    until(browser, lambda: "public.customer.phone: phone" in text())
    until(browser, lambda: shows(browser, "+43 (046) 356-1969"))
    assert "# The most specific pattern wins." in text()
    yaml.send_keys(Keys.CONTROL, Keys.END)
    yaml.send_keys("limits: {parallel: many}\n")
    until(browser, lambda: shows(browser, "limits.parallel"))
    assert not browser.find_element(By.ID, "save").is_enabled()
    assert browser.find_elements(By.CSS_SELECTOR, "#gutter b")
    for _ in range(len("many}\n")):
        yaml.send_keys(Keys.BACKSPACE)
    yaml.send_keys("2}\n")
    until(browser, lambda: browser.find_element(By.ID, "save").is_enabled())
    until(browser, lambda: browser.find_element(By.ID, "l-parallel").get_property("value") == "2")
    assert accessibility_problems(browser) == []
    press(browser, "Create")
    until(browser, lambda: browser.current_url.split("?")[0].endswith("/workflows/coast-twin"))


def field(browser: WebDriver, name: str):  # type: ignore[no-untyped-def]
    """A field, emptied the way a person does it."""
    element = browser.find_element(By.ID, name)
    element.send_keys(Keys.CONTROL, "a")
    element.send_keys(Keys.DELETE)
    return element


def test_going_back_to_an_earlier_version_asks_first(browser: WebDriver, dashboard: RunningDashboard) -> None:
    look(browser, PHONE, dark=True)
    browser.get(f"{dashboard.url}/workflows/analytics-copy/edit")
    yaml = browser.find_element(By.ID, "yaml")
    yaml.send_keys(Keys.CONTROL, Keys.END)
    yaml.send_keys("# a remark\n")
    press(browser, "Save new version")
    until(browser, lambda: shows(browser, "Version 2"))
    browser.get(f"{dashboard.url}/workflows/analytics-copy/history")
    press(browser, "Roll back")
    dialog = browser.find_element(By.ID, "ask")
    until(browser, dialog.is_displayed)
    assert accessibility_problems(browser) == []
    dialog.find_element(By.CSS_SELECTOR, "[data-no]").click()
    until(browser, lambda: not dialog.is_displayed())
    press(browser, "Roll back")
    until(browser, dialog.is_displayed)
    dialog.find_element(By.CSS_SELECTOR, "[data-yes]").click()
    until(browser, lambda: shows(browser, "Rolled back"))


def test_the_keyboard_reaches_everything_in_order(browser: WebDriver, dashboard: RunningDashboard) -> None:
    look(browser, DESKTOP)
    browser.get(dashboard.url)
    reached = []
    for _ in range(10):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(browser.switch_to.active_element.text.split("\n")[0])
    assert reached[0] == "Skip to the content"
    pages = [
        "Appliances",
        "Fleet",
        "Workflows",
        "Presets",
        "Runs",
        "Releases",
        "People",
        "Tokens",
        "Audit log",
    ]
    assert reached[1:10] == pages


def test_a_page_keeps_itself_current_without_losing_the_place(
    browser: WebDriver, dashboard: RunningDashboard
) -> None:
    look(browser, DESKTOP)
    browser.get(dashboard.url)
    link = browser.find_element(By.LINK_TEXT, "Hospital West")
    browser.execute_script("arguments[0].focus()", link)
    api = dashboard.client(dashboard.environment["TOKEN"])
    api.post("/v1/appliances", json={"name": f"Aaa Clinic {time.time():.0f}"}).raise_for_status()
    until(browser, lambda: shows(browser, "Aaa Clinic"))
    assert browser.switch_to.active_element.text == "Hospital West"


def test_ticks_survive_what_changes_by_itself_and_say_what_is_done_to_how_many(
    browser: WebDriver, dashboard: RunningDashboard
) -> None:
    look(browser, DESKTOP)
    browser.get(f"{dashboard.url}/?sort=name")
    bar = browser.find_element(By.ID, "bulk")
    assert not bar.is_displayed()
    for box in browser.find_elements(By.CSS_SELECTOR, "input[form=bulk][name=id]")[:2]:
        box.click()
    assert bar.is_displayed() and "2 appliances" in bar.text
    ticked = "return document.querySelectorAll('input[form=bulk][name=id]:checked').length"
    browser.execute_script(
        "const live = document.querySelector('[data-live]');"
        "replace(live, live.innerHTML.replaceAll('checked', ''));"
    )
    assert browser.execute_script(ticked) == 2
    Select(browser.find_element(By.ID, "bulk-action")).select_by_value("rotate")
    assert not browser.find_element(By.ID, "bulk-tags").is_displayed()
    bar.find_element(By.CSS_SELECTOR, "button").click()
    until(browser, lambda: "Change the token?" in browser.find_element(By.ID, "ask").text)
    assert "2 appliances" in browser.find_element(By.ID, "ask").text
    browser.find_element(By.CSS_SELECTOR, "#ask [data-no]").click()
    Select(browser.find_element(By.ID, "bulk-action")).select_by_value("tag")
    browser.find_element(By.ID, "bulk-tags").send_keys("ticked together", Keys.ENTER)
    until(browser, lambda: shows(browser, "Done for all that were ticked."))
    assert browser.current_url.startswith(f"{dashboard.url}/?sort=name")
    assert len(browser.find_elements(By.LINK_TEXT, "ticked together")) == 2
    assert accessibility_problems(browser) == [] and console_errors(browser) == []
