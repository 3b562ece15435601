"""Removing what a run left: containers found by their labels, and secrets on tmpfs."""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path

import docker

from appliance.orchestration.containers.attempt import DockerTrouble, stop_container
from appliance.orchestration.containers.inputs import instance_name
from appliance.run_folder import is_over, run_folder
from appliance.settings.settings import Settings
from appliance.system import container_labels

ORPHANED_SECRETS_S = 3600
"""Secrets of a run without a folder (it was deleted meanwhile) go after this long."""


def remove_run(client: docker.APIClient, settings: Settings, run_id: str, *, step: str | None = None) -> int:
    """Stop and remove a run's containers, or those of one step, and its secrets; how many there were."""
    wanted = [
        container_labels.labelled(container_labels.INSTANCE, instance_name(settings, client)),
        container_labels.labelled(container_labels.RUN, run_id),
    ]
    if step:
        wanted.append(container_labels.labelled(container_labels.STEP, step))
    found = client.containers(all=True, filters={"label": wanted})
    for container in found:
        remove_container(client, container["Id"])
    remove_networks(client, wanted)
    secrets = settings.runtime_dir / run_id
    for folder in secrets.glob(f"{step}-*" if step else "*"):
        shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        secrets.rmdir()
    return len(found)


def remove_networks(client: docker.APIClient, labels: list[str]) -> None:
    """Remove the networks with these labels; one that is still in use stays. Raises DockerTrouble."""
    for network in client.networks(filters={"label": labels}):
        with contextlib.suppress(*DockerTrouble):
            client.remove_network(network["Id"])


def remove_container(client: docker.APIClient, container: str) -> None:
    """End it politely, then remove it with its anonymous volumes; one that is gone is no error."""
    stop_container(client, container)
    with contextlib.suppress(*DockerTrouble):
        client.remove_container(container, force=True, v=True)


def reap(client: docker.APIClient, settings: Settings) -> list[str]:
    """Remove the containers and secrets of every run that is over; the ids of those runs."""
    ours = [
        container_labels.labelled(container_labels.INSTANCE, instance_name(settings, client)),
        container_labels.RUN,
    ]
    found = client.containers(all=True, filters={"label": ours})
    runs = {container["Labels"][container_labels.RUN] for container in found}
    runs |= _runs_with_secrets(settings.runtime_dir)
    over = sorted(run for run in runs if _is_over(settings, run))
    for run in over:
        remove_run(client, settings, run)
    return over


def _runs_with_secrets(runtime_dir: Path) -> set[str]:
    try:
        return {
            folder.name
            for folder in runtime_dir.iterdir()
            if any(folder.glob("*/pg_service.conf")) or any(folder.glob("container-*"))
        }
    except OSError:
        return set()


def _is_over(settings: Settings, run_id: str) -> bool:
    folder = run_folder(settings.state_dir, run_id)
    if folder.exists():
        return is_over(folder)
    with contextlib.suppress(OSError):
        return time.time() - (settings.runtime_dir / run_id).stat().st_mtime > ORPHANED_SECRETS_S
    return True
