"""Files, containers and SQL after loading in the workflow's form: what it shows is what it writes."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.dashboard.store import documents
from appliance.documents import strict_yaml
from tests.dashboard.conftest import Browser, Dashboard
from tests.dashboard.form_fields import FormFields

HEAD = """\
id: shop
source: production
tables: {include: ["public.*"]}
unlisted: "null"
"""
ALL = f"""\
{HEAD}deliver:
  # The twin comes first.
  - twin: {{connection: staging, expires_days: 9}}
  - files: {{format: parquet, rows_per_file: 10000, tables: {{include: ["public.a", "crm.*"]}}}}
  - container:
      image: registry.internal/report:1
      args: ["--month", "2026-01", ""]
      network: databases  # and nothing else
      cpus: 0.5
  - files: {{format: archive, layout: folder}}
after_load:
  - file: test-logins.sql
  - sql: |
      UPDATE shop.tenant
         SET name = 'Demo';
"""


class Form:
    """The form of a document, as a browser has it."""

    def __init__(self, browser: Browser, text: str, add: str = "") -> None:
        self._browser, self._text = browser, text
        given = {"edited": "form" if add else "yaml", "yaml": text, "based_on": "1", "add": add}
        if add:
            given |= dict(Form(browser, text).fields)
        self.fields = FormFields(browser.post("/preview-workflow", given).json()["fields"]).fields

    def without(self, prefix: str) -> Form:
        """A row is removed."""
        self.fields = [(name, value) for name, value in self.fields if not name.startswith(prefix)]
        return self

    def sent(self, **changes: str) -> dict[str, Any]:
        """What the YAML says once it is sent, with some fields filled in anew."""
        loaded: dict[str, Any] = strict_yaml.load(self.text(**changes), "test").data
        return loaded

    def text(self, **changes: str) -> str:
        """The YAML after that; in the names of fields ``__`` is a dot."""
        filled = {name.replace("__", "."): value for name, value in changes.items()}
        assert set(filled) <= {name for name, _ in self.fields}, "a field that the form does not have"
        body: dict[str, list[str]] = {"csrf": [self._browser.csrf("/account")], "yaml": [self._text]}
        for name, value in self.fields:
            body.setdefault(name, []).append(filled.get(name, value))
        given = {"edited": "form", "based_on": "1", **body}
        return str(self._browser.client.post("/preview-workflow", data=given).json()["yaml"])


@pytest.fixture
def browser(dashboard: Dashboard) -> Browser:
    return dashboard.signed_in()


def test_what_nobody_touches_stays_to_the_letter(browser: Browser) -> None:
    assert documents.check(ALL).problems == ()
    assert Form(browser, ALL).text() == ALL


def test_a_change_is_written_at_its_own_place(browser: Browser) -> None:
    before = Form(browser, ALL).sent()
    after = Form(browser, ALL).sent(
        d__files__0__rows_per_file="20000",
        d__files__1__expires_days="30",
        d__container__0__network="reports.internal:443\ndatabases",
        d__after_load__1__sql="SELECT 1",
    )
    twin, parquet, container, archive = after["deliver"]
    assert twin == before["deliver"][0]
    assert parquet["files"]["rows_per_file"] == 20_000
    assert parquet["files"]["tables"] == {"include": ["public.a", "crm.*"]}
    assert archive["files"] == {"format": "archive", "layout": "folder", "expires_days": 30}
    assert container["container"]["network"] == ["reports.internal:443", "databases"]
    assert container["container"]["args"] == ["--month", "2026-01", ""]
    assert after["after_load"] == [{"file": "test-logins.sql"}, {"sql": "SELECT 1"}]


def test_rows_that_are_removed_are_gone_and_the_others_keep_theirs(browser: Browser) -> None:
    after = Form(browser, ALL).without("d.files.0").without("d.files").sent()
    assert [next(iter(each)) for each in after["deliver"]] == ["twin", "container"]
    only = [("d.files", "1")]
    form = Form(browser, ALL)
    form.fields = [each for each in form.fields if each != ("d.files", "0") and "files.0" not in each[0]]
    assert only[0] in form.fields
    assert [each["files"]["format"] for each in form.sent()["deliver"] if "files" in each] == ["archive"]
    assert "after_load" not in Form(browser, ALL).without("d.after_load").sent()


def test_files_without_a_twin_are_made_from_nothing(browser: Browser) -> None:
    text = f"{HEAD}deliver:\n  - twin: {{connection: staging}}\n"
    form = Form(browser, text, add="files")
    made = form.text(
        twin="",
        d__files__0__format="jsonl",
        d__files__0__tables__include="a.*",
    )
    assert "d.files.0.build_in" not in dict(form.fields), "beside a twin it would be wrong"
    made = Form(browser, made).text(d__files__0__build_in="scratch")
    assert documents.check(made).problems == ()
    assert strict_yaml.load(made, "test").data["deliver"] == [
        {"files": {"format": "jsonl", "build_in": "scratch", "tables": {"include": ["a.*"]}}}
    ]


def test_a_container_and_sql_are_added_and_an_empty_row_writes_nothing(browser: Browser) -> None:
    text = f"{HEAD}deliver:\n  - twin: {{connection: staging}}\n"
    assert Form(browser, text, add="container").text() == text
    made = Form(browser, text, add="container").text(
        d__container__0__image="registry.internal/report:1",
        d__container__0__reads="twin",
        d__container__0__network="databases",
    )
    assert documents.check(made).problems == ()
    assert strict_yaml.load(made, "test").data["deliver"][1] == {
        "container": {"image": "registry.internal/report:1", "reads": "twin", "network": "databases"}
    }
    made = Form(browser, made, add="after_load").text(d__after_load__0__file="logins.sql")
    assert documents.check(made).workflow is not None
    assert strict_yaml.load(made, "test").data["after_load"] == [{"file": "logins.sql"}]


def test_arguments_stay_as_they_are_typed_and_what_no_lines_can_show_is_left_to_the_yaml(
    browser: Browser,
) -> None:
    text = Form(browser, ALL).text(d__container__0__args="--month\r\n\r\n  two words \r\n--last\r\n")
    made = strict_yaml.load(text, "test").data
    assert made["deliver"][2]["container"]["args"] == ["--month", "", "  two words ", "--last"]
    assert "network: databases  # and nothing else" in text
    lines = ALL.replace('["--month", "2026-01", ""]', '["-c", "one\\ntwo"]')
    form = Form(browser, lines)
    assert "d.container.0.args" not in dict(form.fields)
    kept = form.sent(d__container__0__memory_mb="64")["deliver"][2]["container"]
    assert (kept["args"], kept["memory_mb"]) == (["-c", "one\ntwo"], 64)


def test_sql_that_is_typed_keeps_its_lines_and_formats_may_be_separated_by_commas(browser: Browser) -> None:
    sql = "UPDATE a SET b = 1;\r\n\r\n-- then\r\nDELETE FROM c;"
    text = Form(browser, ALL).text(d__after_load__1__sql=sql)
    assert text.endswith("  - sql: |\n      UPDATE a SET b = 1;\n\n      -- then\n      DELETE FROM c;\n")
    bucket = Form(browser, ALL, add="bucket").sent(
        d__bucket__0__connection="lake", d__bucket__0__formats="csv, parquet"
    )["deliver"][-1]
    assert bucket == {"bucket": {"connection": "lake", "formats": ["csv", "parquet"]}}


@pytest.mark.parametrize(
    "wrong", ["deliver: files", "deliver: [files, 3, {files: csv}]", "after_load: [1, {sql: 2}]"]
)
def test_what_is_no_delivery_at_all_is_left_alone(browser: Browser, wrong: str) -> None:
    text = f"{HEAD}{wrong}\n"
    assert (
        Form(browser, text).sent()[wrong.split(":", maxsplit=1)[0]]
        == strict_yaml.load(text, "test").data[wrong.split(":", maxsplit=1)[0]]
    )
