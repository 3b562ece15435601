"""The reference pages and JSON Schemas are those of today's models, and lead where they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from appliance.cli.work.workflows.connections_template import connections_template
from appliance.connections.file import connections_of
from appliance.dashboard.pages.editing.edit import BEGINNING
from appliance.dashboard.pages.editing.presets import BEGINNING as BEGINNING_OF_A_PRESET
from appliance.dashboard.web.connection_template import template
from appliance.documents.json_schema import INSTALLED, editor_line
from appliance.documents.model import validate
from appliance.documents.strict_yaml import load
from appliance.policy.policy import Policy
from appliance.settings.settings import Settings
from appliance.subjects.document import Subjects
from appliance.workflow.document import Workflow
from appliance.workflow.presets.preset import PresetRules
from docs.pages import DOCS, out_of_date, schemas
from provisioning.knobs import defaults, read_knobs
from provisioning.release.bundle import CARRIED
from provisioning.units.settings_file import settings_file
from tests.unit.test_workflow_schema import keys

ROOT = DOCS.parent
SCHEMAS = schemas()
PAGES = [*ROOT.glob("*.md"), ROOT / "tests" / "README.md", *DOCS.rglob("*.md")]
FILES = sorted(
    path
    for folder in ("bench", "compose")
    for path in (ROOT / folder).rglob("*.yaml")
    if path.name != "compose.yaml"
)


def shop() -> Workflow:
    return validate(Workflow, load((ROOT / "compose/demo/workflows/staging-twin.yaml").read_text(), "demo"))


def appliance_yaml() -> str:
    return settings_file(read_knobs({**defaults(), "release_bundle": str(ROOT / "README.md")}))


TEXTS = {
    "README.md": re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0],
    "the template of connections.yaml": connections_template([shop()]),
    "the dashboard's template of connections.yaml": template("Hospital", [shop().model_dump(mode="json")]),
    "the dashboard's beginning of a workflow": BEGINNING,
    "the dashboard's beginning of a preset": BEGINNING_OF_A_PRESET,
    "the deploy's appliance.yaml": appliance_yaml(),
    **{str(path.relative_to(ROOT)): path.read_text() for path in FILES},
}


def test_every_page_and_schema_is_what_the_code_says_today() -> None:
    assert out_of_date() == [], "run: make docs"


@pytest.mark.parametrize("kind", SCHEMAS)
def test_a_schema_describes_every_key_with_an_example_that_fits(kind: str) -> None:
    schema = SCHEMAS[kind]  # type: ignore[index]
    Draft202012Validator.check_schema(schema)
    found = dict(keys(schema))
    assert len(found) > 10
    for path, described in found.items():
        assert described.get("description"), path
        assert described.get("examples"), path
        for example in described["examples"]:
            assert Draft202012Validator({**described, "$defs": schema["$defs"]}).is_valid(example), path


@pytest.mark.parametrize("name", TEXTS)
def test_a_document_of_ours_names_a_schema_that_is_there_and_fits_it(name: str) -> None:
    text = TEXTS[name]
    line = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert line, "its first line names no schema"
    place = Path(line[1])
    if place.is_relative_to(INSTALLED):
        assert "docs/schemas" in CARRIED
        place = DOCS / "schemas" / place.name
    elif not place.is_absolute():
        place = (ROOT / name).parent / place
    schema = yaml.safe_load(place.read_text())
    Draft202012Validator(schema).validate(yaml.safe_load(text))
    read_by_us(place.stem, text)


def read_by_us(kind: str, text: str) -> Any:
    document = load(text, "it")
    if kind == "connections":
        return connections_of(document)
    models = {
        "workflow": Workflow,
        "policy": Policy,
        "settings": Settings,
        "subjects": Subjects,
        "preset": PresetRules,
    }
    return validate(models[kind], document)


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_example_on_a_page_can_be_used(kind: str) -> None:
    page = (DOCS / "reference" / f"{kind}.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert read_by_us(kind, example)


def test_a_template_names_no_schema_where_none_is_installed(tmp_path: Path) -> None:
    assert editor_line("policy", [tmp_path]) == ""
    (tmp_path / "policy.json").write_text("{}")
    assert editor_line("policy", [tmp_path / "none", tmp_path]) == (
        f"# yaml-language-server: $schema={tmp_path}/policy.json\n"
    )


def test_texts_without_quotes_fit_the_schema_of_connections_as_they_fit_the_reader() -> None:
    text = "a: {host: h, dbname: 2024, user: yes, password: 0123456}\n"
    assert connections_of(load(text, "c.yaml"))["a"].password.get_secret_value() == "0123456"
    schema = Draft202012Validator(SCHEMAS["connections"])
    assert schema.is_valid({"a": {"host": "h", "dbname": 2024, "user": True, "password": 123456}})
    assert not schema.is_valid({"a": {"host": "h", "dbname": "d", "user": "u", "pasword": "p"}})
    assert not schema.is_valid({"a b": {"host": "h", "dbname": "d", "user": "u"}})


def test_every_link_between_pages_leads_to_something() -> None:
    dead = []
    for page in PAGES:
        for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", page.read_text())):
            file, _, anchor = link.partition("#")
            target = (page.parent / file) if file else page
            if not target.exists() or (anchor and anchor not in anchors(target)):
                dead.append(f"{page.relative_to(ROOT)}: {link}")
    assert dead == []


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    plain = [re.sub(r"[`*]", "", heading).strip().lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}
