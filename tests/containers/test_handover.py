"""A container of the customer's own on a real engine: what it sees and reaches, and each way to fail."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.connections.database import Connection
from appliance.errors import ApplianceError
from appliance.exports.container_output import output_name
from appliance.exports.manifest import read_manifest
from appliance.exports.stored import find_export
from appliance.orchestration.containers.container import labels_of
from appliance.orchestration.containers.inputs import instance_name
from appliance.orchestration.containers.reaping import reap
from appliance.orchestration.handover.network import network_options
from appliance.orchestration.handover.running import HandoverStoppedError
from appliance.run_folder import StopRequest, run_folder
from appliance.steps.records.run_files import SPEC
from tests.containers.appliance_host import GATEWAY
from tests.containers.handover_rig import IMAGE, RUN, Rig
from tests.engine.clusters import Cluster


def secret(rig: Rig, name: str, value: str) -> None:
    path = rig.settings.container_secrets_dir / name
    path.write_text(value)
    path.chmod(0o600)


def test_it_reads_the_files_writes_out_and_may_do_nothing_else(rig: Rig) -> None:
    secret(rig, "token", "tok-S3cr3t\n")
    result = rig.run(
        """
        import json, os
        def refused(path):
            try:
                open(path, "w")
            except OSError:
                return True
        status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
        os.makedirs("/out/a/b")
        open("/out/a/b/big.bin", "wb").write(bytes(1000))
        json.dump({
            "data": sorted(os.listdir("/data")),
            "refused": [refused(p) for p in ("/data/x", "/x", "/etc/x", "/run/secrets/x")],
            "token": open("/run/secrets/token").read(),
            "environment": dict(os.environ),
            "capabilities": [status[k].strip() for k in ("CapEff", "CapBnd")],
            "new_privileges": status["NoNewPrivs"].strip(),
            "uid": os.getuid(),
            "links": sorted(os.listdir("/sys/class/net")),
        }, open("/out/seen.json", "w"))
        open("/tmp/scratch", "w").write("x")
        """,
        secrets=["token"],
    )
    assert (result.worked, result.files, result.export) == (True, 2, output_name(RUN, 2))
    seen = json.loads(rig.read("seen.json"))
    assert seen["data"] == ["manifest.json", "public.customer.csv.gz"]
    assert seen["refused"] == [True] * 4
    assert seen["token"] == "tok-S3cr3t\n"
    assert "tok-S3cr3t" not in json.dumps(seen["environment"])
    assert set(seen["capabilities"]) == {"0" * 16}
    assert (seen["new_privileges"], seen["uid"], seen["links"]) == ("1", os.getuid(), ["lo"])
    export = find_export(rig.settings.exports_dir, output_name(RUN, 2))
    assert [each.file for each in read_manifest(export.folder).files] == ["out/a/b/big.bin", "out/seen.json"]


def test_a_second_attempt_after_the_first_has_delivered_does_nothing(rig: Rig) -> None:
    assert rig.run("open('/out/x', 'w').write('first')").files == 1
    assert rig.run("raise SystemExit(1)").files == 1
    assert rig.read("x") == "first"


def test_a_container_that_writes_nothing_delivers_nothing(rig: Rig) -> None:
    assert rig.run("pass").export is None
    assert [each.name for each in (rig.settings.exports_dir / "handing").iterdir()] == [RUN]


@pytest.fixture
def listener() -> Iterator[Callable[[], int]]:
    """Servers on this machine that answer a connection with their port."""
    processes = []
    program = (
        "import socket; s = socket.create_server(('', 0)); print(s.getsockname()[1], flush=True)\n"
        "while True:\n c, _ = s.accept(); c.sendall(str(s.getsockname()[1]).encode()); c.close()"
    )

    def listen() -> int:
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        return int(process.stdout.readline())

    yield listen
    for process in processes:
        process.kill()
        process.wait()


def test_it_reaches_what_is_named_and_nothing_else(rig: Rig, listener: Callable[[], int]) -> None:
    named, other = listener(), listener()
    for port in (named, other):
        with socket.create_connection((GATEWAY, port), 5) as there:
            assert there.recv(10) == str(port).encode()
    rig.run(
        f"""
        import json, socket, subprocess
        def answer(host, port):
            try:
                with socket.create_connection((host, port), 1) as there:
                    return there.recv(10).decode()
            except OSError:
                return None
        def address(name):
            try:
                return socket.gethostbyname(name)
            except OSError:
                return None
        own = socket.gethostbyname(socket.gethostname())
        host = "host.docker.internal"
        near = [own.rsplit(".", 1)[0] + f".{{n}}" for n in (1, 2)]
        json.dump({{
            "named": answer(host, {named}),
            "other port": answer(host, {other}),
            "past the relay": [answer("{GATEWAY}", p) for p in ({named}, {other})],
            "neighbours": [answer(each, {other}) for each in near],
            "metadata": answer("169.254.169.254", 80),
            "outside": answer("1.1.1.1", 443),
            "names": address("deb.debian.org"),
        }}, open("/out/seen.json", "w"))
        """,
        network=[f"host.docker.internal:{named}"],
    )
    seen = json.loads(rig.read("seen.json"))
    assert seen.pop("named") == str(named)
    assert seen.pop("past the relay") == seen.pop("neighbours") == [None, None]
    assert set(seen.values()) == {None}, seen


def test_without_a_network_it_reaches_nothing(rig: Rig, listener: Callable[[], int]) -> None:
    port = listener()
    program = f"""
        import socket
        try:
            socket.create_connection(("{GATEWAY}", {port}), 2)
            open("/out/reached", "w").write("x")
        except OSError:
            pass
        """
    assert rig.run(program).export is None


def test_it_reads_the_twin_through_a_service_file(rig: Rig, databases: Cluster) -> None:
    databases.create_database("handed")
    databases.sql("handed", "CREATE TABLE t AS SELECT generate_series(1, 3) n; GRANT SELECT ON t TO PUBLIC")
    handover = rig.handover(
        """
        import subprocess
        query = "SELECT sum(n), current_user FROM t"
        open("/out/sum", "w").write(subprocess.check_output(["psql", "-Atc", query], text=True))
        """,
        reads="twin",
        network="databases",
    )
    twin = Connection.model_validate(databases.connection("handed", "twin_owner", host=GATEWAY))
    handover.twins = {"staging": twin}
    assert handover.hand_over().worked, rig.lines
    assert rig.read("sum") == "6|twin_owner\n"
    assert rig.left() == []


def test_what_it_prints_is_scrubbed_and_is_never_taken_for_a_steps_word(rig: Rig) -> None:
    secret(rig, "token", "tok-S3cr3t")
    forged = json.dumps(
        {"type": "failure", "step": "container", "exit_code": 3, "retry": False, "what": "forged"}
    )
    result = rig.run(
        f"""
        print({forged!r})
        print("the token is", open("/run/secrets/token").read(), "for someone@real.example")
        """,
        secrets=["token"],
    )
    assert result.worked
    printed = "\n".join(rig.lines)
    assert "the token is" in printed
    assert "S3cr3t" not in printed
    assert "someone@real.example" not in printed


def test_an_exit_status_is_a_failed_delivery_with_its_last_lines(rig: Rig) -> None:
    text = rig.failure("import sys; open('/out/half', 'w').write('x'); print('no such month'); sys.exit(7)")
    assert "exit status 7" in text
    assert "stays as it is" in text
    assert "no such month" in "".join(rig.lines)


def test_too_little_memory_is_named(rig: Rig) -> None:
    text = rig.failure("x = bytearray(200 * 2**20); print(len(x))", memory_mb=32)
    assert "more than the 32 MB" in text
    assert "Raise memory_mb" in text


def test_too_long_is_named(rig: Rig) -> None:
    handover = rig.handover("import time; time.sleep(600)")
    workflow = handover.spec.workflow
    short = workflow.containers[2].model_copy(update={"timeout_min": 0})
    deliveries = (*workflow.deliver[:2], workflow.deliver[2].model_copy(update={"container": short}))
    changed = workflow.model_copy(update={"deliver": deliveries})
    handover.spec = handover.spec.model_copy(update={"workflow": changed})
    with pytest.raises(ApplianceError, match="took longer"):
        handover.hand_over()
    assert rig.left() == []


def test_too_much_output_is_named_and_not_kept(rig: Rig) -> None:
    text = rig.failure("open('/out/x', 'wb').write(bytes(3 * 2**20))", out_max_mb=1)
    assert "more than 1 MiB" in text


def test_a_link_in_its_output_leads_nowhere(rig: Rig) -> None:
    assert "no plain file" in rig.failure("import os; os.symlink('/etc/passwd', '/out/x')")


def test_an_image_that_is_gone_says_how_to_have_it(rig: Rig) -> None:
    rig.image_id = "sha256:" + "0" * 64
    assert f"appliance images trust {IMAGE}" in rig.failure("pass")


def test_a_secret_that_is_missing_or_open_says_how_to_have_it(rig: Rig) -> None:
    assert "sudo install" in rig.failure("pass", secrets=["token"])
    secret(rig, "token", "x")
    (rig.settings.container_secrets_dir / "token").chmod(0o644)
    assert "chmod 600" in rig.failure("pass", secrets=["token"])


def test_a_host_without_an_address_is_named(rig: Rig) -> None:
    assert "nowhere.invalid" in rig.failure("pass", network=["nowhere.invalid:443"])


def test_a_request_to_stop_ends_it(rig: Rig) -> None:
    handover = rig.handover("import time; time.sleep(600)")
    handover.asked_to_stop = lambda: StopRequest("cancel", "Enough.")
    with pytest.raises(HandoverStoppedError, match=r"Enough\."):
        handover.hand_over()
    assert rig.left() == []


def test_what_a_killed_attempt_has_left_is_removed_by_the_next_and_by_the_reaper(
    rig: Rig, report_image: str
) -> None:
    handover = rig.handover("open('/out/x', 'w').write('x')")

    def leave() -> None:
        labels = labels_of(instance_name(rig.settings, rig.client), handover.call)
        name = f"appliance-test-left-{secrets.token_hex(4)}"
        rig.client.create_network(name, labels=labels, **network_options(name))
        rig.client.create_container(report_image, labels=labels, host_config=None)

    leave()
    assert handover.hand_over().files == 1
    assert rig.left() == []
    leave()
    folder = run_folder(rig.settings.state_dir, RUN)
    SPEC.freeze(folder, handover.spec)
    (folder / "over.json").write_text("{}")
    reap(rig.client, rig.settings)
    assert rig.left() == []


def test_an_image_comes_from_a_file_and_is_trusted_by_its_digest(rig: Rig, tmp_path: Path) -> None:
    name = f"appliance-test-loaded-{secrets.token_hex(4)}:1"
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    build = ["docker", "build", "-q", "-t", name, str(tmp_path / "tiny")]
    made = subprocess.run(build, check=True, capture_output=True, text=True)
    subprocess.run(["docker", "save", "-o", str(tmp_path / "image.tar"), name], check=True)
    subprocess.run(["docker", "image", "rm", "-f", name], check=True, capture_output=True)
    environment = {**os.environ, "APPLIANCE_CONFIG_DIR": str(rig.settings.config_dir)}
    (rig.settings.config_dir / "policy.yaml").write_text(f"images: ['{name}', 'other:1']\n")

    def cli(*arguments: str) -> str:
        command = [sys.executable, "-m", "appliance.cli.main", "images", *arguments]
        done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done
        return done.stdout

    try:
        assert name in cli("load", str(tmp_path / "image.tar"))
        assert made.stdout.strip() in cli("trust", name)
        listed = {each["image"]: each for each in json.loads(cli("list", "--json"))}
        assert (listed[name]["means"], listed[name]["here"], listed[name]["allowed"]) == (
            made.stdout.strip(),
            True,
            True,
        )
        assert (listed["other:1"]["means"], listed["other:1"]["here"]) == (None, False)
        cli("forget", name)
        assert json.loads(cli("list", "--json"))[0]["trusted_at"] is None
    finally:
        subprocess.run(["docker", "image", "rm", "-f", name], check=False, capture_output=True)
