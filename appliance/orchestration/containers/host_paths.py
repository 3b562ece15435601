"""Where a path of this process lies for the Docker engine.

On a VM both see the same files. In compose the scheduler is itself a container, and a bind mount for a step
must name the path on the host: it is looked up among this container's own mounts.
"""

from __future__ import annotations

import functools
import re
import socket
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import docker
from docker.errors import DockerException, NotFound

from appliance.errors import WorkFailedError, WrongRequestError
from appliance.system import proc

_CONTAINER_ID = re.compile(r"/containers/([0-9a-f]{64})/")


def host_path(client: docker.APIClient, path: Path) -> str:
    """The path that the Docker engine must be given to mean ``path`` of this process.

    Raises WrongRequestError when this process is in a container that shares no such folder with the host.
    """
    mounts = _own_mounts(client)
    if mounts is None:
        return str(path)
    found = _translate(path, mounts)
    if found is None:
        raise WrongRequestError(
            f"{path} lies inside this container only, so a step's container cannot share it.",
            "The scheduler runs in a container, and none of its mounts covers that folder.",
            "Mount a volume there, in compose.yaml.",
        )
    return found


def _translate(path: Path, mounts: tuple[tuple[str, str], ...]) -> str | None:
    """The innermost mount that covers the path decides."""
    best: tuple[int, str] | None = None
    for destination, source in mounts:
        if path.is_relative_to(destination):
            depth = len(PurePosixPath(destination).parts)
            if best is None or depth > best[0]:
                best = (depth, str(PurePosixPath(source) / path.relative_to(destination)))
    return best[1] if best else None


@functools.cache
def _own_mounts(client: docker.APIClient) -> tuple[tuple[str, str], ...] | None:
    """(destination, source) of this container's mounts; None when this is no container."""
    if not in_container():
        return None
    for candidate in _own_ids():
        try:
            details: Mapping[str, Any] = client.inspect_container(candidate)
        except NotFound:
            continue
        except DockerException as error:
            raise WorkFailedError("Docker does not answer.", type(error).__name__) from None
        return tuple((mount["Destination"], mount["Source"]) for mount in details["Mounts"])
    return None


def in_container() -> bool:
    """Whether this process runs in a Docker container."""
    return Path("/.dockerenv").exists()


def _own_ids() -> list[str]:
    """What this container may be known as: its id, as its own files are mounted from, or its host name."""
    found = _CONTAINER_ID.search(proc.read("self/mountinfo"))
    return ([found.group(1)] if found else []) + [socket.gethostname()]
