"""The second factor of a sign-in: set up, asked for, used once, lost, and taken away."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable

import httpx
import pyotp
import pytest

from appliance.dashboard import second_factor
from appliance.dashboard.settings import from_environment
from appliance.dashboard.web.limits import RateLimit
from appliance.errors import WrongRequestError
from tests.dashboard.conftest import Browser, Dashboard
from tests.dashboard.running import PASSWORD


class Phone:
    """An authenticator app, and a clock that both sides look at."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.secret = ""

    def code(self, steps: int = 0) -> str:
        return pyotp.TOTP(self.secret).at(int(self.now) + 30 * steps)

    def next_code(self) -> str:
        self.now += 30
        return self.code()


@pytest.fixture
def phone(monkeypatch: pytest.MonkeyPatch) -> Phone:
    made = Phone()
    monkeypatch.setattr(time, "time", lambda: made.now)
    return made


def begin(browser: Browser, phone: Phone) -> str:
    """Ask for a secret; the phone reads it. Returns what the form carries."""
    page = browser.post("/account/second-factor", {"password": PASSWORD}).text
    phone.secret = re.search(r'aria-label="Secret">([A-Z2-7]{32})<', page)[1]  # type: ignore[index]
    return re.search(r'name="sealed" value="([^"]+)"', page)[1]  # type: ignore[index]


def set_up(browser: Browser, phone: Phone) -> list[str]:
    """Turn it on; returns the recovery codes."""
    answer = browser.post(
        "/account/second-factor/on", {"sealed": begin(browser, phone), "code": phone.code()}
    )
    assert answer.status_code == 200
    return codes_on(answer)


def codes_on(answer: httpx.Response) -> list[str]:
    return re.findall(r"\b[0-9a-f]{4}(?:-[0-9a-f]{4}){3}\b", answer.text)


class Door:
    """Someone at the sign-in page who gave the password."""

    def __init__(self, dashboard: Dashboard, name: str = "ada") -> None:
        self.browser = Browser(dashboard.client())
        self.asked = self.browser.sign_in(name, PASSWORD)
        assert self.asked.status_code == 200 and "session" not in self.browser.client.cookies
        self.form = dict(re.findall(r'name="(csrf|half|next)" value="([^"]*)"', self.asked.text))

    def give(self, code: str) -> httpx.Response:
        return self.browser.client.post("/sign-in/code", data={**self.form, "code": code})

    def is_in(self) -> bool:
        return self.browser.get("/account").status_code == 200


def test_the_code_is_asked_for_after_the_password_and_lets_in_once(stored: Dashboard, phone: Phone) -> None:
    set_up(stored.signed_in(), phone)
    first, second = Door(stored), Door(stored)
    code = phone.next_code()
    assert not first.is_in()
    assert first.give(code).headers["location"] == "/"
    assert first.is_in()
    assert second.give(code).status_code == 401
    assert not second.is_in()
    assert second.give(phone.next_code()).status_code == 303
    assert "session.sign_in_failed" in stored.audit()


def test_the_code_that_turned_it_on_signs_no_one_in(dashboard: Dashboard, phone: Phone) -> None:
    set_up(dashboard.signed_in(), phone)
    assert Door(dashboard).give(phone.code()).status_code == 401


