"""With two addresses and a browser: enrol a real appliance, write a workflow, run it, break it, mend it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select

from tests.browser.chromium import DESKTOP, PHONE, accessibility_problems, chromium, console_errors, look
from tests.browser.test_dashboard import click, field, press, shows, until
from tests.containers.appliance_host import GATEWAY, ApplianceHost, wait_for
from tests.dashboard.running import PASSWORD, running_dashboard
from tests.engine.clusters import Cluster

pytestmark = pytest.mark.browser

MASKS = {"email": "email", "full_name": "full_name", "phone": "phone"}
WRONG_PASSWORD = "wr0ng-c4nary"


PATIENTS = 400
UNSEEN = f"""
CREATE TABLE patient (id integer PRIMARY KEY, "lastName" text NOT NULL, mail text UNIQUE NOT NULL,
    mobile text, born date, extra jsonb NOT NULL, remark text, ward text NOT NULL, misc text);
CREATE TABLE visit (id integer PRIMARY KEY, patient_id integer NOT NULL REFERENCES patient,
    at timestamptz NOT NULL, cents integer);
INSERT INTO patient SELECT n, 'Quagmire' || n, 'zanzibara' || n || '@real.example', '+43 660 7770' || n,
    date '1950-01-01' + n * 7,
    jsonb_build_object('contact', jsonb_build_object('mail', 'kin' || n || '@kin.example')),
    CASE WHEN n % 3 = 0 THEN 'Call zanzibara' || n || '@real.example before noon.' END, 'ward ' || n % 4, NULL
    FROM generate_series(1, {PATIENTS}) n;
INSERT INTO visit SELECT n, 1 + n % {PATIENTS}, timestamptz '2026-01-01' + n * interval '1 hour', n
    FROM generate_series(1, {PATIENTS * 2}) n;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
