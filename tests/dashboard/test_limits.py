"""What callers cannot do: fill the memory, guess, act for another user, or put script on a page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from appliance.contract.calls import MAX_HEARTBEAT_BYTES
from appliance.dashboard.store.access import people
from appliance.dashboard.web import limits
from appliance.dashboard.web.limits import RateLimit
from tests.dashboard.conftest import Browser, Dashboard
from tests.dashboard.running import PASSWORD

APPLIANCE_CALLS = ("/v1/enrol", "/v1/appliance/heartbeat", "/v1/appliance/events")


@pytest.mark.parametrize("path", APPLIANCE_CALLS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[" * 50_000,
        b'{"a":' * 5_000,
        b"\xff\xfe",
        b'{"token":"\\ud800"}',
        b"1e999999999",
    ],
    ids=[
        "empty",
        "cut off",
        "null",
        "deep list",
        "deep object",
        "not UTF-8",
        "half a surrogate",
        "huge number",
    ],
)
def test_garbage_from_an_appliance_is_refused_in_words(dashboard: Dashboard, path: str, body: bytes) -> None:
    _, appliance = dashboard.enrolled()
    response = appliance.client.post(
        path, content=body, headers={"authorization": f"Bearer {appliance.token}"}
    )
    assert response.status_code == 422
    assert response.json()["code"] == "invalid"


def test_a_body_is_refused_before_it_is_in_memory(dashboard: Dashboard) -> None:
    _, appliance = dashboard.enrolled()
    said = appliance.call("POST", "/v1/appliance/heartbeat", "x" * (MAX_HEARTBEAT_BYTES + 1))
    assert said.status_code == 413 and "KiB" in said.json()["why"]
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"x" * 65536

    headers = {"authorization": f"Bearer {appliance.token}"}
    unsaid = appliance.client.post(
        "/v1/appliance/heartbeat", content=endless_until(endless(), 20), headers=headers
    )
    assert unsaid.status_code == 413
    assert dashboard.api.post("/v1/appliances", content=b"x" * 100_000).status_code == 413


def endless_until(chunks: Iterator[bytes], most: int) -> Iterator[bytes]:
    for _ in range(most):
        yield next(chunks)


@pytest.mark.parametrize("value", ["a\0b", "a\ud800b", "x" * 100_000], ids=["NUL", "surrogate", "long"])
def test_what_no_store_can_hold_is_refused(stored: Dashboard, value: str) -> None:
    import json

    body = json.dumps({"yaml": f"id: {value}"})
    assert stored.api.post("/v1/workflows", content=body).status_code == 422
    assert stored.api.post("/v1/appliances", content=json.dumps({"name": value})).status_code in {413, 422}
    search = value[:10].encode(errors="replace")
    assert stored.api.get("/v1/appliances", params={"search": search}).status_code in {200, 422}
    assert stored.api.get(f"/v1/runs/{'a%00b'}/x").status_code in {404, 422}


@pytest.mark.parametrize("path", ["/v1/runs", "/v1/appliances", "/v1/workflows", "/v1/people", "/v1/audit"])
@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer x", "Basic YTpi", "Bearer apd_" + "a" * 43, "Bearer ä"]
)
def test_nothing_is_told_without_a_token(dashboard: Dashboard, path: str, header: str) -> None:
    response = dashboard.client().get(
        path, headers={"authorization": header.encode("latin-1")} if header else {}
    )
    assert response.status_code == 401
    assert response.json()["next_step"]


def test_tokens_of_one_kind_are_no_good_for_the_other(dashboard: Dashboard) -> None:
    _, appliance = dashboard.enrolled()
    assert appliance.call("GET", "/v1/appliances").status_code == 401
    assert dashboard.api.get("/v1/appliance/workflows").status_code == 401


def test_guessing_tokens_is_slow(dashboard: Dashboard) -> None:
    dashboard.context.limits.bad_token = RateLimit(burst=3, per_minute=1)
    _, appliance = dashboard.enrolled()
    stranger = dashboard.client(authorization="Bearer apl_" + "x" * 43)
    codes = [stranger.get("/v1/appliance/workflows").status_code for _ in range(5)]
    assert codes == [401, 401, 401, 429, 429]
    assert stranger.get("/v1/appliance/workflows").headers["retry-after"]
    assert appliance.call("GET", "/v1/appliance/workflows").status_code == 200


def test_guessing_a_password_is_slow_and_keeps_nobody_out(dashboard: Dashboard) -> None:
    dashboard.context.limits.sign_in_by_name = RateLimit(burst=3, per_minute=1)
    owner = dashboard.signed_in()
    owner.client.cookies.delete("session")
    stranger = Browser(dashboard.client())
    codes = [stranger.sign_in("ada", f"a wrong password {n}").status_code for n in range(4)]
    assert codes == [401, 401, 429, 429]
    assert owner.sign_in("ada", PASSWORD).status_code == 303


def test_a_wrong_name_and_a_wrong_password_look_the_same(dashboard: Dashboard) -> None:
    browser = Browser(dashboard.client())
    wrong_name = browser.sign_in("unknown", PASSWORD)
    wrong_password = browser.sign_in("ada", "not the password")
    assert wrong_name.status_code == wrong_password.status_code == 401
    assert "do not go together" in wrong_name.text


@pytest.mark.parametrize(
    "target", ["//evil.test", "https://evil.test", "/\\evil.test", "javascript:alert(1)", "\r\n"]
)
def test_signing_in_leads_nowhere_else(dashboard: Dashboard, target: str) -> None:
    browser = Browser(dashboard.client())
    form = {"name": "ada", "password": PASSWORD, "next": target}
    assert browser.post("/sign-in", form, page="/sign-in").headers["location"] == "/"


def test_a_form_needs_its_token_and_its_own_site(dashboard: Dashboard) -> None:
    browser = dashboard.signed_in()
    for csrf in ("", "x" * 32):
        assert browser.client.post("/appliances", data={"csrf": csrf, "name": "West"}).status_code == 403
    good = {"csrf": browser.csrf("/account"), "name": "West"}
    for header in ({"origin": "https://evil.test"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
        assert browser.client.post("/appliances", data=good, headers=header).status_code == 403
    own = {"origin": "http://dashboard.test", "sec-fetch-site": "same-origin"}
    assert browser.client.post("/appliances", data=good, headers=own).status_code == 200


def test_a_sign_in_form_needs_its_token_too(dashboard: Dashboard) -> None:
    client = dashboard.client()
    assert (
        client.post("/sign-in", data={"name": "ada", "password": PASSWORD, "csrf": "x.y"}).status_code == 403
    )
    stranger = Browser(dashboard.client())
    token = stranger.csrf("/sign-in")
    assert (
        client.post("/sign-in", data={"name": "ada", "password": PASSWORD, "csrf": token}).status_code == 403
    )


def test_sessions_end(dashboard: Dashboard) -> None:
    browser = dashboard.signed_in()
    assert browser.get("/").status_code == 200
    with dashboard.context.database.write() as session:
        session.run("UPDATE session SET last_seen = last_seen - ?", people.SESSION_IDLE_SECONDS)
    assert browser.get("/").headers["location"] == "/sign-in?next=/"
    again = dashboard.signed_in()
    stolen = dict(again.client.cookies)
    again.post("/sign-out")
    client = dashboard.client()
    client.cookies.update(stolen)
    assert client.get("/").status_code == 303


def test_cookies_are_out_of_reach(make_dashboard: Callable[..., Dashboard], dashboard: Dashboard) -> None:
    plain = Browser(dashboard.client()).sign_in("ada", PASSWORD).headers.get_list("set-cookie")
    assert all("HttpOnly" in cookie and "samesite=lax" in cookie.lower() for cookie in plain)
    from starlette.testclient import TestClient

    secure = make_dashboard()
    object.__setattr__(secure.context.settings, "public_url", "https://dashboard.test")
    client = TestClient(secure.app, base_url="https://dashboard.test", follow_redirects=False)
    cookies = Browser(client).sign_in("ada", PASSWORD).headers.get_list("set-cookie")
    assert cookies and all(re.match("__Host-[a-z]+=", cookie) and "Secure" in cookie for cookie in cookies)


def test_every_answer_protects_the_browser(dashboard: Dashboard) -> None:
    browser = dashboard.signed_in()
    for path in ("/", "/sign-in", "/nothing-here", "/v1/openapi.json", "/static/app.css"):
        headers = browser.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY" and headers["x-content-type-options"] == "nosniff"
    assert browser.get("/").headers["cache-control"] == "no-store"


def test_a_rate_limit_forgets_the_oldest_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REMEMBERED_CALLERS", 10)
    rate = RateLimit(burst=1, per_minute=1)
    for caller in range(100):
        assert rate.wait(str(caller)) == 0
    assert len(rate._buckets) == 10
    assert rate.wait("99") > 0


def test_a_flood_of_one_appliance_does_not_stop_the_others(dashboard: Dashboard) -> None:
    dashboard.context.limits.heartbeats = RateLimit(burst=2, per_minute=1)
    _, loud = dashboard.enrolled("Loud")
    _, quiet = dashboard.enrolled("Quiet")
    codes = [
        loud.call("POST", "/v1/appliance/heartbeat", loud.report().to_wire()).status_code for _ in range(4)
    ]
    assert codes == [200, 200, 429, 429]
    assert quiet.call("POST", "/v1/appliance/heartbeat", quiet.report().to_wire()).status_code == 200
