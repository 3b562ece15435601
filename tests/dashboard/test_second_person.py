"""A version that keeps more than the present one waits for a second person, where settings ask for one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from appliance.dashboard.settings import from_environment
from appliance.dashboard.store import documents
from appliance.dashboard.widening import widening
from appliance.errors import WrongRequestError
from appliance.workflow.document import Workflow
from tests.dashboard.conftest import Browser, Dashboard, settings
from tests.dashboard.seeds import ANALYTICS, STAGING

KEEPS_NAMES = STAGING.replace('  - "*.*.id"\n', '  - "*.*.id"\n  - public.customer.street\n')
UNMASKS = STAGING.replace("  public.customer.last_name: last_name\n", "")
FASTER = STAGING.replace("parallel: 4", "parallel: 2")
NO_STREETS = STAGING.replace("  # people\n", '  "*.*.street": street\n')


def workflow(text: str) -> Workflow:
    return documents.require(text)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (KEEPS_NAMES, "keeps public.customer.street"),
        (UNMASKS, "masks public.customer.last_name no more"),
        (STAGING.replace("last_name: last_name", "last_name: text_scrub"), "keeps public.customer.last_name"),
        (STAGING.replace("keep_prefix: 3", "keep_prefix: 6"), "keeps public.customer.phone"),
        (STAGING.replace('"crm.*"]', '"crm.*", "hr.*"]'), "takes in hr.*"),
        (STAGING.replace('exclude: ["public.audit_*"]', "exclude: []"), "leaves public.audit_* out no more"),
        (STAGING.replace("source: production", "source: archive"), "reads archive instead of production"),
        (STAGING + "unlisted: keep\n", "unlisted: keep"),
    ],
)
def test_each_way_of_keeping_more_is_found(changed: str, says: str) -> None:
    assert changed != STAGING
    assert says in "\n".join(widening(workflow(STAGING), workflow(changed)))


@pytest.mark.parametrize(
    "changed",
    [
        FASTER,
        NO_STREETS,
        STAGING.replace('  - "*.*.created_at"\n', ""),
        STAGING + "unlisted: 'null'\n",
        STAGING,
    ],
)
def test_what_keeps_no_more_is_none(changed: str) -> None:
    assert widening(workflow(STAGING), workflow(changed)) == ()


def test_all_that_a_new_workflow_keeps_is_more() -> None:
    assert widening(None, workflow(STAGING)) == tuple(
        f"keeps {each}"
        for each in (
            "*.*.created_at",
            "*.*.id",
            'crm.note.body {"mask": "text_scrub"}',
            'public.customer.phone {"keep_prefix": 3, "mask": "phone"}',
        )
    )
    nothing = STAGING.partition("masks:")[0] + "deliver:\n  - twin: {connection: staging}\n"
    assert widening(None, workflow(nothing)) == ()
    assert widening(None, workflow(nothing + "unlisted: keep\n"))


class Asking:
    """A dashboard that asks for a second person, with a workflow of version 1 on one appliance."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard
        for name in ("eva", "otto"):
            dashboard.person(name, "editor")
        dashboard.person("victor", "viewer")
        self.eva, self.otto = dashboard.signed_in("eva"), dashboard.signed_in("otto")
        proposed = dashboard.api.post("/v1/workflows", json={"yaml": STAGING})
        assert proposed.status_code == 202
        self.accept(self.otto, proposed.json()["id"])
        appliance_id, self.appliance = dashboard.enrolled()
        body = {"appliance_ids": [appliance_id]}
        dashboard.api.put("/v1/workflows/staging-twin/appliances", json=body).raise_for_status()

    def save(self, browser: Browser, text: str, based_on: int = 1) -> httpx.Response:
        form = {"yaml": text, "based_on": str(based_on), "note": "for support"}
        return browser.post("/workflows/staging-twin/edit", form)

    def proposed(self, browser: Browser, text: str, based_on: int = 1) -> str:
        found = re.match(r"/proposals/(\w+)", self.save(browser, text, based_on).headers["location"])
        assert found
        return found[1]

    def accept(self, browser: Browser, proposal_id: str) -> httpx.Response:
        return browser.post(f"/proposals/{proposal_id}/accept", {"remark": ""})

    def delivered(self) -> dict[str, Any]:
        self.appliance.fetch()
        (found,) = self.appliance.workflows.workflows
        return dict(found.document)

    def state(self, proposal_id: str) -> str:
        return str(self.dashboard.api.get(f"/v1/proposals/{proposal_id}").raise_for_status().json()["state"])


@pytest.fixture
def asking(make_dashboard: Callable[..., Dashboard]) -> Asking:
    return Asking(make_dashboard(second_person="editor"))


