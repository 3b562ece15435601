"""A user who loses their rights loses them everywhere: what they gave out before is worth no more."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from appliance.dashboard.security import Actor
from appliance.dashboard.store import database
from appliance.dashboard.store.access import audit, authority, people, tokens
from appliance.dashboard.store.migrations import split_migrations, statements
from appliance.dashboard.store.run_history.retention import sweep
from appliance.dashboard.web.context import Context
from appliance.dashboard.web.limits import RateLimit
from tests.dashboard.conftest import Browser, Dashboard, settings
from tests.dashboard.running import PASSWORD
from tests.dashboard.simulated_appliance import SimulatedAppliance

SCHEMA = Path(database.__file__).with_name("schema.sql")


def new_user(dashboard: Dashboard, name: str, role: str) -> Actor:
    dashboard.person(name, role)
    person_id = f"id-of-{name}"
    return Actor(name, role, "192.0.2.1", person_id, authority.person_maker(person_id))  # type: ignore[arg-type]


def token_of(dashboard: Dashboard, actor: Actor, role: str) -> tuple[TestClient, str]:
    token_id, token = tokens.create_token(dashboard.context.database, actor, f"{actor.name}'s", role)
    return dashboard.client(authorization=f"Bearer {token}"), token_id


def change(dashboard: Dashboard, name: str, **what: object) -> None:
    dashboard.api.patch(f"/v1/people/id-of-{name}", json=what).raise_for_status()


def enrol(dashboard: Dashboard, token: str) -> httpx.Response:
    given = {"token": token, "attempt": "a" * 32, "version": "1.0"}
    return dashboard.client().post("/v1/enrol", json=given)


def test_a_token_ends_with_its_maker_and_has_an_enrolment_token_to_show_no_more(stored: Dashboard) -> None:
    api, _ = token_of(stored, new_user(stored, "mallory", "admin"), "admin")
    made = api.post("/v1/appliances", json={"name": "West"}).raise_for_status().json()
    change(stored, "mallory", role="viewer")
    assert api.get("/v1/appliances").status_code == 200
    assert api.post("/v1/appliances", json={"name": "East"}).status_code == 403
    assert api.post("/v1/people", json={"name": "eve", "role": "admin"}).status_code == 403
    assert enrol(stored, made["enrolment_token"]).status_code == 401
    change(stored, "mallory", disabled=True)
    assert api.get("/v1/appliances").status_code == 401
    assert enrol(stored, made["enrolment_token"]).status_code == 401


def test_an_enrolment_token_is_good_while_its_maker_may_add_appliances(stored: Dashboard) -> None:
    api, token_id = token_of(stored, new_user(stored, "grace", "editor"), "editor")
    first = api.post("/v1/appliances", json={"name": "West"}).json()
    second = api.post("/v1/appliances", json={"name": "East"}).json()
    assert enrol(stored, first["enrolment_token"]).status_code == 200
    stored.api.delete(f"/v1/tokens/{token_id}").raise_for_status()
    assert enrol(stored, second["enrolment_token"]).status_code == 401


def test_a_token_made_by_a_token_is_worth_what_all_before_it_are(stored: Dashboard) -> None:
    api, token_id = token_of(stored, new_user(stored, "grace", "admin"), "editor")
    made = api.post("/v1/tokens", json={"name": "child", "role": "editor"}).raise_for_status().json()
    child = stored.client(authorization=f"Bearer {made['token']}")
    assert child.post("/v1/appliances", json={"name": "West"}).status_code == 201
    change(stored, "grace", role="viewer")
    assert child.post("/v1/appliances", json={"name": "East"}).status_code == 403
    change(stored, "grace", role="editor")
    assert child.post("/v1/appliances", json={"name": "East"}).status_code == 201
    stored.api.delete(f"/v1/tokens/{token_id}").raise_for_status()
    assert child.get("/v1/appliances").status_code == 401


def test_tokens_do_not_make_tokens_without_end(dashboard: Dashboard) -> None:
    api, codes = dashboard.api, []
    for _ in range(authority.LONGEST_CHAIN + 1):
        answer = api.post("/v1/tokens", json={"name": "next", "role": "viewer"})
        codes.append(answer.status_code)
        if answer.is_success:
            api = dashboard.client(authorization=f"Bearer {answer.json()['token']}")
            assert api.get("/v1/runs").status_code == 200, "what is made can be used"
    assert codes[-1] == 403 and codes[0] == 201


def test_the_list_says_what_a_token_may_do_now(dashboard: Dashboard) -> None:
    token_of(dashboard, new_user(dashboard, "grace", "admin"), "admin")

    def now() -> object:
        return dashboard.api.get("/v1/tokens").json()[0]["role_now"]

    assert now() == "admin"
    change(dashboard, "grace", role="viewer")
    assert now() == "viewer" and "viewer now" in dashboard.signed_in().get("/tokens").text
    change(dashboard, "grace", disabled=True)
    assert now() is None and "Its maker may do nothing now" in dashboard.signed_in().get("/tokens").text


def test_a_namesake_of_a_token_cannot_revoke_it(dashboard: Dashboard) -> None:
    _, token_id = token_of(dashboard, Actor("token as viewer", "viewer", maker="token:other"), "viewer")
    assert dashboard.api_as("viewer").delete(f"/v1/tokens/{token_id}").status_code == 403


@pytest.mark.parametrize("what", [{"role": "viewer"}, {"disabled": True}], ids=["demoted", "disabled"])
def test_a_one_time_password_is_good_while_its_maker_may_make_one(
    stored: Dashboard, what: dict[str, object]
) -> None:
    mallory = new_user(stored, "mallory", "admin")
    _, one_time = people.create_person(stored.context.database, mallory, "eve", "admin")
    stored.person("bob", "admin")
    reset = people.reset_password(stored.context.database, mallory, "id-of-bob")
    inside = Browser(stored.client())
    assert inside.sign_in("eve", one_time or "").status_code == 303
    change(stored, "mallory", **what)
    assert inside.post("/account/password", {"old": one_time or "", "new": PASSWORD}).status_code == 303
    assert Browser(stored.client()).sign_in("eve", PASSWORD).status_code == 401, "it was not changed"
    assert Browser(stored.client()).sign_in("eve", one_time or "").status_code == 401
    assert Browser(stored.client()).sign_in("bob", reset).status_code == 401
    again = people.reset_password(stored.context.database, people.SYSTEM, "id-of-bob")
    assert Browser(stored.client()).sign_in("bob", again).status_code == 303


def test_a_command_that_waits_is_not_given_to_the_appliance_when_its_maker_is_gone(stored: Dashboard) -> None:
    appliance_id, appliance = stored.enrolled()
    api, _ = token_of(stored, new_user(stored, "grace", "editor"), "editor")

    def ask() -> str:
        sent = api.post(f"/v1/appliances/{appliance_id}/commands", json={"kind": "sync"})
        return str(sent.raise_for_status().json()["id"])

    wanted = ask()
    assert [str(command.id) for command in appliance.heartbeat().commands] == [wanted]
    change(stored, "grace", role="viewer")
    assert appliance.heartbeat().commands == ()
    assert stored.api.get(f"/v1/commands/{wanted}").json()["state"] == "expired"


def test_failed_sign_ins_are_in_the_audit_log_without_what_was_typed(stored: Dashboard) -> None:
    stranger = Browser(stored.client())
    stranger.sign_in("ada", "not her password")
    stranger.sign_in("My Secret Passphrase", "typed into the wrong field")
    entries = stored.api.get("/v1/audit", params={"search": "session.sign_in_failed"}).json()
    assert [entry["subject"] for entry in entries] == [audit.UNKNOWN_NAME, "ada"]
    assert all(entry["address"] and entry["actor"] == "not signed in" for entry in entries)
    everything = str(stored.api.get("/v1/audit").json())
    assert "not her password" not in everything and "Passphrase" not in everything


def test_guesses_that_are_refused_for_their_number_are_in_it_once(dashboard: Dashboard) -> None:
    dashboard.context.limits.sign_in_by_name = RateLimit(burst=2, per_minute=1)
    stranger = Browser(dashboard.client())
    for number in range(6):
        stranger.sign_in("ada", f"a wrong password {number}")
    assert dashboard.audit().count("session.sign_in_failed") == 2
    assert dashboard.audit().count("session.sign_in_refused") == 1


def test_the_present_password_is_guessed_no_faster_from_inside(dashboard: Dashboard) -> None:
    thief = dashboard.signed_in()
    dashboard.context.limits.sign_in_by_name = RateLimit(burst=2, per_minute=1)
    guesses = [thief.post("/account/password", {"old": f"guess {n}", "new": "x" * 20}) for n in range(4)]
    assert [guess.status_code for guess in guesses] == [422, 422, 429, 429]
    assert dashboard.audit().count("person.change_password_failed") == 2


def test_an_ipv6_network_counts_as_one_caller(dashboard: Dashboard) -> None:
    dashboard.context.limits.sign_in_by_address = RateLimit(burst=3, per_minute=1)
    codes = []
    for number in range(5):
        client = TestClient(
            dashboard.app, "http://dashboard.test", client=(f"2001:db8::{number}", 1), follow_redirects=False
        )
        codes.append(Browser(client).sign_in(f"name-{number}", "a wrong password").status_code)
    assert codes == [401, 401, 401, 429, 429]


def test_a_flood_of_failed_sign_ins_pushes_no_change_out_of_the_audit_log(
    stored: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "KEEP", 5)
    monkeypatch.setattr(audit, "KEEP_FAILED_SIGN_INS", 3)
    stored.api.post("/v1/appliances", json={"name": "West"}).raise_for_status()
    for _ in range(20):
        people.note_failed_sign_in(stored.context.database, "session.sign_in_failed", "ada", "192.0.2.9")
    sweep(stored.context.database, 90)
    assert "appliance.create" in stored.audit()
    assert stored.audit().count("session.sign_in_failed") == 3


def test_a_name_that_was_made_to_point_here_is_not_the_dashboards_own(dashboard: Dashboard) -> None:
    rebound = TestClient(dashboard.app, "http://evil.test", follow_redirects=False)
    form = {"name": "ada", "password": PASSWORD, "csrf": Browser(rebound).csrf("/sign-in")}
    answer = rebound.post("/sign-in", data=form, headers={"origin": "http://evil.test"})
    assert answer.status_code == 403 and "http://dashboard.test" in answer.text
    here = TestClient(dashboard.app, "http://127.0.0.1:8650", follow_redirects=False)
    form["csrf"] = Browser(here).csrf("/sign-in")
    assert here.post("/sign-in", data=form, headers={"origin": "http://127.0.0.1:8650"}).status_code == 303


def test_what_was_given_out_before_makers_were_noted_finds_its_maker_or_is_worth_nothing(
    tmp_path: Path,
) -> None:
    store = sqlite3.connect(tmp_path / "dashboard.db")
    for number, block in split_migrations(SCHEMA.read_text()):
        if number < 3:
            for statement in statements(block, is_postgres=False):
                store.execute(statement)
    store.execute("CREATE TABLE schema_version (version INTEGER NOT NULL)")
    store.execute("INSERT INTO schema_version VALUES (2)")
    store.execute("INSERT INTO person VALUES ('ada', 'ada', 'x', 'editor', 1, 1, NULL, NULL)")
    made_by = {"a": "command line", "b": "ada", "c": "token b", "d": "token twin", "e": "anyone"}
    names = {"a": "a", "b": "b", "c": "twin", "d": "child", "e": "twin"}
    for its_id, maker in made_by.items():
        store.execute(
            "INSERT INTO api_token (id, name, digest, role, created_by, created_at)"
            " VALUES (?, ?, ?, 'admin', ?, 1)",
            (its_id, names[its_id], its_id, maker),
        )
    store.commit()
    store.close()
    context = Context.open(settings(tmp_path))
    with context.database.read() as session:
        roles = {its_id: authority.role_of(session, authority.token_maker(its_id)) for its_id in made_by}
        assert roles == {"a": "admin", "b": "editor", "c": "editor", "d": None, "e": None}
        assert session.value(str, "SELECT one_time_by FROM person") == "system"
    context.database.close()


def test_an_appliance_goes_on_when_who_added_it_is_gone(stored: Dashboard) -> None:
    api, _ = token_of(stored, new_user(stored, "grace", "editor"), "editor")
    made = api.post("/v1/appliances", json={"name": "West"}).json()
    appliance = SimulatedAppliance(stored.client())
    appliance.enrol(made["enrolment_token"])
    change(stored, "grace", disabled=True)
    assert appliance.call("GET", "/v1/appliance/workflows").status_code == 200
