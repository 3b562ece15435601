"""Docker and the appliance's containers: labels and states, never environment, arguments or mounts."""

from __future__ import annotations

from collections.abc import Iterable

from appliance.diagnostics.part import Part, output_of, separated
from appliance.system.container_labels import PART, RUN, STEP, shown

_ENGINE = (
    "server {{.ServerVersion}}, storage {{.Driver}}, cgroups {{.CgroupDriver}} {{.CgroupVersion}}, logs"
    " {{.LoggingDriver}}, live-restore {{.LiveRestoreEnabled}}, containers {{.Containers}} (running"
    " {{.ContainersRunning}}), images {{.Images}}, cores {{.NCPU}}"
)
_CONTAINER = "{{.ID}} | {{.Image}} | {{.State}} | {{.Status}} | {{.CreatedAt}}"
_STEP = f" | run {shown(RUN)} | step {shown(STEP)} | part {shown(PART)}"


def parts() -> list[Part]:
    """One part."""
    return [Part("containers.txt", "Docker, its images and the appliance's containers", _look)]


def _look() -> Iterable[str]:
    yield "=== engine\n" + output_of(["docker", "info", "--format", _ENGINE])
    yield "=== room\n" + output_of(["docker", "system", "df"])
    yield "=== images\n" + separated(output_of(["docker", "image", "ls"]), 2)
    yield "=== containers of steps\n" + output_of(
        ["docker", "ps", "--all", f"--filter=label={RUN}", "--format", _CONTAINER + _STEP]
    )
    yield "=== all containers\n" + output_of(
        ["docker", "ps", "--all", "--format", "{{.ID}} | {{.Image}} | {{.State}} | {{.Status}}"]
    )
    yield "=== networks\n" + output_of(["docker", "network", "ls"])
