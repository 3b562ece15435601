"""A run from the command line needs Docker only for a workflow with containers of its own."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.cli.work.workflows.local_containers import hand_over_all
from appliance.policy.policy import Policy
from appliance.receipts.book import ReceiptBook
from appliance.receipts.predicate import AskedBy
from appliance.settings.settings import Settings
from appliance.steps.calling.call import StepPaths
from appliance.steps.local.observer import SilentObserver
from appliance.steps.local.run import LocalRun
from appliance.steps.records.run_receipt import Signing
from appliance.steps.records.run_spec import RunSpec
from appliance.workflow.document import Workflow


def test_a_workflow_without_containers_runs_where_no_docker_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)
    document = {
        "id": "plain",
        "source": "production",
        "tables": {"include": ["*.*"]},
        "deliver": [{"twin": {"connection": "staging"}}],
    }
    spec = RunSpec(
        run_id="plain-20240101T000000Z-0001",
        workflow=Workflow.model_validate(document),
        origin="local",
        policy=Policy(),
        created_at=datetime.now(UTC),
        appliance_version="0",
    )
    run = LocalRun(
        spec=spec,
        connections={},
        key=bytes(32),
        paths=StepPaths(tmp_path, tmp_path),
        exports_dir=tmp_path,
        signing=Signing(
            book=ReceiptBook(tmp_path, tmp_path),
            key=bytes(32),
            source_address="production",
            asked_by=AskedBy(kind="command line"),
        ),
    )
    assert hand_over_all(run, Settings(), {}, tmp_path)(SilentObserver()) == []
