"""What a container of the customer's own may do and see, as the Docker engine is asked for it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from docker.types import Mount

from appliance.orchestration.containers.container import HostSettings, StepLimits, host_settings
from appliance.orchestration.handover.network import Network
from appliance.steps.calling.call import StepCall
from appliance.steps.calling.secrets import SERVICE_FILE
from appliance.workflow.deliveries.container_delivery import ContainerDelivery

DATA = Path("/data")
"""Where it finds the run's files and their manifest."""
OUT = Path("/out")
"""Where it may write; what is there at its end is kept as an export."""
SECRETS = Path("/run/secrets")
"""Where it finds its secrets, one file each, and the service file for the twin."""
SERVICE = "twin"
"""The section of the service file: ``psql service=twin``, or psql alone."""


class CreatedContainer(TypedDict):
    """The keyword arguments of docker's ``create_container``."""

    image: str
    command: list[str] | None
    user: str
    environment: dict[str, str]
    labels: dict[str, str]
    host_config: Any


@dataclass(frozen=True)
class Folders:
    """This machine's folders behind the container's."""

    secrets: Path
    out: Path
    data: Path | None
    """None for a container that reads the twin."""


def mounts(folders: Folders) -> list[Mount]:
    """All that it sees of this machine."""
    data = [] if folders.data is None else [_bind(DATA, folders.data, read_only=True)]
    return [*data, _bind(SECRETS, folders.secrets, read_only=True), _bind(OUT, folders.out, read_only=False)]


def environment(call: StepCall, container: ContainerDelivery) -> dict[str, str]:
    """Names and paths; no secret is in it."""
    twin = {"PGSERVICEFILE": str(SECRETS / SERVICE_FILE), "PGSERVICE": SERVICE}
    return {
        "HOME": "/tmp",  # noqa: S108 - its own tmpfs
        "APPLIANCE_RUN": call.run_id,
        "APPLIANCE_WORKFLOW": call.workflow,
        **(twin if container.reads == "twin" else {}),
    }


def container_settings(limits: StepLimits, folders: Folders, network: Network) -> HostSettings:
    """The keyword arguments of docker's ``create_host_config``: a step's, in a network of its own."""
    settings = host_settings(limits, mounts(folders))
    network.apply(settings)
    return settings


def created(  # noqa: PLR0917
    image: str,
    call: StepCall,
    container: ContainerDelivery,
    user: str,
    labels: Mapping[str, str],
    host_config: Any,
) -> CreatedContainer:
    """What the engine is asked for. The entry point is the image's own."""
    return {
        "image": image,
        "command": list(container.args) or None,
        "user": user,
        "environment": environment(call, container),
        "labels": dict(labels),
        "host_config": host_config,
    }


def _bind(inside: Path, host: Path, *, read_only: bool) -> Mount:
    return Mount(str(inside), str(host), type="bind", read_only=read_only)
