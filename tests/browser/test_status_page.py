"""The appliance's own page in a real browser: 200 workflows, both databases away, and nothing reloaded."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver

from tests.browser.chromium import DESKTOP, PHONE, accessibility_problems, chromium, console_errors, look
from tests.browser.test_dashboard import until
from tests.containers.appliance_host import wait_for
from tests.containers.shop import workflow
from tests.engine.clusters import free_port


@contextmanager
def status_service(folder: Path, chain: tuple[Path, Path] | None = None) -> Iterator[str]:
    """A status service over the files in this folder; its address. With a certificate and key, over TLS."""
    port = free_port()
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("APPLIANCE_")},
        "APPLIANCE_CONFIG_DIR": str(folder),
        "APPLIANCE_STATE_DIR": str(folder / "state"),
        "APPLIANCE_DATABASE_URL": "host=127.0.0.1 port=9 dbname=none",
        "APPLIANCE_AIRFLOW_DATABASE_URL": "host=127.0.0.1 port=9 dbname=none",
        "APPLIANCE_STATUS_PORT": str(port),
    }
    if chain:
        environment["APPLIANCE_STATUS_TLS_CERTIFICATE"] = str(chain[0])
        environment["APPLIANCE_STATUS_TLS_KEY"] = str(chain[1])
    process = subprocess.Popen([sys.executable, "-m", "appliance.status"], env=environment)
    address = f"{'https' if chain else 'http'}://127.0.0.1:{port}/"
    try:
        wait_for("the status service answers", lambda: answers(address))
        yield address
    finally:
        process.terminate()
        process.wait(300)


def answers(address: str) -> bool:
    try:
        # Whose certificate it is, is for the test to ask.
        return httpx.get(address, verify=False).is_success
    except httpx.TransportError:
        return False


def write(folder: Path, number: int, text: str = "") -> None:
    """Write a workflow as an editor that renames does."""
    document = yaml.safe_dump(workflow(f"twin-{number:03}", "main", title=f"Department {number}"))
    fresh = folder / ".fresh"
    fresh.write_text(text or document)
    fresh.replace(folder / f"twin-{number:03}.yaml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 workflows."""
    workflows = tmp_path_factory.mktemp("appliance") / "workflows"
    workflows.mkdir()
    for number in range(200):
        write(workflows, number)
    return workflows


@pytest.fixture(scope="module")
def browser(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    """A browser that shows the page with all its rows."""
    profile = Path(tmp_path_factory.mktemp("profile"))
    with status_service(folder.parent) as address, chromium(profile) as driver:
        look(driver, DESKTOP)
        driver.get(address)
        until(driver, lambda: len(rows(driver)) == 200)
        yield driver


def rows(browser: WebDriver) -> list[str]:
    """What the rows of workflows say."""
    read = "return [...document.querySelectorAll('#workflow-rows tr')].map((row) => row.innerText)"
    found: list[str] = browser.execute_script(read)
    return found


@pytest.mark.parametrize(
    ("size", "dark"), [(DESKTOP, False), (PHONE, True)], ids=["desk, light", "phone, dark"]
)
def test_everybody_can_use_it_on_any_screen(browser: WebDriver, size: tuple[int, int], dark: bool) -> None:
    look(browser, size, dark=dark)
    assert accessibility_problems(browser) == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= size[0]
    shown = browser.find_element(By.TAG_NAME, "body").text
    assert "Not healthy" in shown and "postgres: does not answer" in shown
    assert "null" not in shown and "undefined" not in shown


def test_a_workflow_that_breaks_comes_to_the_top_by_itself(browser: WebDriver, folder: Path) -> None:
    look(browser, DESKTOP)
    browser.execute_script("window.untouched = true")
    write(folder, 123, "id: twin-123\nsource: [\n")
    until(browser, lambda: "twin-123" in rows(browser)[0] and "invalid" in rows(browser)[0])
    write(folder, 123)
    until(browser, lambda: "twin-000" in rows(browser)[0])
    assert browser.execute_script("return window.untouched")
    assert console_errors(browser) == []


def test_one_of_200_is_found_by_keyboard_alone(browser: WebDriver) -> None:
    look(browser, DESKTOP)
    browser.execute_script("document.activeElement.blur(); window.scrollTo(0, 0)")
    for _ in range(6):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        if browser.switch_to.active_element.get_attribute("id") == "filter":
            break
    browser.switch_to.active_element.send_keys("department 77")
    until(browser, lambda: len(rows(browser)) == 1)
    assert "twin-077" in rows(browser)[0]
    browser.switch_to.active_element.send_keys(Keys.CONTROL, "a", Keys.DELETE)
    until(browser, lambda: len(rows(browser)) == 200)


REPORT: dict[str, Any] = {
    "twin": "twin",
    "run": "run-1",
    "reasons": ["The migration failed at up.sql:1."],
    "notes": [],
    "up": {
        "statements": [
            {
                **{"file": "up.sql", "line": 1, "statement": "ALTER TABLE <b>item</b>", "ms": 1234.0},
                "locks": [{"table": "public.item", "mode": "AccessExclusiveLock", "held_ms": 9.0}],
                "rewrites": ["public.item"],
                "failure": {"sqlstate": "42P01", "why": "There is no such table."},
            }
        ],
        "tables": [
            {
                **{"table": "public.item", "strongest": "AccessExclusiveLock"},
                **{"reader_blocked_ms": 9.0, "writer_blocked_ms": 410.0},
                "blocked": [
                    {"start_ms": 100.0, "end_ms": 500.0, "who": "writers"},
                    {"start_ms": 1225.0, "end_ms": 1234.0, "who": "both"},
                ],
            },
            {
                **{"table": "public.owner", "strongest": "ShareUpdateExclusiveLock", "blocked": []},
                **{"reader_blocked_ms": 0.0, "writer_blocked_ms": 0.0},
            },
        ],
        "seconds": 1.25,
    },
}


def test_the_page_of_a_rehearsal_shows_its_report(browser: WebDriver) -> None:
    browser.get(f"{browser.current_url.partition('?')[0]}rehearsal.html?id=x")
    browser.execute_script("showReport(arguments[0])", REPORT)
    for size, dark in ((DESKTOP, False), (PHONE, True)):
        look(browser, size, dark=dark)
        assert accessibility_problems(browser) == []
        assert browser.execute_script("return document.documentElement.scrollWidth") <= size[0]
    shown = browser.find_element(By.TAG_NAME, "body").text
    assert "ALTER TABLE <b>item</b>" in shown and "rewrote public.item; failed" in shown
    assert "1.2 s" in shown and "undefined" not in shown
    assert "writers from 0.10 s to 0.50 s; readers and writers from 1.23 s to 1.23 s" in shown
    assert "no one waited" in shown
    parts = browser.execute_script(
        "return [...document.querySelectorAll('.waits rect:not(.whole)')].map((each) =>"
        " [each.getAttribute('class'), each.getBoundingClientRect().width > 0])"
    )
    assert parts == [["writers", True], ["both", True]]
