"""What steps are given while they run: the files in their secrets folders, and what Docker shows of them."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import docker
from docker.errors import DockerException

from appliance.orchestration.containers.inputs import instance_name
from appliance.system import container_labels
from tests.containers.appliance_host import ApplianceHost


@dataclass
class Seen:
    """All that was seen of a run."""

    files: dict[str, set[str]] = field(default_factory=dict)
    """Names of files with something in them, by step."""
    shown: set[str] = field(default_factory=set)
    """What ``docker inspect`` says of each container."""


@contextlib.contextmanager
def watched(appliance: ApplianceHost) -> Iterator[Seen]:
    """Look again and again, for the length of a block."""
    seen, over = Seen(), threading.Event()
    client = docker.from_env(version="auto").api
    label = container_labels.labelled(container_labels.INSTANCE, instance_name(appliance.settings, client))

    def look() -> None:
        while not over.wait(0.05):
            for path in (appliance.folder / "run").glob("*/*/*"):
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_size:
                        seen.files.setdefault(path.parent.name.partition("-")[0], set()).add(path.name)
            with contextlib.suppress(DockerException):
                for each in client.containers(all=True, filters={"label": label}):
                    seen.shown.add(json.dumps(client.inspect_container(each["Id"])["Config"]))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