ANALYZE;
"""
NEVER_IN_A_TWIN = ("Quagmire", "zanzibara", "real.example", "kin.example", "660 7770")


@dataclass(frozen=True)
class TwoAddresses:
    """What the person at the browser was given, and the browser."""

    browser: WebDriver
    dashboard: str
    appliance: str


@pytest.fixture(scope="module")
def two(appliance: ApplianceHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoAddresses]:
    """A dashboard, and an appliance that was set up for it and is not enrolled."""
    folder = Path(tmp_path_factory.mktemp("dashboard"))
    policy = appliance.folder / "etc" / "policy.yaml"
    policy.write_text(
        yaml.safe_dump(
            {
                "workflows_from_cloud": True,
                "keep_from_cloud": ["public.*.*"],
                "read": ["production", "hospital"],
                "write": ["spare", "fresh"],
                "share_catalog": "names",
            }
        )
    )
    with running_dashboard(folder, DASHBOARD_HEARTBEAT_SECONDS="3") as dashboard:
        dashboard.command("create-user", "ada", "--role", "admin", "--password-stdin", given=f"{PASSWORD}\n")
        appliance.settings.identity_file.unlink(missing_ok=True)
        appliance.environment["APPLIANCE_DASHBOARD_URL"] = dashboard.url
        appliance.kill_process("status")
        appliance.start_process("status")
        wait_for("the status service answers", lambda: appliance.status("/status")[0] == 200)
        with chromium(Path(tmp_path_factory.mktemp("profile"))) as driver:
            look(driver, DESKTOP)
            yield TwoAddresses(driver, dashboard.url, f"http://127.0.0.1:{appliance.status_port}/")
    del appliance.environment["APPLIANCE_DASHBOARD_URL"]
    appliance.kill_process("status")
    appliance.start_process("status")
    policy.unlink()


@pytest.fixture
def unseen(two: TwoAddresses, appliance: ApplianceHost, databases: Cluster) -> str:
    """A database that the appliance has a connection to, and of which the dashboard knows nothing."""
    del two
    databases.create_database("unseen")
    databases.sql("unseen", UNSEEN)
    appliance.change_connection("hospital", databases.connection("unseen", "reader", host=GATEWAY))
    return "hospital"


def is_for_everybody(browser: WebDriver) -> None:
    """Nothing for axe to say, nothing too wide: on a phone in the dark, and on a desk in the light."""
    for size, dark in ((PHONE, True), (DESKTOP, False)):
        look(browser, size, dark=dark)
        assert accessibility_problems(browser) == []
        assert browser.execute_script("return document.documentElement.scrollWidth") <= size[0]


def test_a_twin_is_made_broken_and_mended_from_two_addresses(
    two: TwoAddresses, appliance: ApplianceHost, databases: Cluster, customers: int
) -> None:
    browser = two.browser
    sign_in(two)
    token = add_an_appliance(two)
    enrol(two, token)
    browser.get(two.dashboard)
    press(browser, "Coast Hospital")
    until(browser, lambda: shows(browser, "Healthy"))
    is_for_everybody(browser)

    write_workflow(two)
    press(browser, "Choose appliances")
    click(browser, By.XPATH, "//label[contains(., 'Coast Hospital')]//input")
    is_for_everybody(browser)
    press(browser, "Assign")
    until(browser, lambda: shows(browser, "Active"))
    is_for_everybody(browser)

    press(browser, "Run now")
    until(browser, lambda: shows(browser, "The masked twin is in place"))
    assert shows(browser, "No masked value survived")
    assert shows(browser, "public.customer") and shows(browser, "3 masked, 1 kept")
    assert databases.value("twin_spare", "SELECT count(*) FROM customer") == customers
    is_for_everybody(browser)

    good = databases.connection("twin_spare", "twin_owner", host="172.17.0.1")
    appliance.change_connection("spare", good | {"password": WRONG_PASSWORD})
    press(browser, "Run again")
    until(browser, lambda: shows(browser, "did not accept the password"))
    assert shows(browser, "Correct spare.password") and shows(browser, "connections.yaml")
    assert WRONG_PASSWORD not in browser.page_source
    is_for_everybody(browser)

    appliance.change_connection("spare", good)
    press(browser, "Run again")
    until(browser, lambda: shows(browser, "The masked twin is in place"))
    assert console_errors(browser) == []


def test_the_appliances_own_page_tells_of_the_same_runs(two: TwoAddresses) -> None:
    browser = two.browser
    browser.get(two.appliance)
    latest = "return [...document.querySelectorAll('#run-rows tr')].slice(0, 3).map((row) => row.innerText)"
    until(browser, lambda: len(browser.execute_script(latest)) == 3)
    mended, broken, first = browser.execute_script(latest)
    assert "succeeded" in mended and "succeeded" in first
    assert "failed" in broken and "could not be opened" in broken
    assert WRONG_PASSWORD not in browser.page_source
    assert not browser.find_element(By.ID, "enrol").is_displayed()
    assert "null" not in browser.find_element(By.TAG_NAME, "main").text
    is_for_everybody(browser)
    # A run has a page of its own, which says what to do.
    link = "return document.querySelectorAll('#run-rows tr')[1].querySelector('a').href"
    browser.get(browser.execute_script(link))
    until(browser, lambda: "Correct spare.password" in browser.find_element(By.TAG_NAME, "main").text)
    assert WRONG_PASSWORD not in browser.page_source
    is_for_everybody(browser)


def next_of(selector: str, name: str) -> str:
    """A script that answers a data attribute of the first such element; None without one."""
    return f"return document.querySelector('{selector}')?.dataset.{name}"


def test_a_database_that_nobody_has_seen_becomes_a_proven_twin_by_clicks_alone(
    two: TwoAddresses, unseen: str, databases: Cluster
) -> None:
    browser = two.browser
    look(browser, DESKTOP)
    until(browser, lambda: is_offered(two, unseen))
    until(browser, lambda: field(browser, "f-id").send_keys("unseen-twin") is None)
    until(browser, lambda: "id: unseen-twin" in document(browser))
    for name, value in (("f-source", unseen), ("f-twin-0", "fresh")):
        until(browser, lambda: pick(browser, name, value))  # noqa: B023
        until(browser, lambda: f": {value}" in document(browser))  # noqa: B023
    press(browser, "Scan now")
    until(browser, lambda: browser.find_elements(By.ID, "c-accept"))
    is_for_everybody(browser)
    click(browser, By.CSS_SELECTOR, "#c-accept > summary")
    click(browser, By.ID, "c-all")
    until(browser, lambda: not browser.find_elements(By.ID, "c-accept"))
    click(browser, By.ID, "c-filter-open")
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "select.undecided"))
    # Parts of the page replace themselves: what is next is asked in one step.
    while column := browser.execute_script(next_of("select.undecided", "decide")):
        until(browser, lambda: decide(browser, column))
        until(browser, lambda: not of_column(browser, column, "select.undecided"))
    while pattern := browser.execute_script(next_of("[data-drop]", "drop")):
        click(browser, By.CSS_SELECTOR, f"[data-drop='{pattern}']")
        until(browser, lambda: f"{pattern}" not in document(browser))
    until(browser, lambda: shows(browser, "Every column is masked, kept or computed"))
    press(browser, "Plan this draft")
    until(browser, lambda: shows(browser, "A run would go"))
    is_for_everybody(browser)

    press(browser, "Create")
    until(browser, lambda: browser.current_url.split("?")[0].endswith("/workflows/unseen-twin"))
    press(browser, "Choose appliances")
    click(browser, By.XPATH, "//label[contains(., 'Coast Hospital')]//input")
    press(browser, "Assign")
    until(browser, lambda: shows(browser, "Active"))
    press(browser, "Run now")
    until(browser, lambda: shows(browser, "The masked twin is in place"))
    assert shows(browser, "No masked value survived")
    assert console_errors(browser) == []

    assert databases.value("twin_fresh", "SELECT count(*) FROM patient") == PATIENTS
    raw, whole = everything(databases, "unseen"), everything(databases, "twin_fresh")
    for secret in NEVER_IN_A_TWIN:
        assert [row for row in raw if secret in row], secret
        assert not [row for row in whole if secret in row], secret


def everything(databases: Cluster, database: str) -> list[str]:
    tables = ("patient", "visit")
    return [row[0] for table in tables for row in databases.rows(database, f"SELECT t::text FROM {table} t")]


def is_offered(two: TwoAddresses, connection: str) -> bool:
    """Once the appliance has named the connection, with a report."""
    two.browser.get(f"{two.dashboard}/new-workflow")
    offered = Select(two.browser.find_element(By.ID, "f-source")).options
    return connection in [option.text for option in offered]


def document(browser: WebDriver) -> str:
    return str(browser.find_element(By.ID, "yaml").get_property("value"))


def pick(browser: WebDriver, name: str, value: str) -> bool:
    Select(browser.find_element(By.ID, name)).select_by_visible_text(value)
    return True


def of_column(browser: WebDriver, column: str, selector: str) -> list[WebElement]:
    found = browser.find_elements(By.CSS_SELECTOR, selector)
    return [each for each in found if each.get_attribute("data-decide") == column]


def decide(browser: WebDriver, column: str) -> bool:
    """Mask it with NULL where that fits, else with what is offered first."""
    choice = Select(of_column(browser, column, "select")[0])
    offered = [option.text for option in choice.options]
    choice.select_by_visible_text("null" if "null" in offered else offered[2])
    return True


def sign_in(two: TwoAddresses) -> None:
    two.browser.get(two.dashboard)
    two.browser.find_element(By.ID, "name").send_keys("ada")
    two.browser.find_element(By.ID, "password").send_keys(PASSWORD, Keys.ENTER)
    until(two.browser, lambda: shows(two.browser, "Add an appliance"))


def add_an_appliance(two: TwoAddresses) -> str:
    """On the dashboard; its one-time token."""
    press(two.browser, "Add an appliance")
    two.browser.find_element(By.ID, "name").send_keys("Coast Hospital")
    press(two.browser, "Add it")
    until(two.browser, lambda: shows(two.browser, "shown this once"))
    is_for_everybody(two.browser)
    return two.browser.find_element(By.CSS_SELECTOR, "pre[aria-label='Enrolment token']").text


def enrol(two: TwoAddresses, token: str) -> None:
    """On the appliance's own page: first with a token that is mistyped, then with the right one."""
    browser = two.browser
    browser.get(two.appliance)
    form = browser.find_element(By.ID, "enrol")
    until(browser, form.is_displayed)
    is_for_everybody(browser)
    said = browser.find_element(By.ID, "enrol-said")
    typed = form.find_element(By.NAME, "token")
    until(browser, lambda: typed.send_keys(token[:-1], Keys.ENTER) is None)
    until(browser, lambda: "does not accept that enrolment token" in said.text)
    [error] = console_errors(browser)
    assert "/enrol" in error
    until(browser, lambda: typed.send_keys(token[-1], Keys.ENTER) is None)
    until(browser, lambda: said.text == "Enrolled as Coast Hospital.")
    until(browser, lambda: not form.is_displayed())


