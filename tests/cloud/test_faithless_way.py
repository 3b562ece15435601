"""On the way to the dashboard everything goes wrong: what arrives counts once, and nothing is lost."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.cloud.enrolment import load_identity
from tests.cloud.appliance_rig import ApplianceRig, CloudSide
from tests.cloud.faithless_proxy import FaithlessProxy, faithless_proxy
from tests.dashboard.running import RunningDashboard


@pytest.fixture
def way(dashboard: RunningDashboard) -> Iterator[FaithlessProxy]:
    with faithless_proxy(int(dashboard.url.rsplit(":", 1)[1])) as made:
        yield made


@pytest.fixture
def far(rig: ApplianceRig, cloud: CloudSide, way: FaithlessProxy) -> ApplianceRig:
    """An appliance that has enrolled by that way."""
    rig.enrol(f"http://127.0.0.1:{way.port}", cloud.enrolment_token)
    rig.turn_until(lambda: rig.reporter.describe().last_contact_at)
    return rig


def kept_numbers(cloud: CloudSide) -> list[int]:
    return sorted(event["ordinal"] % 2**40 for event in cloud.events)


def assert_reported_once(cloud: CloudSide, runs: int) -> None:
    assert len(cloud.runs) == runs and {run["state"] for run in cloud.runs.values()} == {"succeeded"}
    assert len(kept_numbers(cloud)) == len(set(kept_numbers(cloud))) == 2 * runs
    assert cloud.missing == 0


def test_everything_twice_counts_once(far: ApplianceRig, cloud: CloudSide, way: FaithlessProxy) -> None:
    way.habit = "twice"
    for number in range(5):
        far.tell_run(f"staging-twin-{number}")
    far.send_all()
    assert_reported_once(cloud, 5)


def test_batches_that_were_held_up_arrive_after_newer_ones_and_change_nothing(
    far: ApplianceRig, cloud: CloudSide, way: FaithlessProxy
) -> None:
    for number in range(6):
        far.tell_run(f"staging-twin-{number}")
        way.habit = "late"
        far.reporter._sender._most = 3
        far.is_done_trying()
        far.reporter.turn()
        assert far.waiting, "nothing is forgotten before it was acknowledged"
        way.habit = "faithful"
        far.send_all()
    assert way.deliver_late() >= 6
    assert_reported_once(cloud, 6)


def test_answers_that_get_lost_are_asked_for_until_they_come(
    far: ApplianceRig, cloud: CloudSide, way: FaithlessProxy
) -> None:
    command = cloud.command(kind="sync")
    far.tell_run("staging-twin-0")
    way.habit = "lost"
    for _ in range(4):
        far.is_done_trying()
        far.beat_now()
        far.reporter.turn()
    assert far.waiting
    way.habit = "faithful"
    far.turn_until(lambda: cloud.command_state(command)["state"] == "done")
    far.send_all()
    assert [event["type"] for event in cloud.events].count("command_changed") == 1
    assert cloud.runs["staging-twin-0"]["state"] == "succeeded" and cloud.missing == 0


def test_a_slow_way_is_waited_for(far: ApplianceRig, cloud: CloudSide, way: FaithlessProxy) -> None:
    way.habit = "slow"
    far.tell_run("staging-twin-0")
    far.send_all()
    assert_reported_once(cloud, 1)


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)


def make_certificate(folder: Path, name: str, *, ca: str = "ca", address: str = "IP:127.0.0.1") -> None:
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    if not (folder / f"{ca}.crt").exists():
        openssl(folder, "req", "-x509", *key, "-days", "2", "-subj", f"/CN={ca}", "-keyout", f"{ca}.key",
                "-out", f"{ca}.crt")  # fmt: skip
    openssl(folder, "req", *key, "-subj", "/CN=dashboard", "-keyout", f"{name}.key", "-out", f"{name}.csr")
    (folder / "names").write_text(f"subjectAltName={address}\n")
    days = "-1" if name == "expired" else "2"
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.crt", "-CAkey", f"{ca}.key",
            "-CAcreateserial", "-days", days, "-extfile", "names", "-out", f"{name}.crt")  # fmt: skip


def test_behind_a_wrong_certificate_nothing_is_told_and_nothing_is_lost(
    rig: ApplianceRig, cloud: CloudSide, way: FaithlessProxy, tmp_path: Path
) -> None:
    make_certificate(tmp_path, "right")
    make_certificate(tmp_path, "expired")
    make_certificate(tmp_path, "of-another-name", address="DNS:elsewhere.example")
    make_certificate(tmp_path, "of-another-authority", ca="other-ca")
    rig.environment["APPLIANCE_DASHBOARD_CA_FILE"] = str(tmp_path / "ca.crt")
    rig.environment["APPLIANCE_DASHBOARD_URL"] = f"https://127.0.0.1:{way.port}"
    (rig.folder / "etc" / "enrolment-token").write_text(cloud.enrolment_token)
    rig.restart()
    way.speak_tls(tmp_path / "right.crt", tmp_path / "right.key")
    rig.turn_until(lambda: rig.reporter.describe().last_contact_at)
    identity = load_identity(rig.settings.identity_file)
    assert identity is not None and identity.url.startswith("https://")

    rig.tell_run("staging-twin-0")
    for wrong in ("expired", "of-another-name", "of-another-authority"):
        rig.restart()  # A connection that is open already has shown its certificate.
        way.speak_tls(tmp_path / f"{wrong}.crt", tmp_path / f"{wrong}.key")
        heard = len(way.heard)
        for _ in range(3):
            rig.is_done_trying()
            rig.beat_now()
            rig.reporter.turn()
        assert "certificate is not trusted" in (rig.reporter.describe().problem or ""), wrong
        assert len(way.heard) == heard and rig.waiting == 5
    way.speak_tls(tmp_path / "right.crt", tmp_path / "right.key")
    rig.send_all()
    assert_reported_once(cloud, 1)
