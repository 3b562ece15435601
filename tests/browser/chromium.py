"""Headless Chromium as the tests drive it: Debian's own, with nothing phoning out and an empty profile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import axe_core_python
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.webdriver import WebDriver

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --force-prefers-reduced-motion"
)
DESKTOP = (1360, 900)
PHONE = (320, 640)
"""As narrow as WCAG 2.2 wants pages to stay whole (1.4.10)."""
_AXE = Path(axe_core_python.__file__).with_name("axe.min.js")


@contextmanager
def chromium(profile: Path) -> Iterator[WebDriver]:
    """One browser; quits at the end."""
    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for flag in (*FLAGS.split(), f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, Service("/usr/bin/chromedriver"))
    driver.set_script_timeout(60)
    try:
        yield driver
    finally:
        driver.quit()


def look(driver: WebDriver, size: tuple[int, int], *, dark: bool = False) -> None:
    """Take on a screen's size (in CSS pixels, also below what a window can be) and a colour scheme."""
    width, height = size
    driver.execute_cdp_cmd(  # type: ignore[attr-defined]
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700},
    )
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})  # type: ignore[attr-defined]


def accessibility_problems(driver: WebDriver) -> list[str]:
    """What axe finds wrong with the page as it is now: one line a problem."""
    driver.execute_script(_AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = driver.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "axe.run(document, {resultTypes: ['violations']})"
        ".then(done, (error) => done({violations: [String(error)]}));"
    )
    problems = []
    for violation in found["violations"]:
        if isinstance(violation, str):
            problems.append(violation)
            continue
        for node in violation["nodes"]:
            problems.append(
                f"{violation['id']}: {node['html'][:160]} {node['any'][0]['message'] if node['any'] else ''}"
            )
    return problems


def console_errors(driver: WebDriver) -> list[str]:
    """What the page complained of since the last call, as the browser's console has it."""
    entries: list[dict[str, Any]] = driver.get_log("browser")  # type: ignore[attr-defined]
    return [json.dumps(entry["message"]) for entry in entries if entry["level"] == "SEVERE"]
