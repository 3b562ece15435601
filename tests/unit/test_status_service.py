"""The status service with both databases away: it answers, says so, and lets in only whom it should."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import TypeAdapter
from starlette.testclient import TestClient

import appliance
from appliance.cli.work.host.status_client import read
from appliance.cloud.enrolment import Identity, save_identity
from appliance.errors import WorkFailedError, WrongRequestError
from appliance.releases.repository.seen import Available, Seen, write_seen
from appliance.settings.settings import Settings, load_settings
from appliance.status.calls.guard import required_token
from appliance.status.facts.certificates import expiries
from appliance.status.facts.exports_shown import ExportsShown
from appliance.status.metrics import metrics
from appliance.status.report import Certificate, Component, Disk, LastRun, Report, Runs
from appliance.status.service import create_app
from appliance.status.state import State, _Airflow
from appliance.store.rows import OutboxDepth, StandingTwin
from appliance.supervision.idle_dag_processor import MARKER
from appliance.system.last_backup import LastBackup
from tests.unit.example_report import NOW, dashboard_link, report, run_line, workflow_state


def settings(folder: Path, **variables: str) -> Settings:
    config = folder / "appliance.yaml"
    config.write_text("{}\n")
    given = {
        "CONFIG_DIR": str(folder),
        "STATE_DIR": str(folder),
        "DATABASE_URL": "host=127.0.0.1 port=9 dbname=none",
        "AIRFLOW_DATABASE_URL": "host=127.0.0.1 port=9 dbname=none",
        "AIRFLOW_EXECUTION_API_URL": "http://127.0.0.1:9/execution/",
        **variables,
    }
    return load_settings(config, {f"APPLIANCE_{name}": value for name, value in given.items()})


def client(given: Settings, host: str = "http://127.0.0.1:8642") -> TestClient:
    return TestClient(create_app(given), base_url=host, follow_redirects=False)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=status", "-days", "40",
         "-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return tmp_path / "cert.pem"


def test_with_everything_away_it_answers_and_says_what_is_away(tmp_path: Path) -> None:
    asked = client(settings(tmp_path))
    health = asked.get("/healthz")
    assert health.status_code == 503
    assert "postgres: does not answer" in health.json()["reasons"]
    status = asked.get("/status").json()
    assert status["healthy"] is False and status["runs"]["current"] is None
    assert asked.get("/metrics").status_code == asked.get("/").status_code == 200


@pytest.mark.parametrize("heartbeats", [{}, {"dag_processor": 1093.0}], ids=["ended", "killed once"])
def test_a_dag_processor_that_rests_is_well_whatever_became_of_an_earlier_one(
    tmp_path: Path, heartbeats: dict[str, float]
) -> None:
    """A power cut leaves the row of the killed one as running, with its last heartbeat, for ever."""
    state = State(settings(tmp_path, RUNTIME_DIR=str(tmp_path)))

    def shown() -> str | None:
        parts = state._airflow_components(_Airflow(heartbeats), None)
        return next(part.problem for part in parts if part.name == "dag_processor")

    assert shown() is not None
    (tmp_path / MARKER).touch()
    assert shown() is None


def test_docker_is_a_part_where_its_watcher_has_looked(tmp_path: Path) -> None:
    """A run that cannot start a container fails: a status that says all is well would be no help."""
    asked = client(settings(tmp_path, RUNTIME_DIR=str(tmp_path)))
    assert "docker" not in {part["name"] for part in asked.get("/status").json()["components"]}
    for problem, state in (("does not answer (systemctl status docker)", "down"), ("", "ok")):
        (tmp_path / "docker-answers").write_text(problem)
        # What was answered a moment ago is answered again for a second.
        fresh = client(settings(tmp_path, RUNTIME_DIR=str(tmp_path)))
        (part,) = [part for part in fresh.get("/status").json()["components"] if part["name"] == "docker"]
        assert (part["state"], part["problem"]) == (state, problem or None)
        reasons = fresh.get("/healthz").json()["reasons"]
        assert (f"docker: {problem}" in reasons) is bool(problem)


def test_with_everything_away_a_workflow_that_cannot_run_is_still_said_to_be_invalid(tmp_path: Path) -> None:
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "typo.yaml").write_text(
        "id: typo\nsource: production\ntables: {include: [public.customer]}\n"
        "masks: {public.customer.email: emial}\ndeliver: [{twin: {connection: staging}}]\n"
    )
    given = settings(tmp_path, CONFIG_DIR=str(tmp_path), STATE_DIR=str(tmp_path / "state"))
    (shown,) = client(given).get("/status").json()["workflows"]
    assert shown["state"] == "invalid"
    assert "there is no mask `emial`" in shown["problem"] and "typo.yaml:4" in shown["problem"]


def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    asked = client(settings(tmp_path))
    for path in ("/", "/page.css", "/page.js"):
        answer = asked.get(path)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "http://" not in answer.text and "https://" not in answer.text
        assert "innerHTML =" not in answer.text


def everything() -> Report:
    """A report in which nothing is unknown."""
    run = LastRun("r", "succeeded", NOW, NOW, 74.25)
    running, queued = run_line(state="running"), run_line(state="queued")
    return report(
        healthy=False,
        reasons=("scheduler: is not running",),
        components=(Component("scheduler", "down", "is not running"),),
        workflows=(
            workflow_state('a"\\\nb', next_run_at=NOW, last_run=run),
            workflow_state("new", state="waiting"),
            workflow_state(None, state="invalid"),
        ),
        runs=Runs(current=(running, queued, running), recent=()),
        outbox=OutboxDepth(waiting=12, oldest_seconds=3.5, dropped=7, rejected=0),
        disk=Disk("/", 2 * 10**11, 10**11, "ok", 10**10, 10**9, "held"),
        dashboard=dashboard_link(last_contact_at=NOW, clock_offset_seconds=-0.2),
        certificates=(Certificate("/etc/x.pem", "production", NOW),),
        receipts=None,
        twins=(StandingTwin("staging", "shop", "shop-1", NOW),),
        exports=ExportsShown(count=2, bytes=4_711, newest=()),
        last_backup=LastBackup(at=NOW, file="/backup.age", bytes=9, release="1.0.0"),
    )


def test_the_metrics_are_read_by_prometheus_own_parser_and_named_as_it_asks() -> None:
    found = {family.name: family for family in text_string_to_metric_families(metrics(everything()))}
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in found.values()
        for sample in family.samples
    }
    assert samples[("appliance_healthy",)] == 0
    assert samples[("appliance_component_up", "scheduler")] == 0
    assert samples[("appliance_runs", "running")] == 2
    assert samples[("appliance_workflow_last_run_duration_seconds", 'a"\\\nb')] == 74.25
    assert samples[("appliance_outbox_dropped_events_total",)] == 7
    assert (
        samples[("appliance_certificate_expiry_timestamp_seconds", "/etc/x.pem", "production")]
        == NOW.timestamp()
    )
    assert samples[("appliance_twin_published_timestamp_seconds", "staging", "shop")] == NOW.timestamp()
    assert (samples[("appliance_exports",)], samples[("appliance_exports_bytes",)]) == (2, 4_711)
    assert samples[("appliance_last_backup_timestamp_seconds",)] == NOW.timestamp()
    for name, family in found.items():
        assert name.startswith(("appliance_", "process_")) and family.documentation
        assert (family.type == "counter") == any(s.name.endswith("_total") for s in family.samples)


def test_what_is_not_known_is_no_metric() -> None:
    unknown = report(runs=Runs(None, None))
    names = {family.name for family in text_string_to_metric_families(metrics(unknown))}
    assert "appliance_runs" not in names and "appliance_outbox_events" not in names


def test_a_page_from_elsewhere_cannot_ask_under_a_name_of_its_own(tmp_path: Path) -> None:
    for host in ("http://evil.example", "http://evil.example:8642", "http://localhost.evil.example"):
        assert client(settings(tmp_path), host).get("/status").status_code == 421
    for host in ("http://localhost:8642", "http://127.0.0.1", "http://[::1]:8642"):
        assert client(settings(tmp_path), host).get("/page.js").status_code == 200


def test_wherever_no_token_is_asked_for_the_name_is_looked_at(tmp_path: Path) -> None:
    guarded = {"STATUS_HOST": "0.0.0.0", "STATUS_GUARDED_ELSEWHERE": "true"}
    for given in (settings(tmp_path, **guarded), settings(tmp_path, STATUS_HOST="127.0.0.2")):
        for host in ("http://evil.example", "http://status:8642", "http://localhost@evil.example"):
            assert client(given, host).get("/status").status_code == 421
            assert client(given, host).post("/enrol", json={"token": "ape_x"}).status_code == 421
        for host in ("http://LocalHost:1", "http://127.0.0.1:8642", "http://[::1]:8642"):
            assert client(given, host).get("/page.js").status_code == 200
    named = settings(tmp_path, **guarded, STATUS_NAMES="status, appliance.corp")
    for host in ("http://status:8642", "http://Appliance.corp"):
        assert client(named, host).get("/page.js").status_code == 200
    assert client(named, "http://evil.example").get("/page.js").status_code == 421


def test_another_address_than_loopback_demands_tls(tmp_path: Path) -> None:
    with pytest.raises(WrongRequestError, match=r"may not listen on 0\.0\.0\.0 without TLS"):
        create_app(settings(tmp_path, STATUS_HOST="0.0.0.0"))
    assert required_token(settings(tmp_path, STATUS_HOST="0.0.0.0", STATUS_GUARDED_ELSEWHERE="true")) is None
    assert required_token(settings(tmp_path, STATUS_HOST="::1")) is None


def test_another_address_than_loopback_demands_the_token(tmp_path: Path, certificate: Path) -> None:
    given = settings(
        tmp_path,
        STATUS_HOST="0.0.0.0",
        STATUS_TLS_CERTIFICATE=str(certificate),
        STATUS_TLS_KEY=str(tmp_path / "key.pem"),
    )
    asked = client(given, "https://appliance.corp:8642")
    path = tmp_path / "keys" / "status-token"
    token = path.read_text().strip()
    assert path.stat().st_mode & 0o777 == 0o600
    for refused in ("/", "/status", "/metrics", "/healthz", "/runs"):
        assert asked.get(refused).status_code == 401
    assert asked.get("/status", headers={"authorization": "Bearer wrong"}).status_code == 401
    assert asked.get("/status", headers={"authorization": f"Bearer {token}"}).status_code == 200
    assert "A token is needed" in asked.get("/", headers={"accept": "text/html"}).text
    assert asked.post("/sign-in", data={"token": "wrong"}).status_code == 401
    signed_in = asked.post("/sign-in", data={"token": token})
    assert signed_in.status_code == 303
    assert all(word in signed_in.headers["set-cookie"] for word in ("Secure", "HttpOnly", "SameSite=Strict"))
    assert asked.get("/status").status_code == 200, "the browser keeps the cookie"


def test_it_knows_when_certificates_expire(tmp_path: Path, certificate: Path) -> None:
    given = settings(
        tmp_path, STATUS_TLS_CERTIFICATE=str(certificate), STATUS_TLS_KEY=str(tmp_path / "key.pem")
    )
    [found] = expiries(given)
    assert timedelta(days=39) < found.expires_at - datetime.now(UTC) < timedelta(days=41)
    (tmp_path / "bad.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert expiries(settings(tmp_path, STATUS_TLS_CERTIFICATE=str(tmp_path / "bad.pem"))) == ()


def test_what_goes_on_behind_the_page_is_not_loaded_before_it_answers() -> None:
    start = "import appliance.status.serving, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", start],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "appliance.status.service" in loaded
    needless = ("httpx", "rich", "typer", "airflow", "docker", "jinja2")
    assert [name for name in loaded if name.split(".")[0] in needless] == []
    behind = (
        "appliance.masking",
        "appliance.postgres",
        "appliance.contract.calls",
        "appliance.cloud.reporter",
    )
    assert [name for name in loaded if name.startswith(behind)] == []


def test_a_page_enrols_with_no_dashboard_but_the_settings_own_and_for_no_other_site(tmp_path: Path) -> None:
    def enrol(given: Settings, **headers: str) -> tuple[int, str]:
        answer = client(given).post("/enrol", json={"token": "ape_" + "x" * 43}, headers=headers)
        return answer.status_code, answer.text

    assert enrol(settings(tmp_path))[0] == 409
    named = settings(tmp_path, DASHBOARD_URL="https://127.0.0.1:9")
    assert enrol(named, origin="https://evil.example")[0] == 403
    assert enrol(named, **{"sec-fetch-site": "cross-site"})[0] == 403
    code, said = enrol(named, origin="http://127.0.0.1:8642")
    assert code == 503 and "could not be reached" in said
    as_form = client(named).post("/enrol", content='{"token": "x"}', headers={"content-type": "text/plain"})
    assert as_form.status_code == 422
    with_address = client(named).post("/enrol", json={"token": "x", "url": "https://evil.example"})
    assert with_address.status_code == 422
    save_identity(named.identity_file, Identity("https://127.0.0.1:9", "id", "name", "apl_x"))
    code, said = enrol(named)
    assert code == 409 and "enrolled already" in said


def test_why_a_look_at_the_release_repository_came_to_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.status.state.ROOT", tmp_path)
    asked = client(settings(tmp_path))
    assert asked.get("/status").json()["release_look"] is None
    (tmp_path / "trust").mkdir()
    seen = Seen(
        at=NOW,
        source="https://user:word@releases.example.com",
        channel="stable",
        releases=(Available(version="99.0.0", released_at=NOW),),
        revoked={appliance.__version__: "It loses rows."},
        problem="What it says has expired.",
    )
    write_seen(tmp_path, seen)
    answer = client(settings(tmp_path)).get("/status")
    assert answer.json()["release_look"] == {
        "at": NOW.isoformat().replace("+00:00", "Z"),
        "channel": "stable",
        "problem": "What it says has expired.",
        "newer": "99.0.0",
        "revoked": "It loses rows.",
    }
    assert "word" not in answer.text, "an address may hold a password"


def test_the_keys_of_its_answers_are_those_that_page_and_monitors_read(tmp_path: Path) -> None:
    keys = {
        "version", "now", "started_at", "healthy", "reasons", "components", "workflows", "runs", "outbox",
        "refused", "wanted_release", "release_look", "disk", "dashboard", "certificates", "receipts",
        "erasures", "name", "policy", "connections", "twins", "exports", "last_backup",
    }  # fmt: skip
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "odd.yaml").write_text("id: odd\n")
    asked = client(settings(tmp_path))
    answer = asked.get("/status").json()
    assert set(answer) == keys
    assert set(answer["runs"]) == {"current", "recent"}
    assert set(answer["components"][0]) == {"name", "state", "problem", "next_step"}
    assert set(answer["workflows"][0]) == {
        "id", "title", "file", "origin", "state", "problem", "schedule", "timezone", "next_run_at",
        "last_run", "last_success_at", "kept", "drift", "drift_check",
    }  # fmt: skip
    assert set(answer["disk"]) == {
        "path", "total_bytes", "free_bytes", "level", "low_below_bytes", "runs_need_bytes", "reserve",
    }  # fmt: skip
    assert set(asked.get("/healthz").json()) == {"healthy", "reasons"}


def test_every_answer_is_described_by_a_model(tmp_path: Path) -> None:
    document = create_app(settings(tmp_path)).openapi()
    for path, model in {"/status": "Report", "/healthz": "Health", "/runs/{run_id}": "RunDetails"}.items():
        answer = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
        assert answer["schema"] == {"$ref": f"#/components/schemas/{model}"}


def test_a_report_is_read_back_as_it_was_made() -> None:
    """What the command line reads is what the service writes."""
    shown = TypeAdapter(Report).dump_python(everything(), mode="json")
    assert read(Report, shown) == everything()
    with pytest.raises(WorkFailedError, match="another release"):
        read(Report, shown | {"healthy": "perhaps"})


def owner_of(given: Settings) -> TestClient:
    """A browser on loopback that has signed in."""
    asked = client(given)
    token = (given.status_dir / "status-token").read_text().strip()
    signed_in = asked.post("/sign-in", data={"token": token})
    assert signed_in.status_code == 303
    assert "Secure" not in signed_in.headers["set-cookie"] and "HttpOnly" in signed_in.headers["set-cookie"]
    return asked


@pytest.mark.parametrize("path", ["/runs", "/runs/r1/cancel"])
def test_nothing_is_changed_on_loopback_without_the_owners_token(tmp_path: Path, path: str) -> None:
    asked = client(settings(tmp_path))
    assert asked.get("/owner").json()["is_owner"] is False
    for headers in ({}, {"authorization": "Bearer wrong"}, {"cookie": "appliance_token="}):
        assert asked.post(path, json={"workflow": "x"}, headers=headers).status_code == 401
    assert asked.post("/sign-in", data={"token": "wrong"}).status_code == 401
    assert asked.get("/status").status_code == 200, "what is only shown needs none"


@pytest.mark.parametrize("path", ["/runs", "/runs/r1/cancel"])
def test_no_other_site_changes_anything_through_the_owners_browser(tmp_path: Path, path: str) -> None:
    asked = owner_of(settings(tmp_path))
    assert asked.get("/owner").json()["is_owner"] is True
    wanted = {"workflow": "x"}
    for headers in ({"origin": "http://127.0.0.1:9"}, {"sec-fetch-site": "cross-site"}):
        assert asked.post(path, json=wanted, headers=headers).status_code == 403
    as_form = asked.post(path, content='{"workflow": "x"}', headers={"content-type": "text/plain"})
    assert as_form.status_code in (403, 422)


def test_the_owner_is_answered_why_a_workflow_cannot_run(tmp_path: Path) -> None:
    asked = owner_of(settings(tmp_path))
    answer = asked.post("/runs", json={"workflow": "nothing"}, headers={"origin": "http://127.0.0.1:8642"})
    assert answer.status_code == 409 and "There is no workflow 'nothing'" in answer.text
    assert asked.post("/runs/r1/cancel", json={}).status_code == 503, "the database is away"
    assert asked.post("/runs", json={"workflow": "x", "more": 1}).status_code == 422


def test_without_a_place_for_the_token_everything_is_shown_and_nothing_changed(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("no folder")
    asked = client(settings(tmp_path))
    assert asked.get("/status").status_code == 200
    assert asked.post("/runs", json={"workflow": "x"}).status_code == 401
    assert asked.post("/sign-in", data={"token": ""}).status_code in (401, 404, 405)
