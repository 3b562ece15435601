"""Facts about the Docker engine, asked over its socket: no client of Docker's is needed for it."""

from __future__ import annotations

import grp
import shutil
from typing import Any, TypedDict

from appliance.preflight.facts import Docker
from appliance.system import container_labels, http

_WAIT_S = 20


def gather_docker() -> Docker:
    """Raises nothing; an engine that cannot be asked does not answer."""
    info = _ask("/info") or {}
    mode, group, members = _socket()
    return Docker(
        installed=shutil.which("dockerd", path="/usr/sbin:/usr/bin:/usr/local/bin") is not None or bool(info),
        answers=bool(info),
        version=str(info.get("ServerVersion", "")),
        storage=str(info.get("Driver", "")),
        memory_limit=bool(info.get("MemoryLimit", True)),
        socket_mode=mode,
        socket_group=group,
        members=members,
        foreign=_foreign(_ask("/containers/json") or []),
    )


def _ask(path: str) -> Any:
    try:
        answer = http.ask(f"http://docker{path}", by_socket=http.DOCKER, within_s=_WAIT_S)
    except http.NoAnswerError:
        return None
    return answer.json() if answer.status == 200 else None


def _socket() -> tuple[int | None, str, tuple[str, ...]]:
    """(mode, group, who else is in it)."""
    try:
        status = http.DOCKER.stat()
        group = grp.getgrgid(status.st_gid)
    except (OSError, KeyError):
        return None, "", ()
    # Root needs no group; its members matter only where the group may use the socket.
    members = group.gr_mem if status.st_mode & 0o020 and group.gr_gid != 0 else []
    return status.st_mode & 0o777, group.gr_name, tuple(sorted(set(members) - {"root"}))


class _Listed(TypedDict):
    """A container as the engine lists it."""

    Names: list[str] | None
    Labels: dict[str, str] | None


def _foreign(containers: list[_Listed]) -> tuple[str, ...]:
    names = [
        str((container.get("Names") or ["?"])[0]).lstrip("/")
        for container in containers
        if container_labels.RUN not in (container.get("Labels") or {})
    ]
    return tuple(sorted(names))
