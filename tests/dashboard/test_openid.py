"""Sign-in through a real OpenID Connect provider."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from appliance.dashboard.openid import provider as asking
from appliance.dashboard.settings import configured, from_environment
from appliance.dashboard.store.access import openid_people, people
from appliance.errors import WrongRequestError
from tests.dashboard.conftest import Dashboard
from tests.dashboard.openid_provider import OpenIDProvider, Traveller, running_provider
from tests.dashboard.running import PASSWORD, free_port

ADA = {"email": "Ada@Example.com", "email_verified": True, "groups": ["data-admins"]}


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenIDProvider]:
    with running_provider(tmp_path_factory.mktemp("openid")) as made:
        yield made


@pytest.fixture
def provider(started: OpenIDProvider) -> OpenIDProvider:
    """The provider as it is at first: ada of data-admins signs in."""
    started.set(person="ada", claims=ADA, clock=0, status=0)
    return started


@pytest.fixture
def dashboard(make_dashboard: Callable[..., Dashboard], provider: OpenIDProvider) -> Dashboard:
    return make_dashboard(**provider.settings())


def entries(dashboard: Dashboard, action: str) -> list[dict[str, Any]]:
    found = dashboard.api.get("/v1/audit").raise_for_status().json()
    return [entry for entry in found if entry["action"] == action]


def test_the_first_sign_in_makes_the_account_and_leads_on(dashboard: Dashboard) -> None:
    traveller = Traveller(dashboard)
    page = traveller.here.get("/sign-in?next=/workflows").text
    assert 'href="/sign-in/openid?next=/workflows"' in page and "Example Corp" in page
    assert traveller.sign_in("/workflows").headers["location"] == "/workflows"
    account = traveller.here.get("/account").text
    assert "ada@example.com" in account and "You sign in through" in account
    assert 'action="/account/password"' not in account and 'action="/account/second-factor"' not in account
    assert traveller.here.get("/new-workflow").status_code == 200
    (made,) = entries(dashboard, "person.create")
    assert made["detail"] == {"role": "admin", "through": "openid connect"}
    assert made["actor"] == "ada@example.com" and made["address"]
    (signed,) = entries(dashboard, "session.sign_in")
    assert signed["detail"] == {"through": "openid connect"}


def test_what_is_sent_to_the_provider_has_pkce_a_state_and_a_nonce(dashboard: Dashboard) -> None:
    traveller = Traveller(dashboard)
    first, second = (dict(parse_qsl(urlsplit(traveller.begin()).query)) for _ in range(2))
    assert first["code_challenge_method"] == "S256" and first["response_type"] == "code"
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) > 30 and first[name] != second[name]
    with dashboard.context.database.read() as session:
        stored = str(session.all(dict, "SELECT * FROM openid_sign_in"))
    assert not any(first[name] in stored for name in ("state", "nonce", "code_challenge"))


def test_the_role_is_what_the_groups_say_at_each_sign_in(
    dashboard: Dashboard, provider: OpenIDProvider
) -> None:
    Traveller(dashboard).sign_in()
    for groups, role in (
        (["cn=data,ou=groups"], "editor"),
        ("staff", "viewer"),
        (["staff", "data-admins"], "admin"),
    ):
        provider.set(claims={**ADA, "groups": groups})
        traveller = Traveller(dashboard)
        traveller.sign_in()
        row = next(row for row in dashboard.api.get("/v1/people").json() if row["issuer"])
        assert row["role"] == role
    assert [entry["detail"]["now"] for entry in entries(dashboard, "person.role")] == [
        "admin",
        "viewer",
        "editor",
    ]


def test_without_a_group_that_has_a_role_there_is_no_account(
    dashboard: Dashboard, provider: OpenIDProvider
) -> None:
    others: tuple[Any, ...] = (["visitors"], [], "Data-Admins", ["*"], [{"name": "data-admins"}])
    for groups in others:
        provider.set(claims={**ADA, "groups": groups})
        refused = Traveller(dashboard).sign_in()
        assert refused.status_code == 403 and "None of your groups" in refused.text
    assert not any(row["issuer"] for row in dashboard.api.get("/v1/people").json())
    assert entries(dashboard, "session.sign_in_failed")[0]["subject"] == "(an unknown name)"


def test_who_loses_the_groups_loses_sessions_and_tokens_until_they_are_back(
    dashboard: Dashboard, provider: OpenIDProvider
) -> None:
    traveller = Traveller(dashboard)
    traveller.sign_in()
    page = traveller.here.post(
        "/tokens", {"name": "mine", "role": "viewer", "days": "9"}, page="/tokens"
    ).text
    token = page.partition("apd_")[2][:43]
    client = dashboard.client(authorization=f"Bearer apd_{token}")
    assert client.get("/v1/workflows").status_code == 200
    provider.set(claims={**ADA, "groups": []})
    assert Traveller(dashboard).sign_in().status_code == 403
    assert traveller.here.get("/account").status_code == 303
    assert client.get("/v1/workflows").status_code == 401
    provider.set(claims=ADA)
    assert Traveller(dashboard).sign_in().status_code == 303
    assert client.get("/v1/workflows").status_code == 200


def test_who_an_admin_has_disabled_stays_out(dashboard: Dashboard, provider: OpenIDProvider) -> None:
    Traveller(dashboard).sign_in()
    person = next(row for row in dashboard.api.get("/v1/people").json() if row["issuer"])
    dashboard.api.patch(f"/v1/people/{person['id']}", json={"disabled": True}).raise_for_status()
    assert "is disabled" in Traveller(dashboard).sign_in().text
    provider.set(claims={**ADA, "groups": []})
    assert Traveller(dashboard).sign_in().status_code == 403
    provider.set(claims=ADA)
    assert "is disabled" in Traveller(dashboard).sign_in().text


def test_a_local_account_of_the_same_name_is_not_taken_over(
    make_dashboard: Callable[..., Dashboard], provider: OpenIDProvider
) -> None:
    dashboard = make_dashboard(**provider.settings(openid_name_claim="preferred_username"))
    provider.set(claims={**ADA, "preferred_username": "Ada"})
    refused = Traveller(dashboard).sign_in()
    assert refused.status_code == 403 and "belongs to another account" in refused.text
    assert dashboard.signed_in("ada").get("/account").status_code == 200
    openid_people.hand_over(dashboard.context.database, people.SYSTEM, "ada", provider.issuer, "ada")
    assert Traveller(dashboard).sign_in().status_code == 303
    assert [row["name"] for row in dashboard.api.get("/v1/people").json()] == ["ada"]


def test_an_account_of_the_provider_has_no_password_here(dashboard: Dashboard) -> None:
    traveller = Traveller(dashboard)
    traveller.sign_in()
    for password in ("!", PASSWORD, "no user has this password"):
        answer = Traveller(dashboard).here.sign_in("ada@example.com", password)
        assert answer.status_code == 401
    assert traveller.here.post("/account/second-factor", {"password": "!"}).status_code == 403
    wrong = {"old": "!", "new": "a password of twelve"}
    assert traveller.here.post("/account/password", wrong).status_code == 403
    person = next(row for row in dashboard.api.get("/v1/people").json() if row["issuer"])
    assert dashboard.api.post(f"/v1/people/{person['id']}/password").status_code == 403
    assert dashboard.api.patch(f"/v1/people/{person['id']}", json={"role": "viewer"}).status_code == 403


def test_two_people_of_one_name_are_two(dashboard: Dashboard, provider: OpenIDProvider) -> None:
    Traveller(dashboard).sign_in()
    provider.set(person="another-ada")
    refused = Traveller(dashboard).sign_in()
    assert refused.status_code == 403 and "Another person of a provider" in refused.text


def test_an_address_that_no_one_vouches_for_is_refused(
    dashboard: Dashboard, provider: OpenIDProvider
) -> None:
    for said in (False, "true", None):
        provider.set(claims={**ADA, "email_verified": said})
        refused = Traveller(dashboard).sign_in()
        assert refused.status_code == 403 and "not verified" in refused.text
    assert entries(dashboard, "session.sign_in_failed")[0]["detail"]["why"] == "openid_email"


def test_a_name_that_cannot_be_used_is_refused(dashboard: Dashboard, provider: OpenIDProvider) -> None:
    for said in (None, "ada lovelace@example.com", "x" * 70, "<b>ada</b>"):
        provider.set(claims={**ADA, "email": said})
        refused = Traveller(dashboard).sign_in()
        assert refused.status_code == 403 and "DASHBOARD_OPENID_NAME_CLAIM" in refused.text


def test_an_answer_is_taken_once_and_in_the_browser_that_asked(dashboard: Dashboard) -> None:
    traveller, thief = Traveller(dashboard), Traveller(dashboard)
    back = traveller.through(traveller.begin())
    thief.here.get("/sign-in")
    assert "begun in another browser" in thief.here.get(back).text
    assert traveller.here.get(back).status_code == 303
    again = traveller.here.get(back)
    assert again.status_code == 403 and "was used before" in again.text
    assert "begun in another browser" in traveller.here.get("/sign-in/openid/callback?code=x&state=y").text


def test_the_code_of_one_sign_in_is_no_answer_to_another(dashboard: Dashboard) -> None:
    """What who slips in a code of their own would do: neither PKCE nor the nonce fits."""
    traveller = Traveller(dashboard)
    mine, theirs = traveller.through(traveller.begin()), traveller.through(traveller.begin())
    query = dict(parse_qsl(urlsplit(mine).query)) | {"code": dict(parse_qsl(urlsplit(theirs).query))["code"]}
    refused = traveller.here.get(f"/sign-in/openid/callback?{urlencode(query)}")
    assert refused.status_code == 502 and "code" in refused.text


def test_an_answer_of_another_provider_is_refused(dashboard: Dashboard) -> None:
    traveller = Traveller(dashboard)
    for iss in ("", "https://other.example"):
        query = dict(parse_qsl(urlsplit(traveller.through(traveller.begin())).query)) | {"iss": iss}
        refused = traveller.here.get(f"/sign-in/openid/callback?{urlencode(query)}")
        assert refused.status_code == 403 and "another provider" in refused.text
    assert entries(dashboard, "session.sign_in_failed")[0]["detail"]["why"] == "openid_issuer"


def test_who_declines_there_is_sent_back_to_the_beginning(
    dashboard: Dashboard, provider: OpenIDProvider
) -> None:
    provider.set(person="")
    refused = Traveller(dashboard).sign_in()
    assert (
        refused.status_code == 403 and "access_denied" in refused.text and 'href="/sign-in"' in refused.text
    )


def test_new_keys_of_the_provider_are_fetched(
    dashboard: Dashboard, provider: OpenIDProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Traveller(dashboard).sign_in().status_code == 303
    monkeypatch.setattr(asking, "KEYS_AGAIN_SECONDS", 0)
    provider.set(keys="new")
    assert Traveller(dashboard).sign_in().status_code == 303


def test_clocks_may_be_a_minute_apart(dashboard: Dashboard, provider: OpenIDProvider) -> None:
    for seconds, status in ((40, 303), (-40, 303), (3600, 502), (-400, 502)):
        provider.set(clock=seconds)
        answer = Traveller(dashboard).sign_in()
        assert answer.status_code == status
        assert status == 303 or "clocks" in answer.text


def test_a_provider_that_is_away_is_one_clear_page(dashboard: Dashboard, provider: OpenIDProvider) -> None:
    traveller = Traveller(dashboard)
    provider.set(status=503)
    answer = traveller.here.get("/sign-in/openid")
    assert answer.status_code == 502 and "status 503" in answer.text and "check-openid" in answer.text
    assert traveller.here.sign_in("ada", PASSWORD).status_code == 303
    provider.set(status=0)
    back = traveller.through(traveller.begin())
    provider.set(status=500)
    assert traveller.here.get(back).status_code == 502


def test_a_wrong_issuer_is_said_so(
    make_dashboard: Callable[..., Dashboard], provider: OpenIDProvider
) -> None:
    dashboard = make_dashboard(**provider.settings())
    for issuer, says in (
        (f"http://127.0.0.1:{free_port()}", "nothing can be reached there"),
        (f"{provider.issuer}/", "calls itself by another name"),
        (f"{provider.issuer}/realm", "status 404"),
    ):
        configuration = configured(replace(dashboard.context.settings, openid_issuer=issuer))
        assert configuration is not None
        dashboard.context.provider = asking.Provider(configuration)
        answer = Traveller(dashboard).here.get("/sign-in/openid")
        assert answer.status_code == 502 and says in answer.text


def test_a_wrong_secret_is_said_so(
    make_dashboard: Callable[..., Dashboard], provider: OpenIDProvider, tmp_path: Any
) -> None:
    wrong = tmp_path / "wrong-secret"
    wrong.write_text("not it")
    refused = Traveller(make_dashboard(**provider.settings(openid_client_secret_file=str(wrong)))).sign_in()
    assert (
        refused.status_code == 502
        and "DASHBOARD_OPENID_CLIENT_ID" in refused.text
        and "not it" not in refused.text
    )


def test_a_client_without_a_secret_has_pkce_alone(
    make_dashboard: Callable[..., Dashboard], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running_provider(tmp_path_factory.mktemp("public"), secret="") as public:
        public.set(claims=ADA)
        dashboard = make_dashboard(**public.settings(openid_client_secret_file=""))
        assert Traveller(dashboard).sign_in().status_code == 303


def test_without_local_accounts_there_is_one_way_in(
    make_dashboard: Callable[..., Dashboard], provider: OpenIDProvider
) -> None:
    dashboard = make_dashboard(**provider.settings(local_accounts=False))
    traveller = Traveller(dashboard)
    page = traveller.here.get("/sign-in").text
    assert "Example Corp" in page and 'name="password"' not in page
    assert traveller.here.sign_in("ada", PASSWORD).status_code == 403
    assert traveller.sign_in().status_code == 303


def test_a_second_factor_is_asked_of_those_with_a_password(
    make_dashboard: Callable[..., Dashboard], provider: OpenIDProvider
) -> None:
    dashboard = make_dashboard(**provider.settings(require_second_factor=True))
    traveller = Traveller(dashboard)
    traveller.sign_in()
    assert traveller.here.get("/workflows").status_code == 200
    assert dashboard.signed_in("ada").get("/workflows").headers["location"].startswith("/account")


def test_signing_out_leads_to_the_provider_as_well(dashboard: Dashboard, provider: OpenIDProvider) -> None:
    traveller = Traveller(dashboard)
    traveller.sign_in()
    out = traveller.here.post("/sign-out")
    assert out.headers["location"] == "/sign-in?signed-out"
    assert traveller.here.get("/account").status_code == 303
    assert 'href="/sign-in/openid/sign-out"' in traveller.here.get(out.headers["location"]).text
    there = traveller.here.get("/sign-in/openid/sign-out").headers["location"]
    assert there.startswith(f"{provider.issuer}/session/end?")
    assert httpx.get(there).status_code == 200


def test_a_session_ends_with_the_setting_that_it_came_by(dashboard: Dashboard) -> None:
    traveller = Traveller(dashboard)
    traveller.sign_in()
    dashboard.context.provider = None
    assert traveller.here.get("/account").status_code == 303


def test_a_target_elsewhere_is_not_followed(dashboard: Dashboard) -> None:
    assert Traveller(dashboard).sign_in("https://evil.example/").headers["location"] == "/"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"OPENID_ISSUER": "http://login.example.com"}, "OPENID_ISSUER must be an https"),
        ({"OPENID_CLIENT_ID": ""}, "OPENID_CLIENT_ID must be"),
        ({"OPENID_CLIENT_SECRET_FILE": "/no/such"}, "OPENID_CLIENT_SECRET_FILE must be"),
        ({"OPENID_SCOPES": "email"}, "must hold openid"),
        ({"OPENID_ADMINS": "*"}, "too many"),
        ({"OPENID_VIEWERS": " ; "}, "must name a group"),
        ({"OPENID_ISSUER": "", "LOCAL_ACCOUNTS": "no"}, "leaves no way in"),
    ],
)
def test_settings_that_cannot_work_are_named(changes: dict[str, str], says: str) -> None:
    right = {"OPENID_ISSUER": "https://login.example.com", "OPENID_CLIENT_ID": "x", "OPENID_VIEWERS": "*"}
    from_environment({f"DASHBOARD_{name}": text for name, text in right.items()})
    with pytest.raises(WrongRequestError) as refused:
        from_environment({f"DASHBOARD_{name}": text for name, text in (right | changes).items()})
    assert says in refused.value.text()
