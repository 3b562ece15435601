"""The watchdog is fed by proof, and by nothing else."""

from __future__ import annotations

import ast
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from appliance.cleanup.task_logs import DAY_S, STILL_WRITTEN_S, clean
from appliance.supervision import watch
from appliance.supervision.__main__ import make_secret
from appliance.supervision.docker_probe import NOTE, NOTE_FRESH_S, docker_answers, noted_docker, noting_docker
from appliance.supervision.health_probes import answers
from appliance.supervision.idle_dag_processor import is_resting

ROOT = Path(__file__).parents[2]
SUPERVISION = ROOT / "appliance" / "supervision"
WATCH = """
import os, sys
from pathlib import Path
from appliance.supervision import watch
watch.STARTING_POLL_S = 0.02
proof = lambda: "" if Path(sys.argv[1]).exists() else "no sign of work"
raise SystemExit(watch.watch(sys.argv[2:], os.environ, proof))
"""


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A socket that listens as systemd's does, with a watchdog of 80 ms."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "80000")
        yield listening


def supervise(proof: Path, *command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WATCH, str(proof), *command], cwd=ROOT, env=os.environ)


def test_readiness_and_the_watchdog_wait_for_the_first_proof(systemd: socket.socket, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    process = supervise(proof, "sleep", "60")
    first = systemd.recv(1000).decode()
    assert first == "STATUS=Starting: no sign of work"
    proof.touch()
    while "READY=1" not in (heard := systemd.recv(1000).decode()):
        assert "WATCHDOG=1" not in heard
    assert "WATCHDOG=1" in heard
    proof.unlink()
    while (heard := systemd.recv(1000).decode()) != "STATUS=Working: no sign of work":
        assert "READY" not in heard
    process.terminate()
    assert process.wait(300) == 128 + signal.SIGTERM


def test_a_program_that_missed_its_signal_gets_it_again(systemd: socket.socket, tmp_path: Path) -> None:
    """One in whose fork the exception of its signal handler was lost goes on as if nothing had been said."""
    proof = tmp_path / "proof"
    deaf_once = f"trap 'trap \"exit 3\" TERM' TERM; touch {proof}; while :; do sleep 0.05; done"
    insisting = WATCH.replace("proof))", "proof, insist_s=1))")
    command = [sys.executable, "-c", insisting, str(proof), "sh", "-c", deaf_once]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ)
    while "READY=1" not in systemd.recv(1000).decode():
        pass
    process.terminate()
    # Read to the end: a full socket would hold the program up. It says nothing more when it is over.
    systemd.settimeout(0.2)
    while process.poll() is None:
        with contextlib.suppress(TimeoutError):
            systemd.recv(1000)
    assert process.returncode == 3


def test_a_program_that_ends_takes_its_supervisor_with_it(systemd: socket.socket, tmp_path: Path) -> None:
    assert supervise(tmp_path / "proof", "sh", "-c", "exit 7").wait(300) == 7


def test_an_answer_counts_only_with_an_accepted_status() -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        assert answers("127.0.0.1", server.server_port, "/healthz")() == "/healthz answers 503"
        assert answers("127.0.0.1", server.server_port, "/healthz", range(200, 600))() == ""
    finally:
        server.shutdown()
        server.server_close()
    assert "does not answer" in answers("127.0.0.1", server.server_port, "/healthz")()


