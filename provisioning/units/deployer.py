"""The appliance's user, its folders and settings, and the units that run it."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from pyinfra.api.operation import OperationMeta
from pyinfra.context import host
from pyinfra.operations import files

from appliance.system.units import PREPARE, SANDBOX, SERVICES, SLICES, STARTED_BY_TIMERS, TIMERS, UNIT_FOLDER
from provisioning.facts import Output
from provisioning.knobs import Knobs
from provisioning.operations import ensured, secret_file, unit
from provisioning.packages.deployer import proxy_with_credentials
from provisioning.release.deployer import CURRENT, ROOT, Release
from provisioning.stages import Deployer
from provisioning.units.settings_file import STATUS_FOLDER, settings_file, status_environment

CONFIG = "/etc/appliance"
_SOURCE = Path(__file__).parents[2] / "systemd"
_RESERVED_MB = 512
"""What PostgreSQL, Docker and the system itself keep, beside the services and the steps."""


class Units(Deployer):
    """Units restart when their file, their settings or their release has changed since they started."""

    def __init__(self, knobs: Knobs, release: Release) -> None:
        super().__init__(knobs)
        self.release = release

    def install(self) -> None:
        """The user first: files of every other concern belong to it."""
        files.put(
            name="Declare the user appliance",
            src=str(_SOURCE / "sysusers.conf"),
            dest="/etc/sysusers.d/appliance.conf",
            mode="644",
        )
        ensured(
            name="Make the user appliance",
            commands=["systemd-sysusers appliance.conf"],
            unless="getent passwd appliance && getent passwd appliance-status",
        )
        files.put(
            name="Declare the folders",
            src=str(_SOURCE / "tmpfiles.conf"),
            dest="/etc/tmpfiles.d/appliance.conf",
            mode="644",
        )
        ensured(
            name="Make the folders",
            commands=["systemd-tmpfiles --create appliance.conf"],
            unless="test -d /run/appliance && test -d /var/lib/appliance/keys && test -d /var/log/appliance "
            f"&& test -d {CONFIG}/workflows && test -d {ROOT}/bundles "
            f"&& test -d {ROOT}/trust && test -d {STATUS_FOLDER} "
            '&& test "$(stat -c %a /var/lib/appliance/workflows /var/lib/appliance/update /run/appliance '
            '| tr "\\n" " ")" = "2770 2770 710 "',
        )
        former, own = "/var/lib/appliance/keys/dashboard.json", f"{STATUS_FOLDER}/dashboard.json"
        ensured(
            name="Give the status service its own token for the dashboard",
            # As each of the two users: neither could lead root anywhere by a link.
            commands=[
                f"runuser -u appliance -- cat {former} | runuser -u appliance-status -- "
                f"sh -c 'umask 077; cat > {own}.new && mv {own}.new {own}' "
                f"&& runuser -u appliance -- rm {former}"
            ],
            unless=f"! test -f {former} || test -e {own}",
        )

    def configure(self) -> None:
        """Settings, ceilings, units."""
        self.settings = [
            files.put(
                name="Write appliance.yaml",
                src=StringIO(settings_file(self.knobs)),
                dest=f"{CONFIG}/appliance.yaml",
                user="root",
                group="appliance",
                mode="640",
            ),
            self._proxy(),
            files.put(
                name="Write the settings that only the status service has",
                src=StringIO(status_environment(self.knobs)),
                dest=f"{CONFIG}/status.env",
                mode="644",
            ),
        ]
        self._documents()
        # The restrictions first: no unit is written that could start without them.
        self.units = [self._unit_file(name) for name in (SANDBOX, *SLICES, PREPARE, *SERVICES)]
        for name in (*STARTED_BY_TIMERS, *TIMERS):
            self._unit_file(name)
        self.ceilings = [
            self._drop_in("appliance-services.slice", services_ceiling(self.knobs)),
            self._drop_in("appliance-steps.slice", self._steps_ceiling()),
        ]
        self.journal = files.put(
            name="Bound the journal",
            src=StringIO(f"[Journal]\nStorage=persistent\nSystemMaxUse={self.knobs.journal_max_mb}M\n"),
            dest="/etc/systemd/journald.conf.d/appliance.conf",
            mode="644",
        )
        files.put(
            name="Bound the task logs",
            src=StringIO(
                f"APPLIANCE_TASK_LOG_MAX_DAYS={self.knobs.task_log_max_days}\n"
                f"APPLIANCE_TASK_LOG_MAX_MB={self.knobs.task_log_max_mb}\n"
            ),
            dest=f"{CONFIG}/cleanup.env",
            mode="644",
        )

    def activate(self) -> None:
        """Slices before services, and services in their order."""
        unit(
            name="Start systemd-journald.service",
            unit_name="systemd-journald.service",
            enabled=None,
            reads=["/etc/systemd/journald.conf.d"],
            restart_after=[self.journal],
        )
        for name in SLICES:
            # A slice takes new ceilings up while it runs; restarting it would stop everything in it.
            unit(
                name=f"Set up {name}",
                unit_name=name,
                enabled=None,
                reload_daemon_after=[*self.ceilings, *self.units],
            )
        for name in (PREPARE, *SERVICES):
            unit(
                name=f"Start {name}",
                unit_name=name,
                reads=[
                    f"{UNIT_FOLDER}/{name}",
                    f"{UNIT_FOLDER}/{SANDBOX}",
                    f"{CONFIG}/appliance.yaml",
                    f"{CONFIG}/proxy.env",
                    f"{CONFIG}/status.env",
                    CURRENT,
                    f"{CURRENT}/.complete",
                ],
                restart_after=[*self.settings, *self.units, self.release.current],
            )
        for name in TIMERS:
            unit(name=f"Start {name}", unit_name=name, reads=[f"{UNIT_FOLDER}/{name}"])
        self.release.trust()

    def _unit_file(self, name: str) -> OperationMeta:
        return files.put(
            name=f"Write {name}", src=str(_SOURCE / name), dest=f"{UNIT_FOLDER}/{name}", mode="644"
        )

    def _drop_in(self, name: str, text: str) -> OperationMeta:
        return files.put(
            name=f"Write the ceilings of {name}",
            src=StringIO(text),
            dest=f"{UNIT_FOLDER}/{name}.d/ceilings.conf",
            mode="644",
        )

    def _steps_ceiling(self) -> str:
        memory = host.get_fact(Output, command="awk '/^MemTotal:/ {print int($2 / 1024)}' /proc/meminfo")
        cores = host.get_fact(Output, command="nproc")
        return steps_ceiling(self.knobs, int(memory or 0), int(cores or 1))

    def _proxy(self) -> OperationMeta:
        path = f"{CONFIG}/proxy.env"
        proxy = proxy_with_credentials(self.knobs)
        if proxy is None:
            return files.file(name="Let the services use no proxy", path=path, present=False)
        text = f'HTTPS_PROXY="{proxy}"\nHTTP_PROXY="{proxy}"\nNO_PROXY="{self.knobs.no_proxy}"\n'
        return secret_file(name="Let the services use the proxy", src=text.encode(), dest=path)

    def _documents(self) -> None:
        """What only the customer may say. Read afresh by every run, so nothing is restarted for it."""
        if self.knobs.connections_file:
            secret_file(
                name="Upload connections.yaml",
                src=self.knobs.connections_file,
                dest=f"{CONFIG}/connections.yaml",
                mode="600",
                user="appliance",
                group="appliance",
            )
        if self.knobs.policy_file:
            files.put(
                name="Upload policy.yaml",
                src=self.knobs.policy_file,
                dest=f"{CONFIG}/policy.yaml",
                user="root",
                group="appliance",
                mode="640",
            )
        for path in self.knobs.workflow_files:
            files.put(
                name=f"Upload the workflow {Path(path).name}",
                src=path,
                dest=f"{CONFIG}/workflows/{Path(path).name}",
                user="root",
                group="appliance",
                mode="640",
            )
        if self.knobs.enrolment_token_file:
            secret_file(
                name="Upload the enrolment token",
                src=self.knobs.enrolment_token_file,
                dest=f"{CONFIG}/enrolment-token",
                mode="400",
                user="appliance-status",
                group="appliance-status",
            )


def services_ceiling(knobs: Knobs) -> str:
    """The drop-in of appliance-services.slice."""
    return f"[Slice]\nMemoryMax={knobs.services_memory_mb}M\nCPUQuota={knobs.services_cpu_percent}%\n"


def steps_ceiling(knobs: Knobs, memory_mb: int, cores: int) -> str:
    """The drop-in of appliance-steps.slice, from the knobs or else from what the host has."""
    memory = knobs.steps_memory_mb or max(512, memory_mb - knobs.services_memory_mb - _RESERVED_MB)
    percent = knobs.steps_cpu_percent or max(100, cores * 90)
    return f"[Slice]\nMemoryMax={memory}M\nCPUQuota={percent}%\nCPUWeight=50\n"
