"""The commands to install and to upgrade, pasted into a real shell, and the bundles that they fetch."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from appliance import __version__
from appliance.dashboard.repository.published import Published
from appliance.dashboard.settings import from_environment
from appliance.dashboard.web.bundles import bundle_name
from appliance.errors import WrongRequestError
from appliance.releases.repository.source import Server
from tests.dashboard.running import RunningDashboard, running_dashboard
from tests.unit.release_rig import Machine, Vendor, write_bundle

NAME = bundle_name(__version__)
INSTALLER = b'printf "%s\\n" "$@" > installed-with\n'
_numbers = itertools.count(1)
SUDO = '#!/bin/sh\nprintf "%s " "$@" >> ../sudo; echo >> ../sudo\ncase $1 in sh) exec "$@" ;; esac\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the dashboard finds its bundles: beside its store and its key."""
    folder = tmp_path_factory.mktemp("dashboard") / "bundles"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def dashboard(folder: Path) -> Iterator[RunningDashboard]:
    """One for all tests: it looks anew each time at what it hands out."""
    with running_dashboard(folder.parent, DASHBOARD_BUNDLES=str(folder)) as running:
        yield running


@pytest.fixture(scope="module")
def editor(dashboard: RunningDashboard) -> httpx.Client:
    return dashboard.client(dashboard.command("create-token", "editor", "--role", "editor"))


@pytest.fixture(autouse=True)
def bundles(folder: Path) -> Path:
    """The folder with one release and nothing else, whose installer only notes what it was given."""
    for former in folder.iterdir():
        former.unlink()
    with tarfile.open(folder / NAME, "w") as archive:
        entry = tarfile.TarInfo("provisioning/install.sh")
        entry.size = len(INSTALLER)
        archive.addfile(entry, io.BytesIO(INSTALLER))
    digest = hashlib.sha256((folder / NAME).read_bytes()).hexdigest()
    (folder / f"{NAME}.sha256").write_text(f"{digest}  {NAME}\n")
    return folder


def enrolment(editor: httpx.Client) -> dict[str, str]:
    """What a new appliance's owner is given."""
    answer = editor.post("/v1/appliances", json={"name": f"Hospital {next(_numbers)}"})
    given: dict[str, str] = answer.raise_for_status().json()
    return given


