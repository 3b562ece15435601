"""The pages of a running dashboard that links lead to, as a signed-in user sees them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from html import unescape
from urllib.parse import urljoin

import httpx

from tests.dashboard.running import PASSWORD, RunningDashboard

_LINK = re.compile(r'(?:href|data-live)="([^"#]+)')
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')


def sign_in(dashboard: RunningDashboard, name: str, role: str) -> httpx.Client:
    """A browser of a new user with this role."""
    dashboard.command("create-user", name, "--role", role, "--password-stdin", given=f"{PASSWORD}\n")
    browser = dashboard.client()
    found = _CSRF.search(browser.get("/sign-in").text)
    form = {"name": name, "password": PASSWORD, "next": "/", "csrf": found[1] if found else ""}
    assert browser.post("/sign-in", data=form).status_code == 303
    return browser


def pages(browser: httpx.Client, start: Iterable[str], wanted: Callable[[str], bool]) -> dict[str, str]:
    """Path to text of each page, from ``start`` along the links that are ``wanted``."""
    seen: dict[str, str] = {}
    waiting = list(start)
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        answer = browser.get(path)
        assert answer.status_code in (200, 303), f"{path} answers {answer.status_code}"
        seen[path] = answer.text
        links = (urljoin(path, unescape(link)) for link in _LINK.findall(answer.text))
        waiting += [link for link in links if link.startswith("/") and wanted(link)]
    return seen