def test_docker_answers_with_a_status_or_does_not(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    asked = docker_answers(path)
    assert asked() == "does not answer (systemctl status docker)"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        replies = [b"HTTP/1.0 200 OK\r\n\r\nOK", b"HTTP/1.0 500 Trouble\r\n\r\n", b""]

        def engine() -> None:
            for reply in replies:
                connection, _ = listening.accept()
                with connection:
                    assert connection.recv(200).startswith(b"GET /_ping ")
                    connection.sendall(reply)

        threading.Thread(target=engine, daemon=True).start()
        assert [bool(asked()) for _ in replies] == [False, True, True]
    assert asked() != ""


def test_what_is_wrong_with_docker_is_noted_and_is_no_part_of_the_proof(tmp_path: Path) -> None:
    assert noted_docker(tmp_path) is None, "no look yet"
    problems = ["does not answer", ""]
    proof = noting_docker(lambda: "no heartbeat", tmp_path, lambda: problems.pop(0))
    for problem in list(problems):
        assert proof() == "no heartbeat"
        assert noted_docker(tmp_path) == problem
    long_ago = time.time() - NOTE_FRESH_S - 1
    os.utime(tmp_path / NOTE, (long_ago, long_ago))
    assert noted_docker(tmp_path) is None, "the look has stopped"


THEIRS = (
    "run_folder.py",
    "system/beneath.py",
    "system/http.py",
    "system/postgres_programs.py",
    "errors.py",
    "durable.py",
)


def test_a_supervisor_imports_nothing_but_the_standard_library() -> None:
    theirs = [ROOT / "appliance" / name for name in THEIRS]
    for path in (*SUPERVISION.glob("*.py"), *theirs):
        if path.name == "settings_json.py":
            continue
        # What stands under `if TYPE_CHECKING` is never imported.
        tree = [node for node in ast.parse(path.read_text()).body if not isinstance(node, ast.If)]
        for node in (inner for outer in tree for inner in ast.walk(outer)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for name in names:
                ours = name.startswith("appliance.supervision") or name in (
                    *(f"appliance.{name.removesuffix('.py').replace('/', '.')}" for name in THEIRS),
                )
                assert ours or name.split(".")[0] in sys.stdlib_module_names, f"{path.name} imports {name}"


def test_a_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "jwt"
    make_secret(path)
    first = path.read_text()
    make_secret(path)
    assert path.read_text() == first
    assert len(first) >= 64
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["jwt"]


def test_old_logs_go_first_and_what_may_still_be_written_stays(tmp_path: Path) -> None:
    now = 2_000_000_000.0
    ages = {"ancient": 40 * DAY_S, "old": 3 * DAY_S, "newer": 2 * DAY_S, "written": STILL_WRITTEN_S / 2}
    for name, age in ages.items():
        (tmp_path / name).mkdir()
        path = tmp_path / name / "attempt=1.log"
        path.write_bytes(os.urandom(64 << 10))
        os.utime(path, (now - age, now - age))
        os.utime(path.parent, (now - age, now - age))
    removed = clean(tmp_path, max_days=30, max_bytes=100 << 10, now=now)
    assert removed.files == 3
    assert [path.name for path in tmp_path.iterdir()] == ["written"]


def test_logs_within_both_bounds_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "attempt=1.log").write_bytes(b"line\n")
    assert clean(tmp_path, max_days=30, max_bytes=1 << 20, now=tmp_path.stat().st_mtime).files == 0


def test_a_start_that_waits_for_the_database_asks_for_time_and_says_why(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "AWAY_POLL_S", 0.0)
    answers_in_turn = iter(["the database does not answer", ""])
    watch.wait_for(lambda: next(answers_in_turn))
    heard = systemd.recv(1000).decode().splitlines()
    assert heard == [
        f"EXTEND_TIMEOUT_USEC={watch.EXTENSION_US}",
        "STATUS=Waiting: the database does not answer",
    ]


REST = """
import os, sys
from pathlib import Path
from appliance.supervision import idle_dag_processor as rest; from appliance.supervision import watch
watch.STARTING_POLL_S = rest.LOOK_EVERY_S = 0.02
rest.AWAKE_S = 0.2
here = Path(sys.argv[1])
proof = lambda: "" if (here / "works").exists() else "no sign of work"
raise SystemExit(rest.watch_and_rest(
    sys.argv[2:], os.environ, proof,
    folders=[here / "workflows", here / "not-there"], files=[here / "policy.yaml"],
    state_dir=here, runtime_dir=here,
))
"""


def heard_until(systemd: socket.socket, words: str) -> None:
    while words not in systemd.recv(1000).decode():
        pass


def test_a_program_rests_while_nothing_changes_and_is_back_when_something_does(
    systemd: socket.socket, tmp_path: Path
) -> None:
    (tmp_path / "workflows").mkdir()
    (tmp_path / "works").touch()
    run = tmp_path / "runs" / "twin__1"
    run.mkdir(parents=True)
    (run / "spec.json").touch()
    begun = tmp_path / "begun"
    command = ["sh", "-c", f"echo >> {begun}; exec sleep 600"]
    process = subprocess.Popen(
        [sys.executable, "-c", REST, str(tmp_path), *command], cwd=ROOT, env=os.environ
    )
    heard_until(systemd, "READY=1")
    assert not is_resting(tmp_path)
    for _ in range(20):
        assert "Resting" not in systemd.recv(1000).decode(), "a run is under way"
    (run / "over.json").touch()
    heard_until(systemd, "STATUS=Resting")
    heard_until(systemd, "WATCHDOG=1")
    assert is_resting(tmp_path)
    assert begun.read_text() == "\n"
    (tmp_path / "workflows" / "new.yaml").touch()
    heard_until(systemd, "STATUS=Proven")
    assert begun.read_text() == "\n\n"
    heard_until(systemd, "STATUS=Resting")
    # Policy says when workflows are checked for drift.
    (tmp_path / "policy.yaml").touch()
    heard_until(systemd, "STATUS=Proven")
    assert begun.read_text() == "\n\n\n"
    heard_until(systemd, "STATUS=Resting")
    process.terminate()
    assert process.wait(300) == 0
    assert not is_resting(tmp_path)
