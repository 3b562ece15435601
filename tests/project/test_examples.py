"""The ways in under examples/: each is read by the tool that it is for, and fills in what it declares."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import hcl2
import pytest
import yaml

from appliance.dashboard.settings import DEFAULT_INSTALL_COMMAND
from provisioning.knobs import Knobs

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
USER_DATA = EXAMPLES / "cloud-init" / "user-data.yaml"
TEMPLATE = EXAMPLES / "terraform" / "user-data.yaml.tftpl"


def terraform() -> dict[str, list[dict[str, Any]]]:
    """All blocks of the module, by kind."""
    blocks: dict[str, list[dict[str, Any]]] = {}
    for path in sorted((EXAMPLES / "terraform").glob("*.tf")):
        for kind, found in hcl2.loads(path.read_text()).items():
            blocks.setdefault(kind, []).extend(found if isinstance(found, list) else [found])
    return blocks


def names(kind: str) -> set[str]:
    return {name.strip('"') for block in terraform()[kind] for name in block}


def script(text: str) -> str:
    (file,) = yaml.safe_load(text)["write_files"]
    return str(file["content"])


def test_user_data_is_cloud_config_of_twenty_lines() -> None:
    text = USER_DATA.read_text()
    assert text.startswith("#cloud-config\n")
    assert len(text.splitlines()) <= 20
    assert yaml.safe_load(text)["runcmd"] == [["sh", yaml.safe_load(text)["write_files"][0]["path"]]]


@pytest.mark.parametrize("path", [USER_DATA, TEMPLATE], ids=["cloud-init", "terraform"])
def test_its_script_is_one_that_a_shell_can_read(path: Path) -> None:
    filled = re.sub(r"\$\{\w+\}", "changeme", path.read_text())
    subprocess.run(["sh", "-n"], input=script(filled), text=True, check=True)


@pytest.mark.parametrize("path", [USER_DATA, TEMPLATE], ids=["cloud-init", "terraform"])
def test_nothing_of_the_bundle_runs_before_its_digest_is_checked(path: Path) -> None:
    commands = script(path.read_text())
    assert commands.index("sha256sum --check") < commands.index("tar -x") < commands.index("sh install")
    assert commands.startswith("set -eu\n")


@pytest.mark.parametrize(
    "path",
    [USER_DATA, TEMPLATE, EXAMPLES / "ansible/roles/appliance/tasks/main.yml"],
    ids=lambda path: path.stem,
)
def test_it_sets_knobs_that_there_are(path: Path) -> None:
    named = set(re.findall(r"\b((?:dashboard|release)_[a-z0-9_]+)=", path.read_text()))
    assert named and named <= set(Knobs.__dataclass_fields__)


def test_the_installer_is_called_as_the_dashboard_prints_it() -> None:
    assert "provisioning/install.sh" in DEFAULT_INSTALL_COMMAND
    for path in (USER_DATA, TEMPLATE):
        assert "provisioning/install.sh" in path.read_text()


def test_the_template_is_the_same_user_data_filled_in_by_terraform() -> None:
    without_values = re.sub(r"\$\{\w+\}", "changeme", TEMPLATE.read_text()).splitlines()
    assert without_values[2:] == USER_DATA.read_text().splitlines()[2:]
    (machine,) = [
        each["aws_instance"]
        for each in (_bare(block) for block in terraform()["resource"])
        if "aws_instance" in each
    ]
    filled = str(machine["appliance"]["user_data"])
    for name in set(re.findall(r"\$\{(\w+)\}", TEMPLATE.read_text())):
        assert re.search(rf"\b{name}\b", filled), name


def test_terraform_uses_every_variable_that_it_declares_and_no_other() -> None:
    used = set(re.findall(r"\bvar\.(\w+)", (EXAMPLES / "terraform/main.tf").read_text()))
    assert used == names("variable")


def test_the_machine_has_no_way_in_and_an_encrypted_disk() -> None:
    resources = [_bare(block) for block in terraform()["resource"]]
    (group,) = [each["aws_security_group"]["appliance"] for each in resources if "aws_security_group" in each]
    assert "ingress" not in group and "egress" in group
    text = (EXAMPLES / "terraform/main.tf").read_text()
    assert re.search(r"encrypted\s+= true", text) and re.search(r'http_tokens\s+= "required"', text)


def test_ansible_reads_the_playbook(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("ansible-playbook")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_NOCOWS": "1",
    }
    command = [str(program), "--inventory", "localhost,", "--syntax-check", "playbook.yml"]
    done = subprocess.run(
        command, cwd=EXAMPLES / "ansible", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_ansible_calls_the_installer_with_the_knobs_that_were_given(tmp_path: Path) -> None:
    tasks = yaml.safe_load((EXAMPLES / "ansible/roles/appliance/tasks/main.yml").read_text())
    (block,) = [task for task in tasks if "block" in task]
    (task,) = [each for each in block["block"] if each["name"] == "Run the installer"]
    call = task["ansible.builtin.command"]["argv"]
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {
            "appliance_bundle": "b.tar",
            "appliance_sha256": "abc",
            "appliance_root_sha256": "def",
            "appliance_knobs": ["dashboard_url=https://dashboard.example.com"],
            **task["vars"],
        },
        "tasks": [
            {
                "ansible.builtin.copy": {
                    "content": "{{ the_call | to_json }}",
                    "dest": str(tmp_path / "call"),
                },
                "vars": {"the_call": call},
            }
        ],
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    program = Path(sys.executable).with_name("ansible-playbook")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_NOCOWS": "1",
    }
    extra = ["--connection", "local", "--extra-vars", f"ansible_python_interpreter={sys.executable}"]
    done = subprocess.run(
        [str(program), *extra, str(tmp_path / "play.yml")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert yaml.safe_load((tmp_path / "call").read_text()) == [
        "sh",
        "/var/tmp/provisioning/install.sh",
        "/var/tmp/b.tar",
        "abc",
        "--data=release_root_sha256=def",
        "--data=dashboard_url=https://dashboard.example.com",
    ]


def _bare(block: dict[str, Any]) -> dict[str, Any]:
    """Names without the quotes that the reader leaves around them."""
    return {
        key.strip('"'): _bare(value) if isinstance(value, dict) else value for key, value in block.items()
    }
