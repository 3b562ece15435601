"""What a step's container may do and see, in the Docker engine's terms. Nothing here talks to Docker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

from docker.types import LogConfig, Mount

from appliance.run_folder import SPEC
from appliance.steps.calling.call import StepCall, StepPaths
from appliance.steps.calling.secrets import CONTAINER_PATH
from appliance.system import container_labels

RUN_DIR = "/appliance/run"
"""Where a step finds its run's folder; spec.json in it is read-only."""
EXPORT_DIR = "/appliance/export"
"""Where ``attest`` finds the one folder that it writes files to, and ``upload`` what it reads."""
PIDS_LIMIT = 128
TMP_BYTES = 64 * 2**20
LOG_OPTIONS = {"max-size": "5m", "max-file": "2"}
"""Docker's own copy of the output; Airflow's task log is the one people read."""
STOP_GRACE_S = 3
"""How long a step has to end its queries before it is killed."""


def paths_inside(call: StepCall) -> StepPaths:
    """Where the step finds its folders in its container."""
    return StepPaths(Path(RUN_DIR), CONTAINER_PATH, Path(EXPORT_DIR) if call.exports else None)


def labels_of(instance: str, call: StepCall) -> dict[str, str]:
    """How the container is found again, by the reaper."""
    return {
        **_place(instance, call),
        container_labels.WORKFLOW: call.workflow,
        container_labels.ATTEMPT: str(call.attempt),
    }


def same_place(instance: str, call: StepCall) -> list[str]:
    """Label filters for any attempt at this step of this run."""
    return [container_labels.labelled(label, value) for label, value in _place(instance, call).items()]


def _place(instance: str, call: StepCall) -> dict[str, str]:
    return {
        container_labels.INSTANCE: instance,
        container_labels.RUN: call.run_id,
        container_labels.STEP: call.step,
        container_labels.PART: "" if call.part is None else str(call.part),
    }


@dataclass(frozen=True)
class StepLimits:
    """What a step's container may use."""

    memory_mb: int
    cpus: float
    network: str
    cgroup_parent: str | None = None
    hosts: tuple[str, ...] = ()
    """Lines for /etc/hosts, ``name:address``: where a firewall guards the steps they have no name server."""


class HostSettings(TypedDict):
    """The keyword arguments of docker's ``create_host_config``."""

    mounts: list[Mount]
    network_mode: str
    mem_limit: int
    memswap_limit: int
    nano_cpus: int
    pids_limit: int
    read_only: bool
    tmpfs: dict[str, str]
    cap_drop: list[str]
    security_opt: list[str]
    log_config: LogConfig
    auto_remove: bool
    oom_kill_disable: bool
    extra_hosts: NotRequired[list[str]]
    dns: NotRequired[list[str]]
    sysctls: NotRequired[dict[str, str]]
    cgroup_parent: NotRequired[str]


def host_settings(limits: StepLimits, mounts: list[Mount]) -> HostSettings:
    """What a step's container may do on its host."""
    memory = limits.memory_mb * 2**20
    settings: HostSettings = {
        "mounts": mounts,
        "network_mode": limits.network,
        "mem_limit": memory,
        "memswap_limit": memory,
        "nano_cpus": int(limits.cpus * 1_000_000_000),
        "pids_limit": PIDS_LIMIT,
        "read_only": True,
        "tmpfs": {"/tmp": f"size={TMP_BYTES},mode=1777,nosuid,nodev"},  # noqa: S108
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "log_config": LogConfig(type="json-file", config=LOG_OPTIONS),
        "auto_remove": False,
        "oom_kill_disable": False,
    }
    if limits.network == "bridge":
        settings["extra_hosts"] = [*limits.hosts, "host.docker.internal:host-gateway"]
    if limits.cgroup_parent:
        settings["cgroup_parent"] = limits.cgroup_parent
    return settings


def step_mounts(inside: StepPaths, host: StepPaths, *, only_reads_files: bool = False) -> list[Mount]:
    """The run's folder, its spec read-only over it, the step's secrets read-only, and the folder for files
    where the step writes or reads any: the host's paths, where the step finds them.
    """
    exported = []
    if inside.export_dir is not None and host.export_dir is not None:
        exported = [_bind(inside.export_dir, host.export_dir, read_only=only_reads_files)]
    return [
        *exported,
        _bind(inside.run_dir, host.run_dir),
        _bind(inside.run_dir / SPEC, host.run_dir / SPEC, read_only=True),
        _bind(inside.secrets_dir, host.secrets_dir, read_only=True),
    ]


def _bind(inside: Path, host: Path, *, read_only: bool = False) -> Mount:
    return Mount(str(inside), str(host), type="bind", read_only=read_only)
