"""The audit log: every change that can be made, by a page or by a token, is in it, with who made it."""

from __future__ import annotations

from typing import Any

from appliance.dashboard.security import Actor
from appliance.dashboard.store import proposals
from appliance.dashboard.store.access import audit
from appliance.dashboard.store.access.authority import token_maker
from tests.dashboard.conftest import Dashboard
from tests.dashboard.seeds import STAGING, tell_run

PRESET = "name: company-pii\nmasks: {'*.*.email': email}\n"
CHANGES: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/v1/appliances", {"name": "Hospital North"}),
    ("PATCH", "/v1/appliances/{appliance_id}", {"name": "Hospital South"}),
    ("PATCH", "/v1/appliances/{appliance_id}", {"wanted_version": "2.0.0"}),
    ("POST", "/v1/appliances/{appliance_id}/enrolment", None),
    ("PUT", "/v1/appliances/{appliance_id}/tags", {"tags": ["north"]}),
    ("POST", "/v1/appliances/bulk", {"ids": ["{appliance_id}"], "action": "rotate"}),
    ("POST", "/v1/workflows", {"yaml": STAGING}),
    ("PUT", "/v1/workflows/{workflow_id}", {"yaml": STAGING.replace("parallel: 4", "parallel: 2")}),
    ("POST", "/v1/workflows/{workflow_id}/roll-back", {"version": 1}),
    ("DELETE", "/v1/proposals/{proposal_id}", None),
    ("PUT", "/v1/workflows/{workflow_id}/appliances", {"appliance_ids": ["{appliance_id}"]}),
    ("POST", "/v1/workflows/{workflow_id}/run", {}),
    ("PUT", "/v1/workflows/{workflow_id}/tags", {"tags": ["nightly"]}),
    ("POST", "/v1/workflows/bulk", {"ids": ["{workflow_id}"], "action": "untag", "tags": ["nightly"]}),
    ("POST", "/v1/appliances/{appliance_id}/commands", {"kind": "sync"}),
    ("POST", "/v1/runs/{appliance_id}/{run_id}/cancel", None),
    ("POST", "/v1/presets", {"yaml": PRESET}),
    ("PUT", "/v1/presets/{name}", {"yaml": PRESET + "keep: ['*.*.id']\n"}),
    ("POST", "/v1/presets/{name}/roll-back", {"version": 1}),
    ("DELETE", "/v1/presets/{name}", None),
    ("DELETE", "/v1/workflows/{workflow_id}", None),
    ("POST", "/v1/people", {"name": "grace", "role": "viewer"}),
    ("PATCH", "/v1/people/{person_id}", {"role": "editor"}),
    ("PATCH", "/v1/people/{person_id}", {"disabled": True}),
    ("POST", "/v1/people/{person_id}/password", None),
    ("DELETE", "/v1/people/{person_id}/second-factor", None),
    ("POST", "/v1/tokens", {"name": "pipeline", "role": "viewer"}),
    ("DELETE", "/v1/tokens/{token_id}", None),
    ("POST", "/v1/rollouts", {"version": "2.1.0", "shares": [50, 100]}),
    ("POST", "/v1/rollouts/{rollout_id}/next-wave", None),
    ("POST", "/v1/rollouts/{rollout_id}/stop", None),
    ("DELETE", "/v1/appliances/{appliance_id}", None),
)
CHANGES_NOTHING = {"POST /v1/workflows/check", "POST /v1/presets/check"}


def filled(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, str) and value.startswith("{"):
        return ids[value.strip("{}")]
    if isinstance(value, list):
        return [filled(each, ids) for each in value]
    return {key: filled(each, ids) for key, each in value.items()} if isinstance(value, dict) else value


def proposal(stored: Dashboard) -> str:
    """The id of a proposal by the token that the calls are made with."""
    row = next(row for row in stored.api.get("/v1/tokens").json() if row["name"] == "as admin")
    with stored.context.database.write() as session:
        actor = Actor("token as admin", "admin", maker=token_maker(row["id"]))
        return proposals.propose(session, actor, "another-twin", STAGING, base=0, note="")


def test_every_call_that_changes_something_is_in_the_audit_log(stored: Dashboard) -> None:
    document = stored.api.get("/v1/openapi.json").json()
    changing = {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method, call in methods.items()
        if method != "get" and call["tags"] == ["management"]
    }
    assert {f"{method} {path}" for method, path, _ in CHANGES} == changing - CHANGES_NOTHING
    appliance_id, appliance = stored.enrolled()
    stored.enrolled("Hospital East")
    stored.person("victor", "viewer")
    run_id = tell_run(appliance, "staging-twin")
    token_id = stored.api.post("/v1/tokens", json={"name": "other", "role": "viewer"}).json()["id"]
    ids = {
        "appliance_id": appliance_id,
        "workflow_id": "staging-twin",
        "run_id": run_id,
        "person_id": "id-of-victor",
        "token_id": token_id,
        "proposal_id": proposal(stored),
        "name": "company-pii",
    }
    for method, path, body in CHANGES:
        before = stored.audit()
        answer = stored.api.request(method, path.format(**ids), json=filled(body, ids))
        assert answer.is_success, f"{method} {path}: {answer.text}"
        if path == "/v1/rollouts":
            ids["rollout_id"] = answer.json()["id"]
        entries = stored.api.get("/v1/audit").json()
        fresh = entries[: len(entries) - len(before)]
        assert fresh, f"{method} {path}"
        assert all(entry["actor"] == "token as admin" and entry["address"] for entry in fresh), path


def test_what_appliances_do_with_their_tokens_is_in_it_too(stored: Dashboard) -> None:
    _, appliance = stored.enrolled("Hospital West")
    appliance.rotate()
    appliance.heartbeat()
    appliance.heartbeat()
    made = [entry for entry in stored.api.get("/v1/audit").json() if entry["actor"] == "Hospital West"]
    assert [entry["action"] for entry in made] == ["appliance.token_rotated", "appliance.enrol"]


def test_it_is_read_page_by_page_and_found_by_what_and_who(dashboard: Dashboard) -> None:
    for number in range(5):
        dashboard.api.post("/v1/appliances", json={"name": f"Site {number}"}).raise_for_status()
    first = dashboard.api.get("/v1/audit", params={"search": "site", "limit": 3}).json()
    rest = dashboard.api.get("/v1/audit", params={"search": "site", "before": first[-1]["id"]}).json()
    assert [entry["subject"] for entry in [*first, *rest]] == [f"Site {n}" for n in range(4, -1, -1)]
    assert dashboard.api.get("/v1/audit", params={"search": "as admin"}).json()


def test_no_secret_is_in_it(stored: Dashboard) -> None:
    made = stored.api.post("/v1/appliances", json={"name": "West"}).json()
    person = stored.api.post("/v1/people", json={"name": "grace", "role": "viewer"}).json()
    token = stored.api.post("/v1/tokens", json={"name": "t", "role": "viewer"}).json()
    with stored.context.database.read() as session:
        kept = str(audit.entries(session))
    for secret in (made["enrolment_token"], person["one_time_password"], token["token"]):
        assert secret not in kept
