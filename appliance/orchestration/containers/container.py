"""What a step's container may do and see, as the Docker engine is told it. Nothing here talks to Docker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from docker.types import LogConfig, Mount

from appliance.run_folder import SPEC

RUN_DIR = "/appliance/run"
"""Where a step finds its run's folder; spec.json in it is read-only."""
EXPORT_DIR = "/appliance/export"
"""Where ``publish`` finds the one folder that it writes files to, if its workflow delivers any."""
LABEL = "appliance."
PIDS_LIMIT = 128
TMP_BYTES = 64 * 2**20
LOG_OPTIONS = {"max-size": "5m", "max-file": "2"}
"""Docker's own copy of the output; Airflow's task log is the one people read."""
STOP_GRACE_S = 3
"""How long a step has to end its queries before it is killed."""


@dataclass(frozen=True)
class StepCall:
    """One attempt at one step of one run."""

    instance: str
    run_id: str
    workflow: str
    step: str
    attempt: int
    shard: int | None = None
    delivery: int | None = None
    exports: bool = False

    @property
    def part(self) -> int | None:
        """Which of the step's parallel parts this is, whatever they are parts of."""
        return self.shard if self.shard is not None else self.delivery

    @property
    def place(self) -> str:
        """Names the step within its run: ``copy-3``, ``plan``."""
        return self.step if self.part is None else f"{self.step}-{self.part}"

    def arguments(self, secrets_dir: str) -> list[str]:
        """What follows ``python -m appliance.steps``."""
        arguments = [self.step, "--run-dir", RUN_DIR, "--secrets", secrets_dir]
        if self.shard is not None:
            arguments += ["--shard", str(self.shard)]
        if self.delivery is not None:
            arguments += ["--delivery", str(self.delivery)]
        if self.exports:
            arguments += ["--export-dir", EXPORT_DIR]
        return arguments

    def labels(self) -> dict[str, str]:
        """How the container is found again, by whoever reaps it."""
        named = {
            "instance": self.instance,
            "run": self.run_id,
            "workflow": self.workflow,
            "step": self.step,
            "part": "" if self.part is None else str(self.part),
            "try": str(self.attempt),
        }
        return {LABEL + name: value for name, value in named.items()}

    def same_place(self) -> list[str]:
        """Label filters for any attempt at this step of this run."""
        return [
            f"{LABEL}{name}={self.labels()[LABEL + name]}" for name in ("instance", "run", "step", "part")
        ]


@dataclass(frozen=True)
class StepLimits:
    """What a step's container may use."""

    memory_mb: int
    cpus: float
    network: str
    cgroup_parent: str | None = None
    hosts: tuple[str, ...] = ()
    """Lines for /etc/hosts, ``name:address``: where a firewall guards the steps they have no name server."""


def host_settings(limits: StepLimits, mounts: list[Mount]) -> dict[str, Any]:
    """The keyword arguments of docker's ``create_host_config``."""
    memory = limits.memory_mb * 2**20
    settings: dict[str, Any] = {
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


def step_mounts(
    run_dir: str, secrets_dir: str, secrets_seen_at: str, export_dir: str | None = None
) -> list[Mount]:
    """The run's folder, its spec read-only over it, the step's secrets read-only, and the folder for files
    where the step writes any. Paths are the host's.
    """
    exported = [Mount(EXPORT_DIR, export_dir, type="bind")] if export_dir else []
    return [
        *exported,
        Mount(RUN_DIR, run_dir, type="bind"),
        Mount(f"{RUN_DIR}/{SPEC}", f"{run_dir}/{SPEC}", type="bind", read_only=True),
        Mount(secrets_seen_at, secrets_dir, type="bind", read_only=True),
    ]
