"""Rehearsals on the dashboard: asked for on a workflow's page, the report on the command's."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

from appliance.contract.events import CommandChanged
from appliance.contract.rehearsals import (
    RehearsalReport,
    RehearsalReported,
    RehearsedTable,
    ReportedBlocked,
    ReportedDirection,
    ReportedFailure,
    ReportedLock,
    ReportedStatement,
)
from appliance.scrubbing.scrub import Scrubber
from tests.dashboard import seeds
from tests.dashboard.conftest import Dashboard
from tests.dashboard.simulated_appliance import now

DIGEST = f"registry.internal/m@sha256:{'a' * 64}"
marked = Scrubber().mark


def reported(command_id: UUID, *, whole: bool = True) -> RehearsalReported:
    statement = ReportedStatement(
        file="up.sql",
        line=3,
        statement=marked("ALTER TABLE customer ADD <b>"),
        ms=12.0,
        in_transaction=True,
        locks=(ReportedLock(table="public.customer", mode="AccessExclusiveLock", held_ms=11.0),),
        rewrites=("public.customer",),
        failure=ReportedFailure(sqlstate="42P01", why=marked("There is no such table.")),
    )
    table = RehearsedTable(
        table="public.customer",
        strongest="AccessExclusiveLock",
        held_ms=11.0,
        reader_blocked_ms=9.0,
        writer_blocked_ms=10.0,
        probed=True,
        bytes_before=1,
        blocked=(
            ReportedBlocked(start_ms=100, end_ms=250, who="writers"),
            ReportedBlocked(start_ms=900, end_ms=900.5, who="both"),
        ),
    )
    report = RehearsalReport(
        workflow="staging-twin",
        twin="twin",
        branch="twin__branch_x",
        kept=False,
        run="run-1",
        copy_of="golden",
        began_at=datetime.now(UTC),
        up=ReportedDirection(seconds=1.0, statements=(statement,), tables=(table,)),
        verdict="failed",
        reasons=(marked("The migration failed at up.sql:3."),),
    )
    return RehearsalReported(
        command_id=command_id,
        workflow="staging-twin",
        run_id="run-1",
        verdict="failed",
        seconds=1.0,
        statements=1,
        longest_blocked_ms=10.0,
        report=report if whole else None,
    )


def test_a_rehearsal_is_asked_for_and_its_report_stands_with_the_command(stored: Dashboard) -> None:
    appliance_id, simulated = stored.enrolled()
    stored.api.post("/v1/workflows", json={"yaml": seeds.STAGING}).raise_for_status()
    assigned = {"appliance_ids": [appliance_id]}
    stored.api.put("/v1/workflows/staging-twin/appliances", json=assigned).raise_for_status()
    browser = stored.signed_in()
    path = "/workflows/staging-twin/rehearsals"
    form = {"appliance": appliance_id, "image": DIGEST, "command": "migrate 'to up'", "sql": "", "down": ""}
    sent = browser.post(path, form)
    assert sent.status_code == 303, sent.text
    (command,) = stored.api.get(f"/v1/appliances/{appliance_id}").json()["commands"]
    wanted = {"workflow": "staging-twin", "image": DIGEST, "command": ["migrate", "to up"]}
    assert command["kind"] == "rehearse" and command["argument"] == wanted

    sql = browser.post(path, {"appliance": appliance_id, "sql": "SELECT 'a secret'", "image": ""})
    command_id = UUID(sql.headers["location"].rpartition("/")[2])
    assert "a secret" not in browser.get(sql.headers["location"]).text + str(stored.audit())
    (offered,) = [each for each in simulated.heartbeat().commands if each.id == command_id]
    assert offered.request.sql[0].text == "SELECT 'a secret'"

    simulated.tell(reported(command_id), now())
    simulated.tell(CommandChanged(command_id=command_id, state="done"), now())
    simulated.send(simulated.outbox)
    shown = browser.get(f"/commands/{command_id}").text
    assert "42P01" in shown and "ADD &lt;b&gt;" in shown and "public.customer" in shown
    # When others waited: a bar over the second that it took, and the same in words.
    assert '<rect class="writers" x="10.0" width="15.0" y="4" height="4"/>' in shown
    assert '<rect class="both" x="90.0" width="0.8" height="8"/>' in shown
    assert "writers from 0.10 s to 0.25 s; readers and writers from 0.90 s to 0.90 s" in shown
    assert f"/commands/{command_id}" in browser.get("/workflows/staging-twin").text
    assert f"/commands/{command_id}" in browser.get(f"/appliances/{appliance_id}").text
    found = stored.api.get(f"/v1/appliances/{appliance_id}/rehearsals/{command_id}").json()["found"]
    assert found["report"]["up"]["statements"][0]["rewrites"] == ["public.customer"]
    assert stored.api.get(f"/v1/appliances/{appliance_id}/rehearsals/{uuid4()}").status_code == 404


def test_without_names_only_the_verdict_is_shown(dashboard: Dashboard) -> None:
    appliance_id, simulated = dashboard.enrolled()
    body = {"kind": "rehearse", "workflow": "staging-twin", "image": DIGEST}
    sent = dashboard.api.post(f"/v1/appliances/{appliance_id}/commands", json=body).json()["id"]
    simulated.tell(reported(UUID(sent), whole=False), now())
    simulated.tell(CommandChanged(command_id=UUID(sent), state="done"), now())
    simulated.send(simulated.outbox)
    shown = dashboard.signed_in().get(f"/commands/{sent}").text
    assert "failed" in shown and "shares no names" in shown


def test_what_is_no_rehearsal_is_refused(dashboard: Dashboard) -> None:
    appliance_id, _ = dashboard.enrolled()
    path = f"/v1/appliances/{appliance_id}/commands"
    sql = [{"name": "up.sql", "text": "SELECT 1"}]
    for wrong in (
        {},
        {"image": "registry.internal/m:1"},
        {"image": DIGEST, "sql": sql},
        {"sql": [{"name": "up.sql", "text": "x" * 70_000}]},
    ):
        request = {"kind": "rehearse", "workflow": "staging-twin", **wrong}
        assert dashboard.api.post(path, json=request).status_code == 422


def test_one_that_is_not_over_is_cancelled_on_its_page(dashboard: Dashboard) -> None:
    appliance_id, simulated = dashboard.enrolled()
    body = {"kind": "rehearse", "workflow": "staging-twin", "image": DIGEST}
    sent = dashboard.api.post(f"/v1/appliances/{appliance_id}/commands", json=body).json()["id"]
    browser = dashboard.signed_in()
    simulated.heartbeat()
    simulated.tell(CommandChanged(command_id=UUID(sent), state="accepted"), now())
    simulated.send(simulated.outbox)
    path = f"/commands/{sent}/cancel"
    assert path in browser.get(f"/commands/{sent}").text
    assert browser.post(path, {}).headers["location"] == f"/commands/{sent}?note=cancelling"
    (offered,) = [each for each in simulated.heartbeat().commands if each.request.kind == "cancel"]
    assert str(offered.request.command_id) == sent and offered.request.run_id is None

    why = marked("The rehearsal was cancelled. The dashboard asked for it.")
    simulated.tell(CommandChanged(command_id=offered.id, state="done"), now())
    simulated.tell(CommandChanged(command_id=UUID(sent), state="cancelled", problem=why), now())
    simulated.send(simulated.outbox)
    shown = browser.get(f"/commands/{sent}").text
    assert "<h2>Cancelled</h2>" in shown and "The dashboard asked for it." in shown and path not in shown
    assert browser.post(path, {}).status_code == 422
    wrong = {"kind": "cancel", "run_id": "run-1", "command_id": sent}
    assert dashboard.api.post(f"/v1/appliances/{appliance_id}/commands", json=wrong).status_code == 422