def paste(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run it in a shell and an empty folder, where sudo notes what it is asked."""
    machine, programs = folder / "machine", folder / "programs"
    machine.mkdir()
    programs.mkdir()
    (programs / "sudo").write_text(SUDO)
    (programs / "sudo").chmod(0o755)
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(machine)}
    return subprocess.run(
        ["sh", "-c", command], cwd=machine, env=environment, capture_output=True, text=True, check=False
    )


def test_the_install_command_fetches_the_release_and_runs_its_installer(
    tmp_path: Path, bundles: Path, dashboard: RunningDashboard, editor: httpx.Client
) -> None:
    done = paste(tmp_path, enrolment(editor)["install_command"])
    assert done.returncode == 0, done.stderr
    digest = hashlib.sha256((bundles / NAME).read_bytes()).hexdigest()
    assert (tmp_path / "machine" / "installed-with").read_text().split() == [
        *(NAME, digest),
        *("--data", f"dashboard_url={dashboard.url}"),
    ]


def test_nothing_of_a_release_with_another_digest_runs(
    tmp_path: Path, bundles: Path, editor: httpx.Client
) -> None:
    command = enrolment(editor)["install_command"]
    (bundles / NAME).write_bytes((bundles / NAME).read_bytes() + b"\0")
    assert paste(tmp_path, command).returncode != 0
    assert {path.name for path in (tmp_path / "machine").iterdir()} == {NAME}


def test_the_upgrade_command_fetches_it_too(tmp_path: Path, editor: httpx.Client) -> None:
    shown = editor.get(f"/v1/appliances/{enrolment(editor)['appliance_id']}").raise_for_status().json()
    done = paste(tmp_path, shown["upgrade_command"])
    assert done.returncode == 0, done.stderr
    install, use = (tmp_path / "sudo").read_text().splitlines()
    assert install.split()[-3:] == [NAME, f"{NAME}.sha256", "/opt/appliance/bundles/"]
    assert use.split() == ["appliance", "release", "use", __version__]


@pytest.mark.parametrize(
    "name",
    [
        *("appliance-9.9.9-x86_64.tar", f"{NAME}.sha256", "..%2fdashboard.db", "%2e%2e%2fsecret.key"),
        *("appliance-..%2f..%2fx-x86_64.tar", "appliance-%00-x86_64.tar", "unfinished-1.0-x86_64.tar"),
    ],
)
def test_nothing_else_can_be_fetched(bundles: Path, dashboard: RunningDashboard, name: str) -> None:
    (bundles / "unfinished-1.0-x86_64.tar").write_bytes(b"x")
    assert dashboard.client().get(f"/bundles/{name}").status_code == 404


def test_a_bundle_without_its_digest_is_not_offered(
    bundles: Path, dashboard: RunningDashboard, editor: httpx.Client
) -> None:
    (bundles / f"{NAME}.sha256").write_text("soon\n")
    assert dashboard.client().get(f"/bundles/{NAME}").status_code == 404
    command = enrolment(editor)["install_command"]
    assert "sha256=SHA256" in command
    assert "urlretrieve" not in command


def test_a_command_of_the_vendor_s_own_is_filled_in_or_refused_at_the_start(tmp_path: Path) -> None:
    good = from_environment({"DASHBOARD_INSTALL_COMMAND": "fetch {url}/{bundle} && x=${{HOME}} {sha256}"})
    assert good.install_command.startswith("fetch")
    for wrong in ("run {nothing}", "run ${HOME} {", "{}", "{url.secret}"):
        with pytest.raises(WrongRequestError, match="DASHBOARD_INSTALL_COMMAND may hold"):
            from_environment({"DASHBOARD_INSTALL_COMMAND": wrong})
    with pytest.raises(WrongRequestError, match="DASHBOARD_BUNDLES must be a folder"):
        from_environment({"DASHBOARD_BUNDLES": str(tmp_path / "nowhere")})


@pytest.fixture
def vendor(tmp_path: Path) -> Vendor:
    return Vendor(tmp_path / "vendor").begin(__version__)


@pytest.fixture
def with_releases(tmp_path: Path, vendor: Vendor) -> Iterator[RunningDashboard]:
    with running_dashboard(tmp_path, DASHBOARD_RELEASES=str(vendor.public)) as running:
        yield running


def test_a_release_repository_is_served_and_verified_by_who_reads_it(
    tmp_path: Path, vendor: Vendor, with_releases: RunningDashboard
) -> None:
    machine = Machine(tmp_path / "its-own").pin(vendor)
    source = Server(f"{with_releases.url}/releases", version=__version__)
    fetched = machine.fetch(source, __version__)
    assert fetched.read_bytes() == (vendor.folder / "made" / f"{__version__}.tar").read_bytes()
    machine.look(source)
    source.close()
    for path in ("metadata/../../dashboard.db", "targets/", "keys/root-1.pem", "metadata/%2e%2e/x"):
        assert with_releases.client().get(f"/releases/{path}").status_code == 404


def test_the_install_command_carries_the_root_of_trust(
    vendor: Vendor, with_releases: RunningDashboard
) -> None:
    editor = with_releases.client(with_releases.command("create-token", "editor", "--role", "editor"))
    given = enrolment(editor)
    assert f"--data release_root_sha256={vendor.repository.root_digest()}" in given["install_command"]
    address = given["install_command"].split(" $bundle &&")[0].split()[-1]
    assert httpx.get(address).content == (vendor.folder / "made" / f"{__version__}.tar").read_bytes()
    shown = editor.get(f"/v1/appliances/{given['appliance_id']}").raise_for_status().json()
    assert shown["upgrade_command"] == f"sudo appliance release apply {__version__}"
    own = f"/v1/appliances/{given['appliance_id']}"
    refused = editor.patch(own, json={"wanted_version": "9.9.9"})
    assert (refused.status_code, "has no release 9.9.9" in refused.text) == (422, True)
    assert __version__ in refused.text, "what there is instead"
    assert editor.patch(own, json={"wanted_version": __version__}).status_code == 200
    assert editor.patch(own, json={"wanted_version": None}).json()["wanted_version"] is None
    vendor.repository.revoke(__version__, "It loses rows.")
    vendor.publish()
    refused = editor.patch(own, json={"wanted_version": __version__})
    assert (refused.status_code, "was revoked" in refused.text) == (422, True)


def test_a_release_for_other_machines_can_be_wished_too(tmp_path: Path, vendor: Vendor) -> None:
    """What there is for aarch64 alone is a release as any other, and its command fetches that file."""
    made = write_bundle(tmp_path, "9.0.0", architecture="aarch64")
    vendor.repository.add(made, "stable")
    vendor.publish()
    repository = Published(vendor.public)
    bundle = repository.bundle("9.0.0")
    assert bundle and bundle.target == "stable/appliance-9.0.0-aarch64.tar"
    assert "9.0.0" in repository.versions() and repository.revoked() == {}
