"""A dashboard that has been taken over can make the appliance wait and complain, and nothing else."""

from __future__ import annotations

import json
import resource
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.cloud.client import DashboardAwayError, DashboardClient
from appliance.cloud.enrolment import Identity, save_identity
from appliance.cloud.workflows import CloudSync
from appliance.connections.file import load_connections
from appliance.contract.calls import WorkflowSet
from appliance.contract.fields import document_digest
from tests.cloud import hostile
from tests.cloud.appliance_rig import WORKFLOW, ApplianceRig
from tests.cloud.hostile import body, cut, drip, endless, hostile_dashboard

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
MANY = b"[" * 3_000_000
ANSWERS: dict[str, hostile.Answer] = {
    "drips its headers": drip(b"HTTP/1.1 200 OK\r\n", b"x-a: b\r\n"),
    "drips its body": drip(CHUNKED, b"1\r\n{\r\n"),
    "says nothing": drip(b"", b""),
    "never ends": endless(CHUNKED, b"10000\r\n" + b"[" * 65_536 + b"\r\n"),
    "has endless headers": endless(HEAD, b"x-a: " + b"b" * 4000 + b"\r\n"),
    "sends garbage": body(b"\x00\xff" * 500),
    "is not HTTP": lambda client: client.sendall(b"220 mail.example ESMTP\r\n"),
    "sends deep nesting": body(b"[" * 200_000),
    "sends a deep document": body(b'{"etag":"' + b"0" * 64 + b'","workflows":' + b'{"a":' * 50_000),
    "sends a compressed bomb": body(b"\x1f\x8b" + b"\x00" * 100, "200 OK", "content-encoding: gzip"),
    "redirects": body(b"", "302 Found", "location: http://127.0.0.1:1/"),
    "redirects for good": body(b"", "308 Permanent Redirect", "location: https://evil.example/"),
    "cuts off": cut(b'{"etag":"'),
    "sends an empty body": body(b""),
    "sends null": body(b"null"),
    "fails": body(b"<h1>oops", "500 Internal Server Error"),
    "is busy for a year": body(b"", "429 Too Many", "retry-after: 31536000"),
    "sends millions of empty lists": body(
        b'{"etag":"' + b"0" * 64 + b'","workflows":[{"id":"a","revision":1,"digest":"' + b"0" * 64
        + b'","document":{"a":[' + b"[]," * 2_500_000 + b"[]]}}]}"
    ),
}  # fmt: skip


@pytest.mark.parametrize("answer", list(ANSWERS.values()), ids=list(ANSWERS))
def test_however_it_answers_the_call_ends_in_time_and_in_memory(
    answer: hostile.Answer, rig: ApplianceRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = CloudSync(rig.settings)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    monkeypatch.setattr("appliance.cloud.workflows.SYNC_TIMEOUT_S", 2.0)
    with hostile_dashboard(answer) as url:
        client = DashboardClient(url, version="1", token="x" * 20)
        began = time.monotonic()
        with pytest.raises(DashboardAwayError) as caught:
            sync.fetch(client, rig.db)
        client.close()
    assert time.monotonic() - began < 60
    assert caught.value.retry_after <= 300
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000, "kilobytes"
    assert sync.etag is None and not list(rig.workflow_folder.glob("*"))


def heartbeat_answer(**changes: Any) -> bytes:
    usual = {
        "server_time": "2026-01-01T00:00:00Z",
        "heartbeat_seconds": 3,
        "workflows_etag": "0" * 64,
        "commands": [],
    }
    return json.dumps(usual | changes).encode()


def enrolled_with(rig: ApplianceRig, url: str) -> None:
    identity = Identity(url, "7e0f7c7e-6a56-4c3c-a5a5-0a3c1a0a9d11", "x", "y" * 30)
    save_identity(rig.settings.identity_file, identity)


@pytest.mark.parametrize(
    "answer",
    [
        body(b"garbage"),
        body(heartbeat_answer(heartbeat_seconds=0)),
        body(
            heartbeat_answer(
                commands=[{"id": "x", "expires_in": 1, "request": {"kind": "run", "workflow": "../x"}}]
            )
        ),
        body(
            heartbeat_answer(
                commands=[{"id": "x", "expires_in": 1, "request": {"kind": "shell", "line": "id"}}]
            )
        ),
        body(b"", "302 Found", "location: file:///etc/passwd"),
    ],
    ids=["garbage", "a heartbeat every moment", "a run of a path", "an unknown command", "a redirect"],
)
def test_a_heartbeat_that_is_answered_badly_costs_a_longer_wait_and_nothing_else(
    answer: hostile.Answer, rig: ApplianceRig
) -> None:
    with hostile_dashboard(answer) as url:
        enrolled_with(rig, url)
        rig.tell_run("staging-twin-1")
        rig.reporter.turn()
        assert rig.reporter.describe().problem
        assert rig.reporter._beat.remaining_s > 0
    assert rig.waiting == 5
    assert rig.db.execute("SELECT FROM appliance.command").fetchall() == []


def test_commands_come_to_an_end_however_many_are_sent(rig: ApplianceRig) -> None:
    from uuid import uuid4

    def flood(client: Any) -> None:
        wanted = [
            {"id": str(uuid4()), "expires_in": 900, "request": {"kind": "run", "workflow": "w"}}
            for _ in range(20)
        ]
        body(heartbeat_answer(commands=wanted))(client)

    with hostile_dashboard(flood) as url:
        enrolled_with(rig, url)
        for _ in range(12):
            rig.is_done_trying()
            rig.beat_now()
            rig.reporter.turn()
    row = rig.db.execute("SELECT count(*) AS n FROM appliance.command").fetchone()
    assert row is not None and row["n"] == 120


@pytest.mark.parametrize(
    "name", ["../../etc/cron.d/x", "/etc/passwd", "..", "a/b", "a\0b", ".hidden", "A", "", "x" * 64]
)
def test_no_id_leads_out_of_the_folder(name: str, rig: ApplianceRig) -> None:
    document = WORKFLOW | {"id": name}
    entry = {"id": name, "revision": 1, "digest": document_digest(document), "document": document}
    answer = body(json.dumps({"etag": "1" * 64, "workflows": [entry]}).encode())
    with hostile_dashboard(answer) as url:
        client = DashboardClient(url, version="1", token="x" * 20)
        with pytest.raises(DashboardAwayError):
            CloudSync(rig.settings).fetch(client, rig.db)
        client.close()
    assert not list(rig.workflow_folder.glob("**/*"))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"deliver": [{"twin": {"connection": "attacker"}}]}, "write"),
        ({"source": "elsewhere"}, "read"),
        ({"rows": {"public.customer": {"where": "pg_read_file('/etc/passwd') <> ''"}}}, "sql_from_cloud"),
        ({"image": "evil/image"}, None),
        ({"deliver": [{"http": {"url": "https://evil.example"}}]}, None),
        ({"masks": {"public.customer.email": {"mask": "email", "run": "id"}}}, None),
    ],
    ids=["another target", "another source", "SQL", "an image", "an address", "an odd parameter"],
)
def test_what_policy_or_the_document_does_not_allow_is_never_in_force(
    changes: dict[str, Any], rule: str | None, rig: ApplianceRig
) -> None:
    document = WORKFLOW | changes
    entry = {"id": "staging-twin", "revision": 1, "digest": document_digest(document), "document": document}
    given = WorkflowSet.from_wire(json.dumps({"etag": "1" * 64, "workflows": [entry]}))
    sync = CloudSync(rig.settings)
    sync.take_up(given, rig.db)
    assert sync.taken["staging-twin"].rule == rule
    assert sync.taken["staging-twin"].state == ("refused" if rule else "invalid")
    assert not list(rig.workflow_folder.glob("[!.]*"))


