"""The API: a token can do what a page can, roles hold, and nothing sent to it ends in a 5xx."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import schemathesis
from schemathesis import GenerationMode

from appliance.dashboard.web.limits import RateLimit
from tests.dashboard import seeds
from tests.dashboard.conftest import Dashboard
from tests.dashboard.conftest import settings as dashboard_settings
from tests.dashboard.probing import probe
from tests.dashboard.test_pages import posts_of

PAGE_TO_CALL = {
    "/releases/rollouts": "POST /v1/rollouts",
    "/releases/rollouts/{rollout_id}/stop": "POST /v1/rollouts/{rollout_id}/stop",
    "/releases/rollouts/{rollout_id}/next-wave": "POST /v1/rollouts/{rollout_id}/next-wave",
    "/releases/wishes/{appliance_id}/withdraw": "PATCH /v1/appliances/{appliance_id}",
    "/appliances": "POST /v1/appliances",
    "/appliances/{appliance_id}/enrolment": "POST /v1/appliances/{appliance_id}/enrolment",
    "/appliances/bulk": "POST /v1/appliances/bulk",
    "/appliances/{appliance_id}/tags": "PUT /v1/appliances/{appliance_id}/tags",
    "/workflows/bulk": "POST /v1/workflows/bulk",
    "/workflows/{workflow_id}/tags": "PUT /v1/workflows/{workflow_id}/tags",
    "/appliances/{appliance_id}/name": "PATCH /v1/appliances/{appliance_id}",
    "/appliances/{appliance_id}/revoke": "DELETE /v1/appliances/{appliance_id}",
    "/appliances/{appliance_id}/sync": "POST /v1/appliances/{appliance_id}/commands",
    "/appliances/{appliance_id}/update": "POST /v1/appliances/{appliance_id}/commands",
    "/appliances/{appliance_id}/runs": "POST /v1/appliances/{appliance_id}/commands",
    "/appliances/{appliance_id}/test": "POST /v1/appliances/{appliance_id}/commands",
    "/appliances/{appliance_id}/erasures": "POST /v1/appliances/{appliance_id}/commands",
    "/workflows": "POST /v1/workflows",
    "/presets": "POST /v1/presets",
    "/presets/{name}/edit": "PUT /v1/presets/{name}",
    "/presets/{name}/history/{number}": "POST /v1/presets/{name}/roll-back",
    "/presets/{name}/archive": "DELETE /v1/presets/{name}",
    "/preview-workflow": "POST /v1/workflows/check",
    "/ask-for-scan": "POST /v1/appliances/{appliance_id}/commands",
    "/plan-draft": "POST /v1/appliances/{appliance_id}/commands",
    "/workflows/{workflow_id}/branches": "POST /v1/appliances/{appliance_id}/commands",
    "/workflows/{workflow_id}/rehearsals": "POST /v1/appliances/{appliance_id}/commands",
    "/commands/{command_id}/cancel": "POST /v1/appliances/{appliance_id}/commands",
    "/workflows/{workflow_id}/plan": "POST /v1/appliances/{appliance_id}/commands",
    "/workflows/{workflow_id}/edit": "PUT /v1/workflows/{workflow_id}",
    "/workflows/{workflow_id}/history/{number}": "POST /v1/workflows/{workflow_id}/roll-back",
    "/workflows/{workflow_id}/appliances": "PUT /v1/workflows/{workflow_id}/appliances",
    "/workflows/{workflow_id}/archive": "DELETE /v1/workflows/{workflow_id}",
    "/workflows/{workflow_id}/runs": "POST /v1/workflows/{workflow_id}/run",
    "/proposals/{proposal_id}/withdraw": "DELETE /v1/proposals/{proposal_id}",
    "/runs/{appliance_id}/{run_id}/cancel": "POST /v1/runs/{appliance_id}/{run_id}/cancel",
    "/people": "POST /v1/people",
    "/people/{person_id}/password": "POST /v1/people/{person_id}/password",
    "/people/{person_id}/second-factor": "DELETE /v1/people/{person_id}/second-factor",
    "/people/{person_id}/role": "PATCH /v1/people/{person_id}",
    "/people/{person_id}/disabled": "PATCH /v1/people/{person_id}",
    "/tokens": "POST /v1/tokens",
    "/tokens/{token_id}/revoke": "DELETE /v1/tokens/{token_id}",
}
OF_A_BROWSER_ONLY = {
    "/sign-in",
    "/sign-in/code",
    "/sign-out",
    "/account/password",
    "/account/second-factor",
    "/account/second-factor/on",
    "/account/second-factor/codes",
    "/account/second-factor/off",
    # A second person is a person.
    "/proposals/{proposal_id}/accept",
    "/proposals/{proposal_id}/reject",
}


def test_whatever_a_page_can_do_a_token_can(dashboard: Dashboard) -> None:
    forms = {
        path for path, methods in posts_of(dashboard) if "POST" in methods and not path.startswith("/v1")
    }
    assert forms == {*PAGE_TO_CALL, *OF_A_BROWSER_ONLY}
    document = dashboard.api.get("/v1/openapi.json").json()
    calls = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    assert set(PAGE_TO_CALL.values()) <= calls


def test_the_whole_way_by_token(stored: Dashboard) -> None:
    api = stored.api
    appliance_id, appliance = stored.enrolled()
    assert api.post("/v1/workflows/check", json={"yaml": seeds.STAGING}).json() == {
        "valid": True,
        "problems": [],
    }
    api.post("/v1/workflows", json={"yaml": seeds.STAGING}).raise_for_status()
    api.put(
        "/v1/workflows/staging-twin/appliances", json={"appliance_ids": [appliance_id]}
    ).raise_for_status()
    template = api.get(f"/v1/appliances/{appliance_id}/connections-template").json()["yaml"]
    assert "staging:" in template and "changeme" in template
    (command,) = api.post("/v1/workflows/staging-twin/run", json={}).raise_for_status().json()
    (taken,) = appliance.take_commands(appliance.heartbeat())
    assert str(taken.id) == command["id"]
    run_id = seeds.tell_run(appliance, "staging-twin", command_id=taken.id, trigger="command")
    assert api.get(f"/v1/commands/{command['id']}").json()["run_id"] == run_id
    assert api.get(f"/v1/runs/{appliance_id}/{run_id}").json()["state"] == "succeeded"
    assert api.get("/v1/runs", params={"state": "succeeded"}).json()[0]["run_id"] == run_id
    api.patch(f"/v1/appliances/{appliance_id}", json={"name": "West"}).raise_for_status()
    assert api.get("/v1/appliances").json()[0]["name"] == "West"
    actions = [entry["action"] for entry in api.get("/v1/audit", params={"search": "staging-twin"}).json()]
    assert actions == ["workflow.assign", "workflow.create"]


@pytest.mark.parametrize(("role", "most"), [("viewer", "viewer"), ("editor", "editor")])
def test_a_token_cannot_make_a_stronger_one(dashboard: Dashboard, role: str, most: str) -> None:
    api = dashboard.api_as(role)
    for wanted in ("viewer", "editor", "admin"):
        code = api.post("/v1/tokens", json={"name": "t", "role": wanted}).status_code
        assert code == (201 if wanted in {"viewer", most} else 403)


def test_a_viewer_changes_nothing(dashboard: Dashboard) -> None:
    api = dashboard.api_as("viewer")
    document = api.get("/v1/openapi.json").json()
    harmless = {"POST /v1/workflows/check", "POST /v1/tokens", "DELETE /v1/tokens/{token_id}"}
    for path, methods in document["paths"].items():
        for method, call in methods.items():
            if method == "get" or call["tags"] == ["appliance"] or f"{method.upper()} {path}" in harmless:
                continue
            code = api.request(method, path.replace("{", "").replace("}", ""), json={}).status_code
            assert code in {403, 422}, f"{method} {path}"
    assert dashboard.audit() == ["token.create", "token.create"]


def test_a_revoked_or_expired_token_is_no_good(dashboard: Dashboard) -> None:
    made = dashboard.api.post("/v1/tokens", json={"name": "t", "role": "viewer"}).json()
    client = dashboard.client(authorization=f"Bearer {made['token']}")
    assert client.get("/v1/runs").status_code == 200
    dashboard.api.delete(f"/v1/tokens/{made['id']}").raise_for_status()
    assert client.get("/v1/runs").status_code == 401
    with dashboard.context.database.write() as session:
        session.run("UPDATE api_token SET expires_at = 1000")
    assert dashboard.api.get("/v1/runs").status_code == 401


def test_what_a_management_call_answers_is_described_by_a_model(dashboard: Dashboard) -> None:
    """By name: ``object`` would say nothing to those who write against it."""
    document = dashboard.api.get("/v1/openapi.json").json()
    said = {
        f"{method} {path}": answer["content"]["application/json"]["schema"]
        for path, calls in document["paths"].items()
        for method, call in calls.items()
        if "management" in call.get("tags", [])
        for code, answer in call["responses"].items()
        if code in {"200", "201", "202"}
    }
    assert len(said) > 20
    without = [call for call, schema in said.items() if "$ref" not in (schema.get("items") or schema)]
    assert without == []


def test_every_call_is_described(dashboard: Dashboard) -> None:
    document = dashboard.api.get("/v1/openapi.json").json()
    assert len(document["paths"]) > 25
    for path, methods in document["paths"].items():
        for method, call in methods.items():
            assert call.get("description"), f"{method} {path}"
            assert call["tags"][0] in {"appliance", "management"}
    assert "Heartbeat" in document["components"]["schemas"]
    text = json.dumps(document)
    assert all(f'"#/components/schemas/{name}"' not in text or name in document["components"]["schemas"]
               for name in ("Heartbeat", "EventBatch", "EnrolRequest", "TableProgress"))  # fmt: skip


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard without rate limits, so that probing it reaches what lies behind them."""
    made = Dashboard(dashboard_settings(Path(tmp_path_factory.mktemp("probed"))))
    for name in vars(made.context.limits):
        setattr(made.context.limits, name, RateLimit(burst=1e9, per_minute=1e9))
    seeds.fleet(made.api, made.client)
    yield made
    made.context.database.close()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_nothing_that_is_sent_ends_in_a_5xx(probed: Dashboard, mode: GenerationMode) -> None:
    _, appliance = probed.enrolled(f"Probed with {mode.value}")
    schema = schemathesis.openapi.from_asgi("/v1/openapi.json", probed.app)
    tokens = {"appliance": appliance.token, "management": probed.api.headers["authorization"].split()[1]}

    def headers(operation: schemathesis.APIOperation) -> dict[str, str]:
        return {"authorization": f"Bearer {tokens[operation.definition.raw['tags'][0]]}"}

    assert probe(schema, mode, headers) > 20
    assert probed.client().get("/healthz").status_code == 200


