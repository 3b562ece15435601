"""The workflow's editor in a real browser: what it offers at the cursor, and errors at the fields."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver

from tests.browser.chromium import DESKTOP, PHONE, accessibility_problems, chromium, console_errors, look
from tests.browser.test_dashboard import until
from tests.dashboard import seeds
from tests.dashboard.running import PASSWORD, RunningDashboard, running_dashboard

HEAD = "id: shop\nsource: production\n"
OFFERED: tuple[tuple[str, set[str], set[str]], ...] = (
    ("", {"id", "masks", "deliver"}, set()),
    (f"{HEAD}ta", {"tables"}, {"title", "id"}),
    (f"{HEAD}id", set(), {"id"}),
    ("tables:\n  ", {"include", "exclude"}, {"masks"}),
    ("tables:\n  include: [a]\n  ", {"exclude"}, {"include"}),
    ("masks:\n  a.b.c: em", {"email"}, {"phone"}),
    ('masks:\n  "*.*.c": ', {"email", "null"}, set()),
    ("masks:\n  a.b.c: {", {"mask"}, {"keep_prefix"}),
    ("masks:\n  a.b.c: {mask: ph", {"phone"}, {"email"}),
    ("masks:\n  a.b.c: {mask: phone, ", {"keep_prefix", "domain"}, {"mask", "days"}),
    ("masks:\n  a.b.c:\n    mask: ph", {"phone"}, {"email"}),
    ("deliver:\n  - ", {"twin", "files", "bucket", "container"}, {"id"}),
    ("deliver:\n  - files:\n      ", {"format", "rows_per_file"}, {"twin"}),
    ("deliver:\n  - files: {format: ", {"csv", "parquet"}, set()),
    ("deliver:\n- twin: {connection: a}\n- files:\n    format: a", {"archive"}, {"csv"}),
    ("deliver:\n  - twin:\n      connection: a\n      go", {"golden"}, {"connection"}),
    ("deliver:\n  - twin: {golden: ", {"true", "false"}, set()),
    ("rows:\n  a.b: {la", {"last_days"}, {"by"}),
    ("unlisted: ", {"halt", "keep", "null"}, set()),
    ("limits:\n  parallel: 4\n\n  # more\n  me", {"memory_mb"}, {"parallel"}),
    ("limits: {parallel: 4}\nun", {"unlisted"}, {"limits"}),
    ("keep: [a.b.c]  # ", set(), {"id"}),
    ("title: some words", set(), {"id"}),
    ("nothing:\n  known: ", set(), {"id"}),
    ("id: [", set(), {"id"}),
)


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDashboard]:
    with running_dashboard(Path(tmp_path_factory.mktemp("dashboard"))) as made:
        made.command("create-user", "ada", "--role", "admin", "--password-stdin", given=f"{PASSWORD}\n")
        api = made.client(made.command("create-token", "seeds", "--role", "admin"))
        api.post("/v1/workflows", json={"yaml": seeds.STAGING}).raise_for_status()
        yield made


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, dashboard: RunningDashboard) -> Iterator[WebDriver]:
    with chromium(Path(tmp_path_factory.mktemp("profile"))) as driver:
        look(driver, DESKTOP)
        driver.get(f"{dashboard.url}/sign-in?next=/workflows/staging-twin/edit")
        driver.find_element(By.ID, "name").send_keys("ada")
        driver.find_element(By.ID, "password").send_keys(PASSWORD, Keys.ENTER)
        until(driver, lambda: driver.find_element(By.ID, "yaml"))
        yield driver


def offered(browser: WebDriver, text: str) -> set[str]:
    found = browser.execute_async_script(
        "const [text, done] = arguments;"
        "fetch('/workflow-schema.json').then((answer) => answer.json()).then((schema) =>"
        " done((offeredAt(text, text.length, schema, ['production'])?.options || [])"
        ".map((each) => each.name)))"
        ".catch((error) => done([String(error)]));",
        text,
    )
    return set(found)


def test_what_can_stand_at_the_cursor_is_offered_and_nothing_else(browser: WebDriver) -> None:
    for text, some, none in OFFERED:
        found = offered(browser, text)
        assert some <= found, f"{text!r} offers {sorted(found)}"
        assert not none & found, f"{text!r} offers {sorted(found)}"
        if not some:
            assert not found, f"{text!r} offers {sorted(found)}"
    assert offered(browser, "source: pro") == {"production"}


def test_a_key_is_taken_by_keyboard_and_tab_leaves_where_nothing_is_offered(browser: WebDriver) -> None:
    area = browser.find_element(By.ID, "yaml")
    browser.execute_script("arguments[0].focus(); arguments[0].setSelectionRange(1e6, 1e6)", area)
    area.send_keys("reh")
    until(browser, lambda: browser.find_element(By.ID, "offered").is_displayed())
    assert accessibility_problems(browser) == []
    area.send_keys(Keys.TAB)
    assert str(area.get_property("value")).endswith("\nrehearsal: ")
    area.send_keys(Keys.ESCAPE, Keys.BACKSPACE)
    assert browser.switch_to.active_element == area
    area.send_keys(Keys.TAB)
    assert browser.switch_to.active_element != area
    assert console_errors(browser) == []


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desk", "phone"])
def test_an_error_is_said_at_its_field_until_it_is_mended(
    browser: WebDriver, dashboard: RunningDashboard, size: tuple[int, int]
) -> None:
    look(browser, size)
    browser.execute_script("window.onbeforeunload = null; sent = true")
    browser.get(f"{dashboard.url}/workflows/staging-twin/edit")
    field = browser.find_element(By.ID, "f-timezone")
    field.send_keys("Nowhere/Land")
    until(browser, lambda: browser.find_element(By.ID, "f-timezone-error").text)
    assert browser.find_element(By.ID, "f-timezone").get_attribute("aria-invalid") == "true"
    assert accessibility_problems(browser) == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= size[0]
    field.clear()
    field.send_keys("UTC")
    until(browser, lambda: not browser.find_elements(By.CSS_SELECTOR, ".field-error"))
    assert browser.find_element(By.ID, "f-timezone").get_attribute("aria-invalid") is None
    browser.execute_script("sent = true")
