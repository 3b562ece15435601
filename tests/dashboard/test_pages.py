"""Every page: it renders for those who may see it, holds no foreign script, and leads nowhere dead."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest

from appliance.contract.calls import ScrubbedText
from appliance.contract.events import CommandChanged, Noticed, RunFinished
from appliance.contract.run_parts import FailureReport
from appliance.dashboard.pages.rendering import STATIC
from tests.dashboard import seeds
from tests.dashboard.conftest import Browser, Dashboard
from tests.dashboard.running import PASSWORD

CANARY = "<script>alert('canary')</script>"


class Page(HTMLParser):
    """What of a page matters here."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.forms: set[str] = set()
        self.wrong: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag in {"a", "link"} and known.get("href"):
            self.links.add(str(known["href"]))
        if known.get("data-live"):
            self.links.add(str(known["data-live"]))
        if tag == "form" and known.get("method") == "post":
            self.forms.add(str(known.get("action", "")))
        if known.get("id"):
            self.ids.append(str(known["id"]))
        if tag == "style" or "style" in known or any(name.startswith("on") for name in known):
            self.wrong.append(f"{tag} {attrs}")
        if tag == "script" and not str(known.get("src", "")).startswith("/static/"):
            self.wrong.append(f"{tag} {attrs}")
        for name in ("src", "href", "action"):
            if str(known.get(name) or "/").startswith(("http", "//")):
                self.wrong.append(f"{tag} {attrs}")


@pytest.fixture
def seeded(dashboard: Dashboard) -> Dashboard:
    """A dashboard with a fleet in every condition."""
    seeds.fleet(dashboard.api, dashboard.client)
    return dashboard


def crawl(browser: Browser) -> dict[str, Page]:
    """Every page that links lead to."""
    seen: dict[str, Page] = {}
    waiting = ["/"]
    while waiting:
        address = waiting.pop()
        path = urlsplit(address)._replace(fragment="").geturl()
        if path in seen or path.startswith("/static/"):
            continue
        response = browser.get(path)
        assert response.status_code in {200, 303}, f"{path} answers {response.status_code}"
        seen[path] = Page(response.text if "html" in response.headers.get("content-type", "") else "")
        waiting += [urljoin(path, link) for link in seen[path].links if not link.startswith("#")]
    return seen


def test_no_link_is_dead_and_no_page_has_script_or_style_of_its_own(seeded: Dashboard) -> None:
    pages = crawl(seeded.signed_in())
    assert len(pages) > 40
    assert {path: page.wrong for path, page in pages.items() if page.wrong} == {}
    assert {path for path, page in pages.items() if len(set(page.ids)) != len(page.ids)} == set()
    for name in ("app.css", "app.js", "editor.js", "mark.svg"):
        assert "http" not in (STATIC / name).read_text().replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_who_may_not_change_is_offered_nothing_to_change(seeded: Dashboard, role: str) -> None:
    seeded.person("someone", role)
    browser = seeded.signed_in("someone")
    forms = {action for page in crawl(browser).values() for action in page.forms}
    allowed_to_viewers = {"/sign-out", "/account/password", "/account/second-factor", "/tokens"}
    if role == "viewer":
        assert forms <= allowed_to_viewers
    assert not any(re.search(r"/people|/revoke$", action) for action in forms - {"/tokens"})


POSTS = (
    "/appliances/bulk", "/appliances/{appliance}/tags", "/workflows/bulk", "/workflows/staging-twin/tags",
    "/appliances", "/appliances/{appliance}/enrolment", "/appliances/{appliance}/name",
    "/appliances/{appliance}/sync",
    "/appliances/{appliance}/update", "/appliances/{appliance}/runs", "/appliances/{appliance}/erasures",
    "/appliances/{appliance}/test",
    "/workflows", "/preview-workflow",
    "/presets", "/presets/x/edit", "/presets/x/history/1", "/presets/x/archive",
    "/ask-for-scan", "/plan-draft", "/workflows/staging-twin/plan",
    "/workflows/staging-twin/branches", "/workflows/staging-twin/rehearsals",
    "/commands/x/cancel",
    "/workflows/staging-twin/edit", "/workflows/staging-twin/history/1", "/workflows/staging-twin/appliances",
    "/workflows/staging-twin/archive", "/workflows/staging-twin/runs", "/runs/{appliance}/{run}/cancel",
    "/releases/rollouts", "/releases/rollouts/x/stop", "/releases/rollouts/x/next-wave",
    "/releases/wishes/{appliance}/withdraw",
    "/proposals/x/accept", "/proposals/x/reject", "/proposals/x/withdraw",
)  # fmt: skip
ADMIN_POSTS = (
    "/appliances/{appliance}/revoke", "/people", "/people/x/password", "/people/x/role", "/people/x/disabled",
    "/people/x/second-factor",
)  # fmt: skip