def write_workflow(two: TwoAddresses) -> None:
    """In the form alone."""
    browser = two.browser
    browser.get(f"{two.dashboard}/new-workflow")
    text = lambda: str(browser.find_element(By.ID, "yaml").get_property("value"))  # noqa: E731
    for name, value in (
        ("f-id", "coast-twin"),
        ("f-title", "Twin of the coast"),
        ("f-schedule", ""),
        ("f-twin-0", "spare"),
        ("f-include", "public.customer\npublic.purchase"),
    ):
        # What was typed before may just be replacing the form.
        until(browser, lambda: field(browser, name).send_keys(value) is None)  # noqa: B023
    until(browser, lambda: "public.purchase" in text())
    while browser.find_elements(By.ID, "m-remove-0"):
        count = len(browser.find_elements(By.CSS_SELECTOR, "[id^=m-remove-]"))
        click(browser, By.ID, "m-remove-0")
        until(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, "[id^=m-remove-]")) < count)  # noqa: B023
    for number, (column, mask) in enumerate(MASKS.items()):
        press(browser, "Add a mask")
        until(browser, lambda: browser.find_elements(By.ID, f"m-name-{number}"))  # noqa: B023
        pattern = f"public.customer.{column}"
        until(browser, lambda: field(browser, f"m-pattern-{number}").send_keys(pattern) is None)  # noqa: B023
        until(browser, lambda: pick(browser, f"m-name-{number}", mask))  # noqa: B023
        until(browser, lambda: f"public.customer.{column}: {mask}" in text())  # noqa: B023
    until(browser, lambda: field(browser, "f-keep").send_keys("public.*.id\npublic.purchase.*") is None)
    until(browser, lambda: "public.purchase.*" in text() and shows(browser, "It is a whole workflow"))
    until(browser, lambda: browser.find_element(By.ID, "save").is_enabled())
    is_for_everybody(browser)
    press(browser, "Create")
    until(browser, lambda: browser.current_url.split("?")[0].endswith("/workflows/coast-twin"))