def test_a_store_that_is_away_is_said_and_nothing_breaks(
    dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    from appliance.dashboard.store.database import Database, StoreAwayError

    def away(self: Database) -> None:
        raise StoreAwayError("OperationalError SQLITE_FULL")

    browser = dashboard.signed_in()
    monkeypatch.setattr(Database, "_transaction", lambda self, *_: away(self))
    response: httpx.Response = dashboard.api.get("/v1/runs")
    assert response.status_code == 503 and response.headers["retry-after"]
    page = browser.get("/")
    assert page.status_code == 503 and "store does not answer" in page.text
    assert dashboard.client().get("/healthz").status_code == 503


@pytest.mark.parametrize("version", ["v2.0.0", "latest", "1:2.0", "2.0~rc1"])
def test_a_version_that_no_release_can_have_is_refused_where_it_is_asked_for(
    dashboard: Dashboard, version: str
) -> None:
    """The updater on the appliance could not make anything of it, and would wait for ever."""
    appliance_id = dashboard.api.post("/v1/appliances", json={"name": "North"}).json()["appliance_id"]
    for answer in (
        dashboard.api.patch(f"/v1/appliances/{appliance_id}", json={"wanted_version": version}),
        dashboard.api.post(
            f"/v1/appliances/{appliance_id}/commands", json={"kind": "update", "version": version}
        ),
    ):
        assert answer.status_code == 422, answer.text
        assert "begins with a digit" in answer.text
    shown = dashboard.api.get(f"/v1/appliances/{appliance_id}").json()
    assert shown["appliance"]["wanted_version"] is None
