"""The Docker engine: bounded logs, ports on loopback only, containers that outlive its restarts."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

from pyinfra.api.exceptions import DeployError
from pyinfra.context import host
from pyinfra.operations import files

from provisioning.facts import Output
from provisioning.knobs import Knobs
from provisioning.operations import secret_file, unit
from provisioning.packages.deployer import proxy_with_credentials
from provisioning.stages import Deployer

DAEMON_JSON = "/etc/docker/daemon.json"
_PROXY = "/etc/systemd/system/docker.service.d/appliance-proxy.conf"


class Docker(Deployer):
    """Keeps what an operator has put into daemon.json, but for the keys that the appliance depends on."""

    def configure(self) -> None:
        """Write daemon.json and the proxy that image pulls would use."""
        current = host.get_fact(Output, command=f"cat {DAEMON_JSON}")
        self.config = files.put(
            name="Write Docker's daemon.json",
            src=StringIO(daemon_json(current, self.knobs)),
            dest=DAEMON_JSON,
            mode="644",
        )
        proxy = proxy_with_credentials(self.knobs)
        if proxy is None:
            self.proxy = files.file(name="Let Docker use no proxy", path=_PROXY, present=False)
        else:
            escaped = proxy.replace("%", "%%")
            text = (
                f'[Service]\nEnvironment="HTTP_PROXY={escaped}" "HTTPS_PROXY={escaped}" '
                f'"NO_PROXY={self.knobs.no_proxy}"\n'
            )
            files.directory(name="Make the folder of Docker's unit settings", path=_PROXY.rsplit("/", 1)[0])
            self.proxy = secret_file(name="Let Docker use the proxy", src=text.encode(), dest=_PROXY)

    def activate(self) -> None:
        """Running steps survive a restart of the engine (live-restore)."""
        unit(
            name="Start docker.service",
            unit_name="docker.service",
            reads=[DAEMON_JSON, "/etc/systemd/system/docker.service.d"],
            restart_after=[self.config, self.proxy],
        )


def daemon_json(current: str, knobs: Knobs) -> str:
    """daemon.json with the appliance's keys set and every other key of ``current`` kept."""
    try:
        settings: dict[str, Any] = json.loads(current) if current else {}
    except ValueError:
        raise DeployError(f"{host.name}: {DAEMON_JSON} is not JSON. Next: correct or remove it.") from None
    settings |= {
        # Steps are placed in appliance-steps.slice, which only the systemd driver understands.
        "exec-opts": ["native.cgroupdriver=systemd"],
        "live-restore": True,
        "log-driver": "json-file",
        "log-opts": {"max-size": knobs.docker_log_max_size, "max-file": str(knobs.docker_log_max_files)},
        "default-address-pools": knobs.docker_address_pools,
        # A published port that names no address would otherwise listen on every one of them.
        "ip": "127.0.0.1",
        "userland-proxy": False,
        "no-new-privileges": True,
    }
    return json.dumps(settings, indent=2, sort_keys=True) + "\n"