@pytest.mark.parametrize(("steps", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_off_by_one_step(steps: int, taken: bool) -> None:
    phone = Phone()
    phone.secret = second_factor.new_secret()
    step = second_factor.matching_step(phone.secret, phone.code(steps), phone.now)
    assert step == (int(phone.now) // 30 + steps if taken else None)


def test_an_older_code_is_no_good_after_a_newer_one(dashboard: Dashboard, phone: Phone) -> None:
    set_up(dashboard.signed_in(), phone)
    phone.now += 300
    assert Door(dashboard).give(phone.code()).status_code == 303
    assert Door(dashboard).give(phone.code(-1)).status_code == 401


def test_what_is_no_code_is_refused(dashboard: Dashboard, phone: Phone) -> None:
    set_up(dashboard.signed_in(), phone)
    door = Door(dashboard)
    wide = "".join(chr(0xFF10 + int(digit)) for digit in phone.next_code())
    for code in ("", "12345", wide, "a" * 64, "\x001"):
        assert door.give(code).status_code == 401
    assert door.give(phone.code()[:3] + " " + phone.code()[3:]).status_code == 303


def test_a_recovery_code_lets_in_once_however_it_is_typed(stored: Dashboard, phone: Phone) -> None:
    codes = set_up(stored.signed_in(), phone)
    assert len(set(codes)) == second_factor.RECOVERY_CODES
    assert Door(stored).give(f" {codes[0].upper().replace('-', ' ')} ").status_code == 303
    assert Door(stored).give(codes[0]).status_code == 401
    door = Door(stored)
    assert door.give(codes[1]).status_code == 303
    assert "8 recovery codes left" in door.browser.get("/account").text
    with stored.context.database.read() as session:
        stored_text = str(session.all(dict, "SELECT * FROM recovery_code")) + str(
            session.all(dict, "SELECT * FROM person")
        )
    assert phone.secret not in stored_text
    assert not [code for code in codes if code in stored_text or code.replace("-", "") in stored_text]


def test_new_recovery_codes_replace_the_old(dashboard: Dashboard, phone: Phone) -> None:
    browser = dashboard.signed_in()
    old = set_up(browser, phone)
    new = codes_on(browser.post("/account/second-factor/codes", {"code": phone.next_code()}))
    assert len(new) == second_factor.RECOVERY_CODES and not set(old) & set(new)
    assert Door(dashboard).give(old[0]).status_code == 401
    assert Door(dashboard).give(new[0]).status_code == 303


def test_one_persons_recovery_code_is_no_good_for_another(dashboard: Dashboard, phone: Phone) -> None:
    dashboard.person("eva", "editor")
    codes = set_up(dashboard.signed_in(), phone)
    set_up(dashboard.signed_in("eva"), phone)
    assert Door(dashboard, "eva").give(codes[0]).status_code == 401


def test_guessing_codes_is_slow(dashboard: Dashboard, phone: Phone) -> None:
    set_up(dashboard.signed_in(), phone)
    dashboard.context.limits.second_factor = RateLimit(burst=3, per_minute=0.001)
    door = Door(dashboard)
    assert [door.give("000000").status_code for _ in range(4)] == [401, 401, 401, 429]
    assert Door(dashboard).give(phone.next_code()).status_code == 429


def test_the_password_alone_opens_nothing_for_another_browser(dashboard: Dashboard, phone: Phone) -> None:
    set_up(dashboard.signed_in(), phone)
    door, other = Door(dashboard), Door(dashboard)
    other.form["half"] = door.form["half"]
    assert other.give(phone.next_code()).headers["location"].startswith("/sign-in")
    door.form["half"] = door.form["half"][:-1] + "x"
    assert door.give(phone.next_code()).headers["location"].startswith("/sign-in")


def test_a_half_sign_in_ends_with_the_account_and_with_time(dashboard: Dashboard, phone: Phone) -> None:
    dashboard.person("eva", "editor")
    set_up(dashboard.signed_in("eva"), phone)
    door, late = Door(dashboard, "eva"), Door(dashboard, "eva")
    dashboard.api.patch("/v1/people/id-of-eva", json={"disabled": True}).raise_for_status()
    assert door.give(phone.next_code()).headers["location"].startswith("/sign-in")
    dashboard.api.patch("/v1/people/id-of-eva", json={"disabled": False}).raise_for_status()
    phone.now += 3600
    assert late.give(phone.code()).headers["location"].startswith("/sign-in")


def test_setting_up_takes_the_password_and_a_right_code(dashboard: Dashboard, phone: Phone) -> None:
    browser = dashboard.signed_in()
    assert browser.post("/account/second-factor", {"password": "not the password"}).status_code == 422
    sealed = begin(browser, phone)
    wrong = browser.post("/account/second-factor/on", {"sealed": sealed, "code": phone.code(5)})
    assert wrong.status_code == 422 and phone.secret in wrong.text
    assert dashboard.signed_in()
    dashboard.person("eva", "editor")
    stolen = dashboard.signed_in("eva").post(
        "/account/second-factor/on", {"sealed": sealed, "code": phone.code()}
    )
    assert stolen.status_code == 422 and phone.secret not in stolen.text


def test_turning_it_on_ends_ones_other_sessions(dashboard: Dashboard, phone: Phone) -> None:
    other, own = dashboard.signed_in(), dashboard.signed_in()
    set_up(own, phone)
    assert other.get("/account").status_code == 303
    assert own.get("/account").status_code == 200


def test_the_picture_says_what_the_text_says(dashboard: Dashboard, phone: Phone) -> None:
    browser = dashboard.signed_in()
    page = browser.post("/account/second-factor", {"password": PASSWORD}).text
    secret = re.search(r'aria-label="Secret">([A-Z2-7]{32})<', page)[1]  # type: ignore[index]
    shown = re.search(r'<img src="(data:image/svg[^"]+)"', page)[1]  # type: ignore[index]
    assert html.unescape(shown) == second_factor.qr_image(secret, "ada")


def test_turning_it_off_takes_a_code(dashboard: Dashboard, phone: Phone) -> None:
    browser = dashboard.signed_in()
    set_up(browser, phone)
    assert browser.post("/account/second-factor/off", {"code": "000000"}).status_code == 422
    assert Door(dashboard)
    assert browser.post("/account/second-factor/off", {"code": phone.next_code()}).status_code == 303
    assert dashboard.signed_in().get("/account").status_code == 200
    assert {"person.second_factor_on", "person.second_factor_failed", "person.second_factor_off"} <= set(
        dashboard.audit()
    )


def test_an_admin_resets_another_persons_and_not_their_own(dashboard: Dashboard, phone: Phone) -> None:
    dashboard.person("eva", "editor")
    eva, ada = dashboard.signed_in("eva"), dashboard.signed_in()
    set_up(eva, phone)
    assert eva.post("/people/id-of-ada/second-factor").status_code == 403
    assert ada.post("/people/id-of-ada/second-factor").status_code == 403
    assert "Reset second factor" in ada.get("/people").text
    assert ada.post("/people/id-of-eva/second-factor").status_code == 303
    assert eva.get("/account").status_code == 303
    assert dashboard.signed_in("eva")
    assert "person.reset_second_factor" in dashboard.audit()
    set_up(dashboard.signed_in("eva"), phone)
    assert dashboard.api_as("editor").delete("/v1/people/id-of-eva/second-factor").status_code == 403
    dashboard.api.delete("/v1/people/id-of-eva/second-factor").raise_for_status()
    assert dashboard.api.delete("/v1/people/no-such/second-factor").status_code == 404
    assert dashboard.signed_in("eva")


def test_a_dashboard_that_asks_for_one_opens_only_the_account(
    make_dashboard: Callable[..., Dashboard], phone: Phone
) -> None:
    dashboard = make_dashboard(require_second_factor=True)
    browser = dashboard.signed_in()
    assert browser.get("/workflows").headers["location"] == "/account?next=/workflows"
    assert browser.post("/tokens", {"name": "x", "role": "viewer", "days": "1"}).status_code == 403
    assert "Set up a second factor" in browser.get("/account").text
    assert dashboard.api.get("/v1/people").status_code == 200
    set_up(browser, phone)
    assert browser.get("/workflows").status_code == 200
    assert "Turn off" not in browser.get("/account").text
    assert browser.post("/account/second-factor/off", {"code": phone.next_code()}).status_code == 403


def test_the_setting_is_yes_or_no() -> None:
    assert from_environment({"DASHBOARD_REQUIRE_SECOND_FACTOR": "yes"}).require_second_factor
    assert not from_environment({}).require_second_factor
    with pytest.raises(WrongRequestError, match="settings are wrong") as refused:
        from_environment({"DASHBOARD_REQUIRE_SECOND_FACTOR": "maybe"})
    assert "must be yes or no" in refused.value.text()