def test_it_is_given_to_no_appliance_before_another_person_accepts_it(asking: Asking) -> None:
    proposal_id = asking.proposed(asking.eva, KEEPS_NAMES)
    assert "public.customer.street" not in asking.delivered()["keep"]
    page = asking.otto.get(f"/proposals/{proposal_id}").text
    assert "keeps public.customer.street" in page and "for support" in page and 'class="added"' in page
    assert f'href="/proposals/{proposal_id}"' in asking.otto.get("/workflows/staging-twin").text
    assert asking.accept(asking.otto, proposal_id).status_code == 303
    assert "public.customer.street" in asking.delivered()["keep"]
    history = asking.otto.get("/workflows/staging-twin/history").text
    assert "eva" in history and "accepted by otto" in history
    assert asking.state(proposal_id) == "accepted"
    assert asking.accept(asking.otto, proposal_id).status_code == 422
    found = [
        entry for entry in asking.dashboard.api.get("/v1/audit").json() if entry["subject"] == "staging-twin"
    ]
    assert [(entry["actor"], entry["action"]) for entry in found[:2]] == [
        ("otto", "workflow.accept"),
        ("eva", "workflow.propose"),
    ]
    assert found[0]["detail"]["author"] == "eva" and found[0]["detail"]["version"] == 2


def test_what_keeps_no_more_counts_at_once(asking: Asking) -> None:
    assert asking.save(asking.eva, FASTER).headers["location"] == "/workflows/staging-twin?note=saved"
    assert asking.delivered()["limits"]["parallel"] == 2


def test_no_one_accepts_their_own_and_no_token_accepts_any(asking: Asking) -> None:
    proposal_id = asking.proposed(asking.eva, KEEPS_NAMES)
    assert "your own" in asking.eva.get(f"/proposals/{proposal_id}").text
    assert asking.accept(asking.eva, proposal_id).status_code == 403
    victor = asking.dashboard.signed_in("victor")
    assert asking.accept(victor, proposal_id).status_code == 403
    for path in (f"/proposals/{proposal_id}/accept", f"/v1/proposals/{proposal_id}/accept"):
        assert asking.dashboard.api.post(path, data={"remark": ""}).status_code in {303, 404, 405}
    assert asking.state(proposal_id) == "waiting"


def test_a_proposal_by_a_token_is_of_the_person_who_made_the_token(asking: Asking) -> None:
    page = asking.eva.post("/tokens", {"name": "mine", "role": "editor", "days": "9"}, page="/tokens").text
    token = f"apd_{page.partition('apd_')[2][:43]}"
    api = asking.dashboard.client(authorization=f"Bearer {token}")
    inner = api.post("/v1/tokens", json={"name": "inner", "role": "editor"}).json()["token"]
    for each in (token, inner):
        api = asking.dashboard.client(authorization=f"Bearer {each}")
        answer = api.put("/v1/workflows/staging-twin", json={"yaml": KEEPS_NAMES, "based_on": 1})
        assert answer.status_code == 202
        assert asking.accept(asking.eva, answer.json()["id"]).status_code == 403
    assert asking.accept(asking.otto, answer.json()["id"]).status_code == 303


def test_going_back_to_a_version_that_kept_more_is_a_proposal_too(asking: Asking) -> None:
    assert asking.save(asking.eva, NO_STREETS.replace('  - "*.*.id"\n', "")).status_code == 303
    back = asking.eva.post("/workflows/staging-twin/history/1")
    assert back.headers["location"].startswith("/proposals/")
    assert (
        asking.dashboard.api.post("/v1/workflows/staging-twin/roll-back", json={"version": 1}).status_code
        == 202
    )
    assert "*.*.id" not in asking.delivered()["keep"]


def test_a_new_workflow_that_keeps_anything_waits_before_it_exists(asking: Asking) -> None:
    answer = asking.eva.post("/workflows", {"yaml": ANALYTICS, "based_on": "0"})
    proposal_id = answer.headers["location"].split("/")[2].partition("?")[0]
    assert asking.dashboard.api.get("/v1/workflows/analytics-copy").status_code == 404
    assert "a new workflow" in asking.otto.get(f"/proposals/{proposal_id}").text
    assert ANALYTICS.splitlines()[1] in asking.otto.get(f"/new-workflow?proposal={proposal_id}").text
    assert asking.accept(asking.otto, proposal_id).status_code == 303
    assert asking.dashboard.api.get("/v1/workflows/analytics-copy").json()["author"] == "eva"


def test_a_rejection_says_why(asking: Asking) -> None:
    proposal_id = asking.proposed(asking.eva, UNMASKS)
    assert asking.otto.post(f"/proposals/{proposal_id}/reject", {"remark": " "}).status_code == 422
    remark = "Last names stay masked <b>"
    assert asking.otto.post(f"/proposals/{proposal_id}/reject", {"remark": remark}).status_code == 303
    assert "Last names stay masked &lt;b&gt;" in asking.eva.get(f"/proposals/{proposal_id}").text
    assert asking.accept(asking.otto, proposal_id).status_code == 422
    assert asking.delivered()["masks"]["public.customer.last_name"]
    assert "workflow.reject" in asking.dashboard.audit()


