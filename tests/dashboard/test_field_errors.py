"""What is wrong with a workflow is said at the field that it is about; the form has fields for a bucket."""

from __future__ import annotations

import pytest

from appliance.dashboard.pages.editing.field_errors import field_errors
from appliance.dashboard.store import documents
from appliance.documents import strict_yaml
from tests.dashboard.conftest import Browser, Dashboard
from tests.dashboard.form_fields import FormFields
from tests.dashboard.test_delivery_form import HEAD, Form

WHOLE = f"""\
{HEAD}masks:
  public.a.email: email
  public.a.phone: {{mask: phone, keep_prefix: 3}}
rows:
  public.a: {{last_days: 9, by: at}}
deliver:
  - twin: {{connection: staging}}
  - files: {{format: csv}}
  - bucket: {{connection: lake, formats: [csv]}}
  - container: {{image: "registry.internal/report:1"}}
after_load: [{{file: logins.sql}}]
limits: {{parallel: 4}}
"""


@pytest.fixture
def browser(dashboard: Dashboard) -> Browser:
    return dashboard.signed_in()


def test_a_whole_document_has_no_error_at_any_field() -> None:
    assert field_errors(documents.check(WHOLE)) == {}
    assert field_errors(documents.check("id: [")) == {}


@pytest.mark.parametrize(
    ("good", "wrong", "field"),
    [
        ("id: shop", "id: Shop!", "f-id"),
        ("source: production\n", "", "f-source"),
        ('include: ["public.*"]', 'include: ["public"]', "f-include"),
        ('unlisted: "null"', "unlisted: maybe", "u-halt"),
        ("public.a.email: email", "public.a.email: emial", "m-name-0"),
        ("keep_prefix: 3", "keep_prefix: many", "m-1-keep_prefix"),
        ("last_days: 9", "last_days: -1", "r-days-0"),
        ("connection: staging", "connection: a b", "f-twin-0"),
        ("format: csv", "format: xml", "d-files-0-format"),
        ("formats: [csv]", "formats: [xml]", "d-bucket-0-formats"),
        ("connection: lake", "connection: a b", "d-bucket-0-connection"),
        ("parallel: 4", "parallel: none", "l-parallel"),
    ],
)
def test_each_is_said_at_its_own_field_which_the_form_has(
    browser: Browser, good: str, wrong: str, field: str
) -> None:
    assert good in WHOLE
    text = WHOLE.replace(good, wrong)
    given = {"edited": "yaml", "yaml": text, "based_on": "0", "add": ""}
    answer = browser.post("/preview-workflow", given).json()
    assert list(answer["errors"]) == [field], answer["errors"]
    assert f'id="{field}"' in answer["fields"]
    assert answer["errors"][field].endswith(".") and "(" not in answer["errors"][field][:1]


def test_the_page_says_them_before_anything_is_typed(browser: Browser) -> None:
    answer = browser.post("/workflows", {"yaml": WHOLE.replace("id: shop", "id: Shop!"), "based_on": "0"})
    assert answer.status_code == 422
    assert "f-id" in answer.text.split('data-errors="', 1)[1].split('"', 1)[0]


def test_a_bucket_is_shown_changed_and_made_from_nothing(browser: Browser) -> None:
    assert Form(browser, WHOLE).text() == WHOLE
    changed = Form(browser, WHOLE).sent(d__bucket__0__formats="csv\narchive", d__bucket__0__keep="14")
    assert changed["deliver"][2] == {
        "bucket": {"connection": "lake", "formats": ["csv", "archive"], "keep": 14}
    }
    text = f"{HEAD}deliver:\n  - twin: {{connection: staging}}\n"
    without_twin = Form(browser, text, add="bucket").text(
        twin="", d__bucket__0__connection="lake", d__bucket__0__formats="parquet"
    )
    # Where it is built is asked for once there is no twin to write from.
    made = Form(browser, without_twin).text(d__bucket__0__build_in="b")
    assert documents.check(made).problems == ()
    assert strict_yaml.load(made, "test").data["deliver"] == [
        {"bucket": {"connection": "lake", "formats": ["parquet"], "build_in": "b"}}
    ]


def test_many_masks_are_folded_by_table_and_stay_to_the_letter(browser: Browser) -> None:
    tables = [f"  public.t{table}.c{column}: email\n" for table in range(4) for column in range(5)]
    text = f"{HEAD}masks:\n{''.join(tables)}  public.alone.c: email\ndeliver: [{{twin: {{connection: s}}}}]\n"
    given = {"edited": "yaml", "yaml": text, "based_on": "1", "add": ""}
    shown = browser.post("/preview-workflow", given).json()["fields"]
    assert shown.count('<details class="masks"') == 4
    fields = FormFields(shown).fields
    assert [value for name, value in fields if name == "mask_row"] == [str(number) for number in range(21)]
    assert Form(browser, text).text() == text


def test_the_schema_is_for_those_who_are_signed_in(dashboard: Dashboard, browser: Browser) -> None:
    assert "MaskSpec" in browser.get("/workflow-schema.json").json()["$defs"]
    assert dashboard.client().get("/workflow-schema.json").status_code in {303, 401}