def test_a_dashboard_with_a_wrong_certificate_gets_no_token(tmp_path: Path, rig: ApplianceRig) -> None:
    import ssl
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    heard: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(str(self.headers))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-days", "2",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(tmp_path / "k.pem"),
         "-out", str(tmp_path / "c.pem")],
        check=True,
        capture_output=True,
    )  # fmt: skip
    server = HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "c.pem", tmp_path / "k.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"https://127.0.0.1:{server.server_port}"
    try:
        untrusting = DashboardClient(url, version="1", token="secret" * 5)
        with pytest.raises(DashboardAwayError, match="certificate is not trusted"):
            untrusting.call("POST", "/v1/appliance/heartbeat", "{}")
        untrusting.close()
        assert heard == []
        trusting = DashboardClient(url, version="1", token="secret" * 5, ca_file=tmp_path / "c.pem")
        assert trusting.call("POST", "/v1/appliance/heartbeat", "{}").status == 200
        trusting.close()
        assert "secret" in heard[0]
    finally:
        server.shutdown()
        server.server_close()


def test_the_status_service_answers_while_the_dashboard_does_not(
    rig: ApplianceRig, answers_quickly: Callable[[], None]
) -> None:
    with hostile_dashboard(drip(CHUNKED, b"1\r\n{\r\n")) as url:
        enrolled_with(rig, url)
        rig.reporter.background.start()
        for _ in range(20):
            answers_quickly()


@pytest.fixture
def answers_quickly(rig: ApplianceRig) -> Callable[[], None]:
    from starlette.testclient import TestClient

    from appliance.status.service import create_app

    asked = TestClient(create_app(rig.settings, rig.reporter._state), base_url="http://127.0.0.1")

    def ask() -> None:
        assert asked.get("/healthz").status_code == 503
        assert asked.get("/page.js").status_code == 200

    return ask


def test_connections_are_not_named_with_where_they_lead(rig: ApplianceRig) -> None:
    file = rig.settings.connections_file
    file.write_text(
        "production: {host: db.secret.internal, dbname: shop, user: reader, password: hunter2-hunter2}\n"
    )
    file.chmod(0o600)
    assert load_connections(file)
    heard: list[bytes] = []

    def listen(client: Any) -> None:
        client.settimeout(0.3)
        with pytest.raises(OSError):
            while data := client.recv(65_536):
                heard.append(data)
        body(heartbeat_answer())(client)

    with hostile_dashboard(listen, heard) as url:
        enrolled_with(rig, url)
        rig.reporter.turn()
    caught = b"".join(heard)
    assert b'"production"' in caught and b'"ready"' in caught
    for secret in (b"db.secret.internal", b"hunter2", b"reader", b"shop"):
        assert secret not in caught