def test_an_overtaken_proposal_is_brought_together_and_not_accepted(asking: Asking) -> None:
    proposal_id = asking.proposed(asking.eva, KEEPS_NAMES)
    asking.save(asking.otto, FASTER)
    assert asking.state(proposal_id) == "overtaken"
    assert asking.accept(asking.otto, proposal_id).status_code == 409
    page = asking.eva.get(f"/workflows/staging-twin/edit?proposal={proposal_id}").text
    assert "public.customer.street" in page and 'name="based_on" value="1"' in page
    assert asking.save(asking.eva, KEEPS_NAMES).status_code == 409
    assert asking.delivered()["limits"]["parallel"] == 2


def test_an_archived_workflow_is_not_brought_back_by_an_older_proposal(asking: Asking) -> None:
    proposal_id = asking.proposed(asking.eva, KEEPS_NAMES)
    asking.eva.post("/workflows/staging-twin/archive")
    assert asking.accept(asking.otto, proposal_id).status_code == 409


def test_a_newer_proposal_of_ones_own_replaces_the_former(asking: Asking) -> None:
    first, second = asking.proposed(asking.eva, KEEPS_NAMES), asking.proposed(asking.eva, UNMASKS)
    other = asking.proposed(asking.otto, KEEPS_NAMES)
    assert [asking.state(each) for each in (first, second, other)] == ["withdrawn", "waiting", "waiting"]
    assert asking.otto.post(f"/proposals/{second}/withdraw").status_code == 403
    assert asking.eva.post(f"/proposals/{second}/withdraw").status_code == 303
    assert asking.state(second) == "withdrawn"


def test_a_proposal_is_worth_what_its_author_may_do_now(asking: Asking) -> None:
    proposal_id = asking.proposed(asking.eva, KEEPS_NAMES)
    asking.dashboard.api.patch("/v1/people/id-of-eva", json={"role": "viewer"}).raise_for_status()
    refused = asking.accept(asking.otto, proposal_id)
    assert refused.status_code == 403 and "may no longer change workflows" in refused.text


def test_the_editor_says_beforehand_that_saving_proposes(asking: Asking) -> None:
    form = {"yaml": KEEPS_NAMES, "based_on": "1", "id": "staging-twin", "edited": "yaml"}
    shown = asking.eva.post("/preview-workflow", form).json()["problems"]
    assert "saving makes a proposal" in shown and "keeps public.customer.street" in shown
    assert "proposal" not in asking.eva.post("/preview-workflow", {**form, "yaml": FASTER}).json()["problems"]


def test_the_settings_say_whose_word_counts(make_dashboard: Callable[..., Dashboard]) -> None:
    dashboard = make_dashboard(second_person="admin")
    for name in ("eva", "otto"):
        dashboard.person(name, "editor")
    eva, otto, ada = (dashboard.signed_in(name) for name in ("eva", "otto", "ada"))
    saved = eva.post("/workflows", {"yaml": STAGING, "based_on": "0"})
    path = saved.headers["location"].partition("?")[0]
    assert otto.post(f"{path}/accept").status_code == 403
    assert "This needs the role admin" in otto.get(path).text
    assert ada.post(f"{path}/accept").status_code == 303


def test_it_holds_over_each_kind_of_store(store_url: str, tmp_path: Any) -> None:
    dashboard = Dashboard(settings(tmp_path, store_url, second_person="editor"))
    asking = Asking(dashboard)
    proposal_id = asking.proposed(asking.eva, KEEPS_NAMES)
    assert "Waiting" in asking.otto.get("/proposals").text
    assert asking.accept(asking.otto, proposal_id).status_code == 303
    assert [row["state"] for row in dashboard.api.get("/v1/proposals").json()] == ["accepted", "accepted"]
    dashboard.context.database.close()


def test_without_the_setting_nothing_waits(dashboard: Dashboard) -> None:
    dashboard.api.post("/v1/workflows", json={"yaml": STAGING}).raise_for_status()
    changed = dashboard.api.put("/v1/workflows/staging-twin", json={"yaml": KEEPS_NAMES})
    assert changed.status_code == 200 and changed.json()["revision"] == 2
    assert "Proposals" not in dashboard.signed_in().get("/workflows").text
    with pytest.raises(WrongRequestError) as refused:
        from_environment({"DASHBOARD_SECOND_PERSON": "viewer"})
    assert "must be no, editor or admin" in refused.value.text()
