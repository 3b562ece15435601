"""Plan this draft: what is asked of the appliance, and what is said where no appliance can be asked."""

from __future__ import annotations

import json

import pytest

from appliance.contract.calls import ConnectionReport, PlanCommand, PolicyReport
from appliance.contract.catalog import PlannedTableBrief, PlanReported, UncoveredColumn
from appliance.contract.commands import MAX_DRAFT_BYTES
from appliance.contract.events import CommandChanged
from appliance.contract.fields import document_digest
from appliance.documents import strict_yaml
from tests.dashboard.conftest import Browser, Dashboard
from tests.dashboard.simulated_appliance import SimulatedAppliance

DRAFT = """\
id: shop
source: production
tables: {include: ["public.*"]}
unlisted: "null"
deliver: [{twin: {connection: staging}}]
"""


@pytest.fixture
def west(dashboard: Dashboard) -> SimulatedAppliance:
    """An appliance that has the connection."""
    _, simulated = dashboard.enrolled()
    simulated.policy = PolicyReport(workflows_from_cloud=True)
    simulated.state = {"connections": (ConnectionReport(name="production", state="ready"),)}
    simulated.heartbeat()
    return simulated


@pytest.fixture
def browser(dashboard: Dashboard) -> Browser:
    return dashboard.signed_in()


def ask(browser: Browser, text: str) -> dict[str, str]:
    given = {"yaml": text, "based_on": "0", "csrf": browser.csrf("/account")}
    response = browser.client.post("/plan-draft", data=given, headers={"x-requested-with": "fetch"})
    answer: dict[str, str] = response.json()
    return answer


def test_the_appliance_gets_the_text_as_it_stands(browser: Browser, west: SimulatedAppliance) -> None:
    answer = ask(browser, DRAFT)
    (command,) = west.heartbeat().commands
    assert str(command.id) == answer["command"] and isinstance(command.request, PlanCommand)
    document = json.loads(command.request.draft or "")
    assert document == strict_yaml.load(DRAFT, "test").data
    assert command.request.digest == document_digest(document)
    page = browser.client.get(f"/plan-draft/{command.id}")
    assert "Planning" in page.text and page.headers["x-every"] == "1"


def test_long_drafts_are_offered_one_after_the_other(browser: Browser, west: SimulatedAppliance) -> None:
    first, second = (ask(browser, DRAFT + f"title: {title}\n")["command"] for title in ("one", "two"))
    (offered,) = west.heartbeat().commands
    assert str(offered.id) == first
    west.tell(CommandChanged(command_id=offered.id, state="accepted"))
    west.send()
    (offered,) = west.heartbeat().commands
    assert str(offered.id) == second


def test_the_plan_of_a_saved_version_has_a_page(
    dashboard: Dashboard, browser: Browser, west: SimulatedAppliance
) -> None:
    saved = dashboard.api.post("/v1/workflows", json={"yaml": DRAFT}).raise_for_status().json()
    (appliance,) = dashboard.api.get("/v1/appliances").json()
    asked = {"kind": "plan", "workflow": "shop", "digest": saved["digest"]}
    command = dashboard.api.post(f"/v1/appliances/{appliance['id']}/commands", json=asked).json()
    born = UncoveredColumn(
        schema_name="public", table="customer", column="born", type="date", suggestion="decide"
    )
    west.tell(
        PlanReported(
            command_id=command["id"],
            workflow="shop",
            digest=saved["digest"],
            tables=(PlannedTableBrief(table="public.customer", rows=10),),
            tables_total=1,
            uncovered=(born,),
            uncovered_total=1,
        )
    )
    west.send()
    for page in ("", "/live"):
        shown = browser.get(f"/workflows/shop/plan/{appliance['id']}{page}")
        assert shown.status_code == 200 and "born" in shown.text and "planned_on=" in shown.text


@pytest.mark.usefixtures("west")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (DRAFT.replace("source: production", "source: elsewhere"), "no appliance of this workflow has"),
        (DRAFT.replace("id: shop", "id: Shop!"), "correct the document first"),
        (
            DRAFT
            + "keep:\n"
            + "".join(f"  - public.a.{'c' * 50}{n}\n" for n in range(MAX_DRAFT_BYTES // 60)),
            "larger than 96 kib",
        ),
    ],
    ids=["a source that no appliance has", "a wrong document", "a document too long"],
)
def test_what_cannot_be_planned_says_why_and_what_to_do(browser: Browser, text: str, said: str) -> None:
    answer = ask(browser, text)
    assert said in " ".join(answer.values()).lower(), answer


def test_a_scan_is_asked_for_beside_a_long_document(
    dashboard: Dashboard, browser: Browser, west: SimulatedAppliance
) -> None:
    place = f"{dashboard.api.get('/v1/appliances').json()[0]['id']}/production"
    given = {"yaml": DRAFT + "#" * 100_000, "csrf": browser.csrf("/account"), "catalog": place}
    assert browser.client.post("/ask-for-scan", data=given).status_code == 200
    (command,) = west.heartbeat().commands
    assert command.request.kind == "scan"


def test_the_audit_log_names_the_workflow_and_not_its_text(
    dashboard: Dashboard, browser: Browser, west: SimulatedAppliance
) -> None:
    ask(browser, DRAFT)
    assert west.heartbeat().commands
    (entry,) = [each for each in dashboard.api.get("/v1/audit").json() if each["action"] == "command.plan"]
    assert "shop" in json.dumps(entry) and "draft" not in json.dumps(entry)