def test_roles_hold_on_every_form(seeded: Dashboard) -> None:
    seeded.person("victor", "viewer")
    seeded.person("eve", "editor")
    run = seeded.api.get("/v1/runs").json()[0]
    for name, forms in (("victor", (*POSTS, *ADMIN_POSTS)), ("eve", ADMIN_POSTS)):
        browser = seeded.signed_in(name)
        for form in forms:
            path = form.format(appliance=run["appliance_id"], run=run["run_id"])
            response = browser.post(path, {"name": "x", "role": "admin", "version": "1", "yaml": "a: 1"})
            assert response.status_code == 403, path
    assert seeded.api.get("/v1/people").json()[0]["role"] == "admin"


def test_every_form_is_one_of_those_that_are_tested(seeded: Dashboard) -> None:
    known = {
        *POSTS,
        *ADMIN_POSTS,
        "/sign-in",
        "/sign-in/code",
        "/sign-out",
        "/account/password",
        "/account/second-factor",
        "/account/second-factor/on",
        "/account/second-factor/codes",
        "/account/second-factor/off",
        "/tokens",
        "/tokens/x/revoke",
    }
    shapes = {re.sub(r"\{\w+\}|staging-twin|\bx\b|\b1\b", "*", path) for path in known}
    routes = {
        re.sub(r"\{\w+\}", "*", path)
        for path, methods in posts_of(seeded)
        if "POST" in methods and not path.startswith("/v1/")
    }
    assert routes == shapes


def posts_of(dashboard: Dashboard) -> list[tuple[str, set[str]]]:
    found: list[tuple[str, set[str]]] = []

    def walk(routes: list[object], prefix: str = "") -> None:
        for route in routes:
            inner = getattr(route, "routes", None)
            methods = getattr(route, "methods", None)
            if methods:
                found.append((getattr(route, "path", ""), set(methods)))
            elif inner:
                walk(list(inner))
            elif (router := getattr(route, "original_router", None)) is not None:
                walk(list(router.routes))

    walk(list(dashboard.app.routes))
    return found


def test_nobody_sees_anything_before_signing_in(seeded: Dashboard) -> None:
    client = seeded.client()
    for path in crawl(seeded.signed_in()):
        if path.startswith(("/v1/openapi.json", "/static")):
            continue
        response = client.get(path)
        assert response.status_code == 303 and response.headers["location"].startswith("/sign-in"), path
    assert client.get("/fleet/live", headers={"x-requested-with": "fetch"}).status_code == 401


def test_what_appliances_and_people_write_is_text(dashboard: Dashboard) -> None:
    appliance_id, appliance = dashboard.enrolled(CANARY)
    say = ScrubbedText.mark
    failure = FailureReport(what=say(CANARY), why=say(CANARY), next_step=say(CANARY), log_tail=(say(CANARY),))
    appliance.tell(RunFinished(run_id="r-1", workflow="w", outcome="failed", seconds=1, failure=failure))
    appliance.tell(Noticed(kind="disk_low", problem=say(CANARY)))
    appliance.send()
    appliance.heartbeat()
    yaml = seeds.ON_DEMAND.replace("Support sandbox", f'"{CANARY}"')
    dashboard.api.post("/v1/workflows", json={"yaml": yaml, "note": CANARY}).raise_for_status()
    dashboard.api.post("/v1/tokens", json={"name": CANARY, "role": "viewer"}).raise_for_status()
    browser = dashboard.signed_in()
    pages = crawl(browser)
    assert f"/runs/{appliance_id}/r-1" in pages
    for path in pages:
        response = browser.get(path)
        if "html" in response.headers["content-type"]:
            assert "<script>alert" not in response.text, path
    assert "&lt;script&gt;alert" in browser.get(f"/runs/{appliance_id}/r-1").text
    search = browser.get("/audit?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E").text
    assert "<script>alert" not in search


