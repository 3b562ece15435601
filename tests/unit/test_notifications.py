"""Who is notified of what: once, again after a while, once that it is over, and only whom policy names."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import shutil
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from appliance.scrubbing.scrub import Scrubber
from appliance.settings.notify import NotifyAddress, NotifySettings
from appliance.settings.settings import Settings
from appliance.status.notifications.condition import Conditions
from appliance.status.notifications.conditions import conditions
from appliance.status.notifications.ledger import Ledger
from appliance.status.notifications.notifier import Notifier
from appliance.status.report import Certificate, Disk, Report, Runs
from appliance.store.rows import AskedErasure, DriftCheck, ReleaseWish, RunLine
from tests.unit.example_report import NOW, failure, report, run_line, workflow_state
from tests.unit.notification_receiver import Receiver, receiving
from tests.unit.test_cli_main import run

CANARY = "canary-4711"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as received:
        yield received


def settings_of(
    tmp_path: Path, *addresses: dict[str, Any], named: tuple[str, ...] = ("127.0.0.1",)
) -> Settings:
    (tmp_path / "config").mkdir(exist_ok=True)
    (tmp_path / "keys").mkdir(exist_ok=True)
    (tmp_path / "config" / "policy.yaml").write_text(f"notify: {json.dumps(named)}\n")
    return Settings.model_validate(
        {"config_dir": tmp_path / "config", "state_dir": tmp_path, "notify": {"addresses": list(addresses)}}
    )


def webhook(tmp_path: Path, receiver: Receiver, **more: Any) -> dict[str, Any]:
    (tmp_path / "secret").write_text("geheim\n")
    return {
        "name": "on-call",
        "by": "webhook",
        "url": f"{receiver.url}/hook",
        "secret_file": tmp_path / "secret",
        **more,
    }


def with_runs(*runs: RunLine, **more: Any) -> Report:
    return report(runs=Runs(current=(), recent=runs), **more)


FAILED = run_line("shop-1", state="failed", failure=failure(f"Cannot reach the source {CANARY}."))
HALTED = run_line("shop-2", state="refused", failure=failure("New columns.", rule="unlisted"))
GOOD = run_line("shop-3")


def kinds(found: Conditions) -> list[str]:
    return [each.kind for each in found.present]


def test_each_thing_that_is_wrong_is_a_condition_of_its_kind() -> None:
    disk = Disk("/var", 100, 1, "full", 10, 5, "held")
    soon = Certificate("/etc/a.pem", "status", NOW + timedelta(days=3))
    later = Certificate("/etc/b.pem", "production", NOW + timedelta(days=300))
    wish = ReleaseWish("2.0.0", "failed", None, "It did not prove itself.", NOW, NOW)
    old = workflow_state("old", schedule="0 2 * * *", last_success_at=NOW - timedelta(hours=40))
    fresh = workflow_state("fresh", schedule="0 2 * * *", last_success_at=NOW - timedelta(hours=2))
    on_demand = workflow_state("by-hand", last_success_at=NOW - timedelta(days=40))
    found = conditions(
        with_runs(
            FAILED,
            replace(HALTED, workflow="other"),
            disk=disk,
            certificates=(soon, later),
            wanted_release=wish,
            workflows=(old, fresh, on_demand),
        ),
        NotifySettings(),
        None,
    )
    assert sorted(kinds(found)) == sorted(
        ["run_failed", "run_halted", "twin_stale", "disk_low", "certificate_expires", "update_failed"]
    )
    assert {each.workflow for each in found.present} == {"shop", "other", "old", None}


def test_what_is_not_known_is_not_over() -> None:
    found = conditions(report(runs=Runs(None, None)), NotifySettings(), None)
    assert "run_failed" not in found.known and "disk_low" not in found.known


def test_an_error_is_quoted_only_where_its_secrets_are_known_and_then_without_them() -> None:
    for scrubber in (None, Scrubber([CANARY])):
        [condition] = conditions(with_runs(FAILED), NotifySettings(), scrubber).present
        assert CANARY not in condition.text
        assert ("Cannot reach" in condition.text) is (scrubber is not None)


def test_a_failure_is_told_once_again_after_a_day_and_once_that_it_is_over(tmp_path: Path) -> None:
    address = NotifyAddress.model_validate({"name": "a", "by": "ntfy", "url": "https://x.example/t"})
    ledger = Ledger(tmp_path / "notified.json")
    day = timedelta(hours=24)

    def titles(shown: Report, at: Any) -> list[str]:
        said = []
        for due in ledger.due((address,), conditions(shown, NotifySettings(), None), at, day):
            said.append(due.condition.title if due.condition else due.entry.over)
            ledger.sent(due, at)
        return said

    assert titles(with_runs(FAILED), NOW) == ["shop has failed"]
    assert titles(with_runs(replace(FAILED, run_id="shop-9")), NOW + timedelta(hours=1)) == []
    ledger = Ledger(tmp_path / "notified.json")
    assert titles(with_runs(FAILED), NOW + timedelta(hours=2)) == []
    assert titles(with_runs(HALTED), NOW + timedelta(hours=3)) == ["shop has halted"]
    assert titles(report(runs=Runs(None, None)), NOW + timedelta(hours=4)) == []
    assert titles(with_runs(HALTED), NOW + timedelta(hours=30)) == ["shop has halted"]
    assert titles(with_runs(GOOD), NOW + timedelta(hours=31)) == ["shop works again"]
    assert titles(with_runs(GOOD), NOW + timedelta(hours=32)) == []


def test_one_that_could_not_be_sent_is_tried_again_later_with_the_same_id(tmp_path: Path) -> None:
    address = NotifyAddress.model_validate({"name": "a", "by": "ntfy", "url": "https://x.example/t"})
    ledger = Ledger(tmp_path / "notified.json")
    found = conditions(with_runs(FAILED), NotifySettings(), None)

    def due(at: Any) -> list[Any]:
        return list(ledger.due((address,), found, at, timedelta(hours=24)))

    [first] = due(NOW)
    ledger.failed(first, NOW)
    assert due(NOW + timedelta(seconds=5)) == []
    [second] = due(NOW + timedelta(seconds=60))
    assert second.entry.message_id == first.entry.message_id
    ledger.failed(second, NOW + timedelta(seconds=60))
    over = conditions(with_runs(GOOD), NotifySettings(), None)
    assert list(ledger.due((address,), over, NOW + timedelta(hours=2), timedelta(hours=24))) == []


def test_a_webhook_is_signed_and_its_receiver_hears_of_the_failure_and_of_the_end(
    tmp_path: Path, receiver: Receiver
) -> None:
    shown = with_runs(FAILED)
    notifier = Notifier(settings_of(tmp_path, webhook(tmp_path, receiver)), lambda: shown)
    receiver.status = 503
    notifier.turn()
    receiver.status = 200
    assert len(receiver.taken) == 1
    notifier.turn()
    assert len(receiver.taken) == 1, "it waits before it tries again"
    first_key = receiver.taken[0][1]["idempotency-key"]
    ledger = tmp_path / "keys" / "notified.json"
    ledger.write_text(ledger.read_text().replace(first_key, first_key))
    entries = json.loads(ledger.read_text())
    entries["entries"]["on-call"]["run:shop"]["next_try"] = None
    ledger.write_text(json.dumps(entries))
    notifier = Notifier(settings_of(tmp_path, webhook(tmp_path, receiver)), lambda: shown)
    notifier.turn()
    shown = with_runs(GOOD)
    notifier.turn()
    notifier.turn()
    failed, again, over = receiver.messages()
    assert (again["state"], again["kind"], again["workflow"]) == ("firing", "run_failed", "shop")
    assert (failed["id"], over["state"]) == (again["id"], "resolved")
    path, headers, body = receiver.taken[1]
    fields = dict(part.split("=", 1) for part in headers["x-appliance-signature"].split(","))
    expected = hmac.new(b"geheim", f"{fields['t']}.".encode() + body, hashlib.sha256).hexdigest()
    assert (path, fields["v1"]) == ("/hook", expected)
    assert headers["idempotency-key"] == first_key != receiver.taken[2][1]["idempotency-key"]


def test_whom_policy_does_not_name_is_not_notified(
    tmp_path: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_of(tmp_path, webhook(tmp_path, receiver), named=("hooks.example.com",))
    notifier = Notifier(settings, lambda: with_runs(FAILED))
    notifier.turn()
    notifier.turn()
    assert receiver.taken == []
    assert capsys.readouterr().err.count("policy.yaml does not name 127.0.0.1") == 1


def test_ntfy_and_healthchecks_are_spoken_to_in_their_own_way(tmp_path: Path, receiver: Receiver) -> None:
    addresses = (
        {"name": "phone", "by": "ntfy", "url": f"{receiver.url}/appliance"},
        {"name": "beat", "by": "healthchecks", "url": f"{receiver.url}/ping/abc"},
    )
    Notifier(settings_of(tmp_path, *addresses), lambda: with_runs(FAILED)).turn()
    by_path = {path: body for path, _, body in receiver.taken}
    assert json.loads(by_path["/"])["topic"] == "appliance"
    assert json.loads(by_path["/"])["title"] == "shop has failed"
    assert by_path["/ping/abc/fail"] == b"shop has failed"
    Notifier(settings_of(tmp_path, *addresses), lambda: with_runs(GOOD)).turn()
    assert receiver.taken[-1][0] == "/ping/abc" or receiver.taken[-2][0] == "/ping/abc"


def test_apprise_speaks_to_a_service_that_policy_names_by_its_scheme(
    tmp_path: Path, receiver: Receiver
) -> None:
    (tmp_path / "chat").write_text(receiver.url.replace("http://", "json://") + "/chat")
    chat = {"name": "chat", "by": "apprise", "url_file": tmp_path / "chat"}
    Notifier(settings_of(tmp_path, chat, named=("slack:",)), lambda: with_runs(FAILED)).turn()
    assert receiver.taken == []
    Notifier(settings_of(tmp_path, chat, named=("json:",)), lambda: with_runs(FAILED)).turn()
    assert receiver.messages()[0]["title"] == "shop has failed"


@pytest.mark.parametrize(
    "wrong",
    [
        {"by": "webhook", "url": "https://x.example"},
        {"by": "webhook", "url": "http://x.example", "secret_file": "/k"},
        {"by": "email", "server": "smtp.example.com"},
        {"by": "apprise", "url": "https://x.example"},
        {"by": "ntfy"},
    ],
)
def test_an_address_lacks_nothing_that_its_way_needs(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NotifyAddress.model_validate({"name": "a", **wrong})


def test_the_command_sends_a_test_and_says_what_did_not_arrive(tmp_path: Path, receiver: Receiver) -> None:
    settings_of(tmp_path, named=("127.0.0.1",))
    (tmp_path / "secret").write_text("geheim")
    hook = {**webhook(tmp_path, receiver), "secret_file": str(tmp_path / "secret")}
    file = tmp_path / "appliance.yaml"
    document = {"config_dir": str(tmp_path / "config"), "notify": {"addresses": [hook]}}
    file.write_text(json.dumps(document))
    where = {"APPLIANCE_CONFIG": str(file)}
    sent = run("notify", "test", **where)
    assert (sent.returncode, sent.stdout) == (0, "on-call: sent by webhook\n")
    assert receiver.messages()[0]["state"] == "test"
    receiver.status = 500
    failed = run("notify", "test", "on-call", **where)
    assert failed.returncode == 1 and "it answers 500" in failed.stderr
    receiver.status = 200
    elsewhere = {**hook, "name": "elsewhere", "url": "https://hooks.invalid/x"}
    file.write_text(json.dumps({**document, "notify": {"addresses": [elsewhere, hook]}}))
    one_of_two = run("notify", "test", **where)
    assert (one_of_two.returncode, one_of_two.stdout) == (3, "on-call: sent by webhook\n")
    assert "elsewhere may not be notified" in one_of_two.stderr
    settings_of(tmp_path, named=())
    assert run("notify", "test", **where).returncode == 3
    listed = run("notify", "list", **where)
    assert listed.returncode == 3 and "policy.yaml does not name 127.0.0.1" in listed.stdout
    assert run("notify", "test", "unknown", **where).returncode == 2


class MailServer(socketserver.StreamRequestHandler):
    """As much of SMTP as a mail needs, with STARTTLS before anything else."""

    certificate: Path
    taken: list[bytes]

    def handle(self) -> None:
        self._say("220 here")
        while line := self.rfile.readline():
            word = line[:8].upper().split()[0]
            if word == b"EHLO":
                self._say("250-here\r\n250-STARTTLS\r\n250 AUTH PLAIN")
            elif word == b"STARTTLS":
                self._say("220 go on")
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self.certificate)
                self.connection = context.wrap_socket(self.connection, server_side=True)
                self.rfile = self.connection.makefile("rb")
                self.wfile = self.connection.makefile("wb", buffering=0)
            elif word == b"AUTH":
                said = base64.b64decode(line.split()[2])
                self._say("235 ok" if said == b"\0user\0geheim" else "535 wrong")
            elif word == b"DATA":
                self._say("354 go on")
                mail = b""
                while not mail.endswith(b"\r\n.\r\n"):
                    mail += self.rfile.readline()
                self.taken.append(mail)
                self._say("250 ok")
            else:
                self._say("250 ok")
                if word == b"QUIT":
                    return

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate")
def test_a_mail_goes_over_tls_to_a_server_that_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = tmp_path / "server.pem"
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    where = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(pem), "-out"]
    subprocess.run(
        ["openssl", "req", "-x509", *key, *where, str(tmp_path / "c.pem")], check=True, capture_output=True
    )
    pem.write_text(pem.read_text() + (tmp_path / "c.pem").read_text())
    taken: list[bytes] = []
    handler = type("Handler", (MailServer,), {"certificate": pem, "taken": taken})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        (tmp_path / "secret").write_text("geheim\n")
        mail = {
            "name": "ops",
            "by": "email",
            "server": f"localhost:{server.server_address[1]}",
            "user": "user",
            "secret_file": tmp_path / "secret",
            "sender": "appliance@example.com",
            "recipients": ["ops@example.com"],
        }
        settings = settings_of(tmp_path, mail, named=("ops@example.com",))
        Notifier(settings, lambda: with_runs(FAILED)).turn()
        assert taken == [], "no authority has signed its certificate"
        (tmp_path / "keys" / "notified.json").unlink()
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "c.pem"))
        Notifier(settings, lambda: with_runs(FAILED)).turn()
        server.shutdown()
    [sent] = taken
    assert (
        b"To: ops@example.com" in sent
        and b"shop has failed" in sent
        and b"Next: appliance runs shop-1" in sent
    )


def test_what_a_check_for_drift_has_found_is_told_with_the_command_that_says_more() -> None:
    check = DriftCheck(NOW, "halts", 2, ("public.a.b", "public.a.c"), ("column public.a.b added",), failure())
    found = conditions(
        report(runs=Runs((), ()), workflows=(workflow_state("shop", drift="0 18 * * *", drift_check=check),)),
        NotifySettings(),
        None,
    )
    (reported,) = found.present
    assert (reported.kind, reported.next_step) == ("run_would_halt", "appliance plan shop.yaml")
    assert reported.text == "2 columns of the source are neither masked nor kept."
    away = replace(check, outcome="unknown")
    quiet = report(runs=Runs((), ()), workflows=(workflow_state("shop", drift_check=away),))
    assert conditions(quiet, NotifySettings(), None).present == ()


def test_an_erasure_that_waits_is_told_once_for_each_and_without_its_reference() -> None:
    asked = AskedErasure("1", "REQ-17", NOW, begun=False)
    found = conditions(report(erasures=(asked, replace(asked, command_id="2"))), NotifySettings(), None)
    assert [each.kind for each in found.present] == ["erasure_waits", "erasure_waits"]
    assert found.present[0].next_step == "appliance erasure requests"
    assert not any("REQ-17" in text for each in found.present for text in (each.key, each.title, each.text))
    (begun,) = conditions(report(erasures=(replace(asked, begun=True),)), NotifySettings(), None).present
    assert begun.key == found.present[0].key and begun.mark != found.present[0].mark
    assert "a place is still open" in begun.title
    assert "erasure_waits" not in conditions(report(erasures=None), NotifySettings(), None).known
