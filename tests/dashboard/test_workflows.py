"""Writing workflows: two sides of one document, its history, and who it is for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.datastructures import FormData

from appliance.dashboard.pages.editing import workflow_form, yaml_edit
from appliance.dashboard.pages.editing.edit import BEGINNING
from appliance.dashboard.pages.editing.versions import difference
from appliance.dashboard.pages.editing.workflow_form import WorkflowForm
from appliance.dashboard.store import documents, workflows
from appliance.dashboard.web.connection_template import template
from appliance.dashboard.web.masks import cards
from appliance.documents import strict_yaml
from appliance.masking.registry import MASKS
from tests.dashboard.conftest import Browser, Dashboard
from tests.dashboard.form_fields import FormFields
from tests.dashboard.seeds import ANALYTICS, ON_DEMAND, STAGING

DEMO = Path(__file__).parents[2] / "compose/demo/workflows/staging-twin.yaml"


def data_of(text: str) -> dict[str, Any]:
    loaded: dict[str, Any] = strict_yaml.load(text, "test").data
    return loaded


def as_form(view: WorkflowForm) -> FormData:
    """What a browser sends of the form that this view draws."""
    simple = ("id", "title", "schedule", "timezone", "source", "unlisted", "include", "exclude", "keep")
    sent = [(key, getattr(view, key)) for key in simple]
    sent += [("twin", name) for name in view.twins]
    for row in view.rows:
        sent += [(f"row_{key}", getattr(row, key)) for key in ("pattern", "last_days", "by", "where")]
    for number, mask in enumerate(view.masks):
        sent += [("mask_row", str(number)), ("mask_pattern", mask.pattern), ("mask_name", mask.mask)]
    sent += [(f"limit_{limit.key}", limit.value) for limit in view.limits]
    return FormData(sent)


@pytest.mark.parametrize("text", [STAGING, ANALYTICS, ON_DEMAND, BEGINNING])
def test_a_form_that_nobody_touched_changes_nothing(text: str) -> None:
    before = data_of(text)
    after = workflow_form.document(as_form(workflow_form.view(before)), before)
    assert after == before
    assert yaml_edit.edit(text, before, after) == text


def test_the_example_to_begin_with_is_valid() -> None:
    assert documents.check(BEGINNING).problems == ()


def test_a_change_in_the_form_leaves_every_other_line_as_it_was() -> None:
    before = data_of(STAGING)
    after = data_of(STAGING)
    after["masks"]["public.customer.phone"] = {"mask": "phone", "keep_prefix": 5}
    after["masks"]["crm.contact.ssn"] = "hash"
    after["limits"]["parallel"] = 2
    edited = yaml_edit.edit(STAGING, before, after)
    assert data_of(edited) == after
    assert "  # people\n" in edited
    kept = set(STAGING.splitlines()) & set(edited.splitlines())
    assert len(kept) >= len(STAGING.splitlines()) - 2


names = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
values = st.one_of(
    st.integers(-5, 500), st.booleans(), st.text(max_size=12), st.sampled_from(["no", "1:30", "null"])
)
documents_like = st.dictionaries(
    names,
    st.one_of(values, st.lists(values, max_size=3), st.dictionaries(names, values, min_size=1, max_size=4)),
    min_size=1,
    max_size=6,
)


def storable(value: Any) -> bool:
    return all(c.isprintable() for c in str(value)) and "\\x" not in repr(value) and "\\u" not in repr(value)


@settings(max_examples=150, deadline=None)
@given(documents_like.filter(storable), documents_like.filter(storable), st.booleans())
def test_an_edit_says_exactly_what_was_meant(
    before: dict[str, Any], after: dict[str, Any], flow: bool
) -> None:
    from appliance.workflow.loading import document_yaml

    text = document_yaml(before)
    if flow:
        text = yaml.safe_dump(before, default_flow_style=None, allow_unicode=True, sort_keys=False)
        before = data_of(text)
    text = "# first\n" + text.replace("\n", "\n# between\n", 1) if not flow else text
    edited = yaml_edit.edit(text, data_of(text), after)
    assert data_of(edited) == after


@pytest.mark.parametrize("name", sorted(MASKS))
def test_every_mask_is_explained(name: str) -> None:
    card = next(card for card in cards() if card.name == name)
    assert card.about and card.before and card.after
    assert all(parameter.about for parameter in card.parameters)


def test_a_parameter_of_each_kind_goes_through_the_form() -> None:
    before = {"masks": {"a.b.c": {"mask": "email"}}}
    sent = [("mask_row", "0"), ("mask_pattern", "a.b.c"), ("mask_name", "email")]
    sent += [("param.0.at", "example.org"), ("param.0.ignore_case", "true"), ("param.0.domain", "people")]
    made = workflow_form.document(FormData(sent), before)["masks"]["a.b.c"]
    assert made == {"mask": "email", "at": "example.org", "ignore_case": True, "domain": "people"}
    sent[2] = ("mask_name", "text_scrub")
    made = workflow_form.document(FormData([*sent, ("param.0.find", "[email, phone]")]), before)["masks"][
        "a.b.c"
    ]
    assert made == {"mask": "text_scrub", "find": ["email", "phone"]}


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (STAGING.replace(": email", ": e_mail"), 10, "no mask"),
        (STAGING.replace("keep_prefix: 3", "keep_prefix: many"), 11, "number"),
        (STAGING.replace("schedule:", "shedule:"), 3, "schedule"),
        ("a: [", 2, ""),
        (STAGING + "id: twice\n", None, ""),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, line: int | None, what: str) -> None:
    problems = documents.check(text).by_line()
    assert problems
    if line:
        assert line in [problem.line for problem in problems]
        assert any(what in problem.what + problem.expected for problem in problems)


@pytest.mark.parametrize("text", ["", "[]", "null", "{" * 1000, "a: &a [*a]", "\0", "x" * 10_000_000])
def test_no_document_is_too_strange_to_check(text: str) -> None:
    checked = documents.check(text)
    assert checked.workflow is None and checked.problems
    workflow_form.view(checked.data)


def test_the_template_names_each_connection_once() -> None:
    text = template("Hospital West", [data_of(STAGING), data_of(ANALYTICS)])
    read = data_of(text)
    assert sorted(read) == ["analytics", "production", "staging"]
    assert all(entry["password"] == "changeme" for entry in read.values())
    assert "No workflow is assigned" in template("New", [])


def save(browser: Browser, path: str, text: str, **form: str) -> int:
    return browser.post(path, {"yaml": text, **form}, page="/new-workflow").status_code


def test_versions_diffs_and_going_back(stored: Dashboard) -> None:
    browser = stored.signed_in()
    assert save(browser, "/workflows", STAGING) == 303
    second = STAGING.replace("parallel: 4", "parallel: 8")
    assert save(browser, "/workflows/staging-twin/edit", second, based_on="1", note="faster") == 303
    page = browser.get("/workflows/staging-twin/history/2").text
    assert "parallel: 4" in page and "parallel: 8" in page and "faster" in page
    assert browser.post("/workflows/staging-twin/history/1").status_code == 303
    shown = stored.api.get("/v1/workflows/staging-twin").json()
    assert shown["revision"] == 3 and shown["yaml"] == STAGING
    assert [entry["note"] for entry in stored.api.get("/v1/workflows/staging-twin/versions").json()] == [
        "Back to version 1",
        "faster",
        "",
    ]


def test_somebody_elses_change_is_not_overwritten(dashboard: Dashboard) -> None:
    browser = dashboard.signed_in()
    save(browser, "/workflows", STAGING)
    assert save(browser, "/workflows/staging-twin/edit", STAGING + "# mine\n", based_on="1") == 303
    assert save(browser, "/workflows/staging-twin/edit", STAGING + "# yours\n", based_on="1") == 409
    assert save(browser, "/workflows", STAGING) == 409
    assert save(browser, "/workflows/staging-twin/edit", ANALYTICS, based_on="2") == 422


def test_what_is_not_valid_is_not_saved_and_not_lost(dashboard: Dashboard) -> None:
    browser = dashboard.signed_in()
    wrong = STAGING.replace(": email", ": e_mail")
    response = browser.post("/workflows", {"yaml": wrong, "note": "try"}, page="/new-workflow")
    assert response.status_code == 422
    assert (
        "e_mail" in response.text and "did you mean email" in response.text and 'value="try"' in response.text
    )
    assert dashboard.api.get("/v1/workflows").json() == []


def test_preview_follows_either_side(dashboard: Dashboard) -> None:
    browser = dashboard.signed_in()
    fields = {"edited": "yaml", "yaml": STAGING, "based_on": "0"}
    answer = browser.post("/preview-workflow", fields).json()
    assert answer["valid"] and "public.customer.phone" in answer["fields"] and answer["yaml"] == STAGING
    view = workflow_form.view(data_of(STAGING))
    form = dict(as_form(replace(view, title="Another title")).multi_items())
    masks = [item for item in as_form(view).multi_items() if item[0].startswith("mask_")]
    body = {"csrf": browser.csrf("/account"), "edited": "form", "yaml": STAGING, "based_on": "0", **form}
    for key, value in masks:
        body[key] = [*body.get(key, []), value] if isinstance(body.get(key), list) else [value]  # type: ignore[assignment,misc]
    answer = browser.client.post("/preview-workflow", data=body).json()
    assert answer["yaml"] == STAGING.replace("Nightly staging twin", "Another title")
    cut_off = browser.post("/preview-workflow", {**fields, "edited": "form", "yaml": "masks: {"}).json()
    assert cut_off["yaml"] == "masks: {" and not cut_off["readable"]


AWKWARD = """\
id: awkward
source: production
tables: {include: ["public.*"]}
rows:
  public.event:
    where: |-
      kind <> 'debug'   -- not those
      AND "a<b" > 1
