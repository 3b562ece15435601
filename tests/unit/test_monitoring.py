"""The alert rules and the Grafana dashboard of the repository ask for metrics that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from appliance.status.metrics import metrics
from appliance.store.workflow_totals import WorkflowTotals
from tests.unit.example_report import NOW, workflow_state
from tests.unit.test_status_service import everything

FOLDER = Path(__file__).parents[2] / "docs" / "monitoring"
NAME = re.compile(r"\bappliance_[a-z_]+\b")
TOTALS = (WorkflowTotals("shop", {"succeeded": 3, "failed": 1}, 300, 4_000, {"copy": 1.5}),)


def samples() -> dict[str, list[tuple[dict[str, str], float]]]:
    report = everything()
    workflow = workflow_state("shop", last_success_at=NOW - timedelta(hours=1), next_run_at=NOW)
    text = metrics(replace(report, workflows=(*report.workflows, workflow)), TOTALS)
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_what_all_runs_come_to_is_counted() -> None:
    found = samples()
    assert ({"workflow": "shop", "outcome": "succeeded"}, 3.0) in found["appliance_workflow_runs_total"]
    assert found["appliance_workflow_copied_rows_total"] == [({"workflow": "shop"}, 300.0)]
    assert found["appliance_workflow_copied_bytes_total"] == [({"workflow": "shop"}, 4_000.0)]
    assert found["appliance_workflow_step_duration_seconds"] == [({"workflow": "shop", "step": "copy"}, 1.5)]
    [success] = [
        value
        for labels, value in found["appliance_workflow_last_success_timestamp_seconds"]
        if labels["workflow"] == "shop"
    ]
    assert success == (NOW - timedelta(hours=1)).timestamp()


def test_every_alert_and_every_panel_asks_for_a_metric_that_there_is() -> None:
    rules = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"][0]["rules"]
    board = json.loads((FOLDER / "grafana.json").read_text())
    asked = [rule["expr"] for rule in rules]
    asked += [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    names = {name for expression in asked for name in NAME.findall(expression)}
    assert len(names) >= 12
    assert names <= set(samples()), names - set(samples())
    assert len({rule["alert"] for rule in rules}) == len(rules)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus' own tool checks the rules")
def test_the_rules_are_rules_to_prometheus_and_the_metrics_follow_its_conventions(tmp_path: Path) -> None:
    subprocess.run(
        ["promtool", "check", "rules", str(FOLDER / "alerts.yaml")], check=True, capture_output=True
    )
    text = metrics(everything(), TOTALS)
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