def test_a_note_says_only_what_the_dashboard_says(dashboard: Dashboard) -> None:
    browser = dashboard.signed_in()
    assert "Saved." in browser.get("/?note=saved").text
    assert "Call 555" not in browser.get("/?note=Call+555+0100+now").text


def test_a_live_part_is_sent_only_when_it_changed(seeded: Dashboard) -> None:
    browser = seeded.signed_in()
    first = browser.get("/fleet/live")
    again = browser.client.get("/fleet/live", headers={"x-have": first.headers["x-mark"]})
    assert (first.status_code, again.status_code) == (200, 204)


def test_a_one_time_password_opens_only_the_page_to_change_it(dashboard: Dashboard) -> None:
    page = dashboard.signed_in().post("/people", {"name": "grace", "role": "editor"}).text
    found = re.search(r"aria-label=\"One-time password\">([^<]+)<", page)
    assert found
    browser = Browser(dashboard.client())
    assert browser.sign_in("grace", found[1]).status_code == 303
    refused = browser.get("/workflows")
    assert (refused.status_code, refused.headers["location"]) == (303, "/account?next=/workflows")
    assert browser.post("/account/password", {"old": found[1], "new": "short"}).status_code == 422
    assert browser.post("/account/password", {"old": found[1], "new": PASSWORD}).status_code == 303
    assert browser.get("/").status_code == 200
    assert Browser(dashboard.client()).sign_in("grace", found[1]).status_code == 401


def test_the_last_admin_stays(dashboard: Dashboard) -> None:
    browser = dashboard.signed_in()
    assert browser.post("/people/id-of-ada/role", {"role": "viewer"}).status_code == 403
    assert browser.post("/people/id-of-ada/disabled", {"disabled": "yes"}).status_code == 403
    dashboard.person("grace", "admin")
    assert browser.post("/people/id-of-grace/disabled", {"disabled": "yes"}).status_code == 303
    assert Browser(dashboard.client()).sign_in("grace", PASSWORD).status_code == 401


def test_an_enrolment_token_is_shown_once(dashboard: Dashboard) -> None:
    browser = dashboard.signed_in()
    page = browser.post("/appliances", {"name": "Hospital West"}).text
    tokens = set(re.findall(r"ape_[A-Za-z0-9_-]{43}", page))
    assert len(tokens) == 1
    assert all("ape_" not in browser.get(path).text for path in crawl(browser))


def test_running_a_workflow_by_its_button_leads_to_the_run(dashboard: Dashboard) -> None:
    appliance_id, appliance = dashboard.enrolled()
    dashboard.api.post("/v1/workflows", json={"yaml": seeds.STAGING}).raise_for_status()
    dashboard.api.put("/v1/workflows/staging-twin/appliances", json={"appliance_ids": [appliance_id]})
    browser = dashboard.signed_in()
    answer = browser.post("/workflows/staging-twin/runs", {"appliance": appliance_id})
    waiting = answer.headers["location"]
    assert "Waiting for Hospital West" in browser.get(waiting).text
    (command,) = appliance.take_commands(appliance.heartbeat())
    assert "has the request" in browser.get(waiting).text
    run = appliance.run("staging-twin", trigger="command", command_id=command.id)
    run_id = next(run)
    started, appliance.outbox = appliance.outbox, []
    appliance.tell(CommandChanged(command_id=command.id, state="done", run_id=run_id))
    appliance.send()
    assert "about to start" in browser.get(waiting).text
    assert browser.get(f"/runs/{appliance_id}/{run_id}").headers["location"] == waiting
    assert browser.get(f"/runs/{appliance_id}/another").status_code == 404
    assert "x-go" not in browser.get(f"{waiting}/live").headers
    appliance.send(started)
    assert browser.get(f"{waiting}/live").headers["x-go"] == f"/runs/{appliance_id}/{run_id}"
    assert browser.get(waiting).headers["location"] == f"/runs/{appliance_id}/{run_id}"
    assert browser.post(f"/runs/{appliance_id}/{run_id}/cancel").status_code == 303
    assert [command.request.kind for command in appliance.heartbeat().commands] == ["cancel"]
