"""A workflow that uses a preset: planned, run and signed, and each says whose rule it was."""

from __future__ import annotations

import json

import yaml

from tests.engine.scenario import Scenario
from tests.engine.test_receipts import files, statement_of

PII = {
    "name": "company-pii",
    "masks": {"*.*.email": "email", "*.*.full_name": "full_name", "*.*.phone": "phone", "*.*.iban": "iban"},
}


def with_preset(scenario: Scenario) -> None:
    folder = scenario.folder / "presets"
    folder.mkdir(exist_ok=True)
    (folder / "company-pii.yaml").write_text(yaml.safe_dump(PII))
    (folder / "idle.yaml").write_text("name: idle\nkeep: ['*.*.nowhere']\n")
    scenario.workflow |= {
        "use": ["company-pii", "idle"],
        "masks": {"crm.customer.notes": "null", "crm.customer.phone": "hash"},
        "keep": ["crm.customer.*", "public.invoice.*"],
    }


def test_a_plan_says_of_each_column_whose_rule_decides(scenario: Scenario) -> None:
    with_preset(scenario)
    planned = scenario.run("plan", "--columns")
    assert planned.code == 0, planned.text
    lines = {line.split()[0]: line for line in planned.out.splitlines() if line.strip()}
    assert "company-pii file-" in lines["email"] and lines["email"].endswith(": *.*.email")
    assert lines["phone"].endswith("crm.customer.phone") and "company-pii" not in lines["phone"]
    assert "the preset company-pii file-" in planned.out
    assert "no rule of the preset idle" in planned.out
    found = json.loads(scenario.run("plan", "--json").out)
    (customer,) = [each for each in found["tables"] if each["table"] == "crm.customer"]
    assert customer["rules"]["email"]["pattern"] == "*.*.email"
    assert customer["rules"]["email"]["preset"].startswith("company-pii file-")
    assert customer["rules"]["phone"] == {"pattern": "crm.customer.phone", "preset": None}


def test_a_run_follows_its_presets_and_keeps_them_with_its_papers(scenario: Scenario) -> None:
    with_preset(scenario)
    ended = scenario.run()
    assert ended.code == 0, ended.text
    raw = "SELECT count(*) FROM crm.customer WHERE email LIKE 'person%' OR full_name LIKE 'Person%'"
    assert scenario.target.value(scenario.twin, raw) == 0
    # The run's folder has the rules themselves, whatever becomes of the file.
    (spec,) = scenario.state.glob("runs/*/spec.json")
    used = json.loads(spec.read_text())["workflow"]["use"]
    assert [each["name"] for each in used] == ["company-pii", "idle"]
    assert used[0]["masks"] == PII["masks"]
    (path,) = files(scenario)
    said = statement_of(path)["predicate"]
    assert [(each["name"], each["version"]) for each in said["workflow"]["presets"]] == [
        ("company-pii", None),
        ("idle", None),
    ]
    (customer,) = [each for each in said["tables"] if each["table"] == "crm.customer"]
    whose = {each["column"]: each["preset"] for each in (*customer["masked"], *customer["kept"])}
    assert whose == {
        "id": None, "email": "company-pii", "full_name": "company-pii", "phone": None, "notes": None,
    }  # fmt: skip


def test_a_mask_of_a_preset_that_does_not_fit_is_said_with_the_presets_line(scenario: Scenario) -> None:
    with_preset(scenario)
    (scenario.folder / "presets" / "company-pii.yaml").write_text(
        "name: company-pii\nmasks:\n  '*.*.email': email\n  '*.*.full_name': full_name\n"
        "  '*.*.id': first_name\n"
    )
    refused = scenario.run("plan")
    assert refused.code == 2
    assert 'company-pii.yaml:5: use[0].masks."*.*.id": crm.customer.id: ' in refused.err
    assert "(as the preset company-pii file-" in refused.err
