"""A fresh VM as a container: systemd as PID 1, an ssh server, and room for a Docker engine of its own."""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

IMAGE_FOLDER = Path(__file__).with_name("image")
ROOT = Path(__file__).parents[2]
CODENAMES = {"12": "bookworm", "13": "trixie"}
CAPABILITIES = (
    *(
        "SYS_ADMIN",
        "NET_ADMIN",
        "SYS_PTRACE",
        "SYS_NICE",
        "SYS_TIME",
        "DAC_READ_SEARCH",
        "IPC_LOCK",
        "SYSLOG",
    ),
    *("LINUX_IMMUTABLE", "SYS_BOOT", "LEASE", "BLOCK_SUSPEND", "WAKE_ALARM", "MAC_ADMIN", "MAC_OVERRIDE"),
    *(
        "SYS_RAWIO",
        "SYS_PACCT",
        "SYS_TTY_CONFIG",
        "IPC_OWNER",
        "NET_BROADCAST",
        "AUDIT_CONTROL",
        "AUDIT_READ",
    ),
)
"""What ``--privileged`` gives, but for SYS_RESOURCE, which some machines withhold even from root."""


def docker(*arguments: str, text: str | None = None) -> str:
    """One docker command's output. Raises AssertionError with what it said, where it fails."""
    done = subprocess.run(["docker", *arguments], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {arguments[0]}: {done.stderr.strip()}"
    return done.stdout.strip()


@dataclass(frozen=True)
class Vm:
    """A host to deploy to: where it is, and how to get in."""

    address: str
    user: str
    key: Path
    debian: str
    container: str | None = None
    gateway: str | None = None

    def reboot(self) -> None:
        """Restart it, and wait until it has come up."""
        if self.container:
            docker("restart", self.container)
        else:
            self.ssh("sudo systemctl reboot || true")
            time.sleep(10)
        self.wait_until_up()

    def wait_until_up(self) -> None:
        """Wait until ssh answers and systemd has finished starting."""
        for _ in range(600):
            # Not with --wait, which misses the end of a start that it was asked about too early.
            done = self.ssh("systemctl is-system-running", check=False)
            if done.returncode != 255 and done.stdout.strip() not in ("", "initializing", "starting"):
                return
            time.sleep(1)
        raise AssertionError(f"{self.address} did not come up: {done.stderr}")

    def ssh(self, command: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command over ssh, as the unprivileged user that has sudo."""
        options = [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "BatchMode=yes",
        ]
        done = subprocess.run(
            [
                *("ssh", "-i", str(self.key)),
                *(part for option in options for part in ("-o", option)),
                f"{self.user}@{self.address}",
                command,
            ],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done

    def sudo(self, command: str, *, check: bool = True) -> str:
        """What a shell command prints, run as root."""
        quoted = command.replace("'", "'\\''")
        return self.ssh(f"sudo sh -c '{quoted}'", check=check).stdout.strip()


class Deployed(Protocol):
    """A host on which an appliance runs, and the passwords of its connections."""

    @property
    def vm(self) -> Vm:
        """The host."""

    @property
    def passwords(self) -> dict[str, str]:
        """Of the source's role, and of the target's."""


def build_image(debian: str) -> str:
    """The image of a bare Debian host; made from Debian's own archive where no registry answers."""
    base = f"debian:{CODENAMES[debian]}-slim"
    tag = f"appliance-vm-host:{debian}"
    subprocess.run([str(ROOT / "scripts" / "base-image.sh")], env=os.environ | {"BASE": base}, check=True)
    environment = {
        "DOCKER_BUILDKIT": "0",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }
    command = ["docker", "build", "--quiet", "--build-arg", f"BASE={base}", "--tag", tag, str(IMAGE_FOLDER)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return tag


def cores_of_its_own() -> list[str]:
    """What lets a host have as much of the processor as several processes of this machine.

    Docker's cgroupfs driver puts all containers into one group that weighs as much as a single process
    outside: a whole VM with a dozen services would starve beside two busy test workers.
    """
    if docker("info", "--format", "{{.CgroupDriver}}") != "cgroupfs":
        return ["--cpu-shares", "8192"]
    return ["--cgroup-parent", "/", "--cpu-shares", "8192"]


class ContainerHost:
    """One such host on a network of its own that leads nowhere else."""

    def __init__(self, debian: str, key: Path) -> None:
        name = f"appliance-vm-{debian}-{secrets.token_hex(4)}"
        self.name, self._network, self._volume = name, f"{name}-net", f"{name}-docker"
        # Not one that the outer engine picks: its twelfth would be the appliance's own pool for Docker.
        subnet = f"10.{150 + secrets.randbelow(50)}.{secrets.randbelow(256)}.0/24"
        docker("network", "create", "--internal", "--subnet", subnet, self._network)
        docker("volume", "create", self._volume)
        docker(
            *("run", "--detach", "--name", name, "--hostname", "appliance-vm", "--network", self._network),
            *(part for capability in CAPABILITIES for part in ("--cap-add", capability)),
            *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
            *("--security-opt", "systempaths=unconfined", "--device-cgroup-rule", "a *:* rwm"),
            *("--cgroupns", "private", "--tmpfs", "/run", "--tmpfs", "/run/lock"),
            *cores_of_its_own(),
            *("--volume", f"{self._volume}:/var/lib/docker", build_image(debian)),
        )
        look = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.Gateway}}{{end}}"
        address, gateway = docker("inspect", "--format", look, name).split()
        authorized = (
            "install -d -m 700 -o admin -g admin /home/admin/.ssh && cat > /home/admin/.ssh/authorized_keys"
        )
        docker(
            "exec", "--interactive", name, "sh", "-c", authorized, text=key.with_suffix(".pub").read_text()
        )
        self.vm = Vm(address, "admin", key, debian, container=name, gateway=gateway)
        self.vm.wait_until_up()

    def remove(self) -> None:
        """Leave nothing behind."""
        docker("rm", "--force", "--volumes", self.name)
        docker("volume", "rm", "--force", self._volume)
        docker("network", "rm", self._network)