masks:
  public.a.json: {mask: json, paths: {contact.email: email, "orders[*].card": {mask: partial, keep_last: 4}}}
  public.a.bang: {mask: constant, value: "!"}
  public.a.quoted: {mask: constant, value: "\\"it's\\" <b> # & *x: {y}"}
  public.a.empty: {mask: constant, value: ""}
  public.a.number: {mask: constant, value: "12"}
  public.a.true_number: {mask: constant, value: 12.5}
  public.a.yes: {mask: constant, value: true, keep_null: false}
  public.a.list: {mask: constant, value: [1, "two", null]}
  public.a.lines: {mask: constant, value: "one\\ntwo"}
  public.a.wrong: {mask: email, ignore_case: perhaps, at: nowhere.example}
  public.a.nothing: "null"
deliver: [{twin: {connection: staging, grace_s: 5}}]
"""


@pytest.mark.parametrize("text", [DEMO.read_text(), AWKWARD], ids=["the demo's", "an awkward one"])
def test_the_form_changes_nothing_that_was_not_changed_in_it(dashboard: Dashboard, text: str) -> None:
    browser = dashboard.signed_in()
    shown = browser.post("/preview-workflow", {"edited": "yaml", "yaml": text, "based_on": "1"}).json()
    assert shown["readable"]

    def sent(changes: dict[str, str]) -> str:
        body: dict[str, list[str]] = {"csrf": [browser.csrf("/account")], "edited": ["form"], "yaml": [text]}
        for name, value in FormFields(shown["fields"]).fields:
            body.setdefault(name, []).append(value)
        body |= {name: [value] for name, value in changes.items()}
        answer = browser.client.post("/preview-workflow", data={"based_on": "1", **body}).json()
        return str(answer["yaml"])

    assert sent({}) == text
    assert data_of(sent({"title": "Another"})) == data_of(text) | {"title": "Another"}
    # A mask that is moved to another column is read back from its fields alone.
    moved = FormFields(shown["fields"]).fields
    patterns = [f"x.{number}.z" for number, (name, _) in enumerate(moved) if name == "mask_pattern"]
    form = FormData([(name, value) for name, value in moved if name != "mask_pattern"]
                    + [("mask_pattern", pattern) for pattern in patterns])  # fmt: skip
    masks = workflow_form.document(form, data_of(text))["masks"]
    assert list(masks.values()) == list(data_of(text)["masks"].values())


def test_a_workflow_is_only_for_appliances_that_exist(dashboard: Dashboard) -> None:
    appliance_id, _ = dashboard.enrolled()
    dashboard.api.post("/v1/workflows", json={"yaml": STAGING}).raise_for_status()
    path = "/v1/workflows/staging-twin/appliances"
    assert dashboard.api.put(path, json={"appliance_ids": [appliance_id, "unknown"]}).status_code == 404
    assert dashboard.api.get("/v1/workflows/staging-twin").json()["appliances"] == []
    dashboard.api.delete(f"/v1/appliances/{appliance_id}").raise_for_status()
    assert dashboard.api.put(path, json={"appliance_ids": [appliance_id]}).status_code == 422


def elsewhere(text: str, workflow_id: str, **changes: Any) -> str:
    """The same workflow under another id, its twin on a connection of its own unless ``deliver`` says."""
    data = data_of(text) | {"id": workflow_id, "deliver": [{"twin": {"connection": workflow_id}}], **changes}
    return yaml.safe_dump(data)


def test_two_workflows_of_an_appliance_do_not_deliver_to_one_connection(stored: Dashboard) -> None:
    (west, _), (east, _) = stored.enrolled("west"), stored.enrolled("east")
    api, same = stored.api, data_of(STAGING)["deliver"]
    for text in (STAGING, elsewhere(STAGING, "second", deliver=same)):
        api.post("/v1/workflows", json={"yaml": text}).raise_for_status()
    api.put("/v1/workflows/staging-twin/appliances", json={"appliance_ids": [west]}).raise_for_status()
    assign = "/v1/workflows/second/appliances"
    refused = api.put(assign, json={"appliance_ids": [west]})
    assert refused.status_code == 409 and "staging-twin" in refused.json()["what"]
    assert "replaces: staging-twin" in refused.json()["next_step"]
    # The connection of another appliance is another database.
    api.put(assign, json={"appliance_ids": [east]}).raise_for_status()
    moved = elsewhere(STAGING, "second", deliver=same, replaces="staging-twin")
    api.put("/v1/workflows/second", json={"yaml": moved}).raise_for_status()
    api.put(assign, json={"appliance_ids": [west]}).raise_for_status()
    again = api.put("/v1/workflows/second", json={"yaml": elsewhere(STAGING, "second", deliver=same)})
    assert again.status_code == 409 and "west" in again.json()["what"]
    apart = elsewhere(STAGING, "second")
    api.put("/v1/workflows/second", json={"yaml": apart}).raise_for_status()


def test_a_set_that_an_appliance_could_not_take_is_refused_where_it_is_made(
    stored: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    appliance_id, _ = stored.enrolled()
    small, other = ON_DEMAND, elsewhere(ON_DEMAND, "other")
    for text in (small, other):
        stored.api.post("/v1/workflows", json={"yaml": text}).raise_for_status()
    assigned = {"appliance_ids": [appliance_id]}
    stored.api.put("/v1/workflows/other/appliances", json=assigned).raise_for_status()
    monkeypatch.setattr(workflows, "MAX_SET_BYTES", 300)
    refused = stored.api.put("/v1/workflows/support-sandbox/appliances", json=assigned)
    assert refused.status_code == 413 and "Hospital West" in refused.json()["what"]
    assert stored.api.get("/v1/workflows/support-sandbox").json()["appliances"] == []
    longer = other.replace("Support sandbox", "Long " * 39)
    assert stored.api.put("/v1/workflows/other", json={"yaml": longer}).status_code == 413
    assert stored.api.get("/v1/workflows/other").json()["revision"] == 1


def test_a_diff_shows_what_went_and_what_came() -> None:
    lines = difference("a\nb\nc\n", "a\nB\nc\nd\n")
    assert [(line.kind, line.text) for line in lines if line.kind != "same"] == [
        ("removed", "b"),
        ("added", "B"),
        ("added", "d"),
    ]
    assert difference("a\n", "a\n") == []
