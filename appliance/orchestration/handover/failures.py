"""Why a container of the customer's own has failed, in words for a person."""

from __future__ import annotations

from appliance.errors import Explanation
from appliance.orchestration.step_failures import KILLED, ContainerState
from appliance.workflow.deliveries.container_delivery import ContainerDelivery

_STAYS = "The twin was published before, and stays as it is."
_NOT_STARTED = {126: "Its entry point may not be executed.", 127: "Its entry point is not in the image."}


def _it(container: ContainerDelivery) -> str:
    return f"The container of {container.image}"


def not_started(container: ContainerDelivery, said: str) -> Explanation:
    """The engine has refused to start it; ``said`` is scrubbed."""
    return Explanation(
        f"The container of {container.image} could not be started.",
        f"{said or 'The engine did not say why.'} {_STAYS}",
        "Correct `args` in the workflow, or the image's entry point.",
    )


def out_of_time(container: ContainerDelivery) -> Explanation:
    """It was ended for its time."""
    return Explanation(
        f"{_it(container)} took longer than {container.timeout_min} minutes, so it was ended.",
        f"`timeout_min` of this delivery says so. {_STAYS}",
        "Raise timeout_min in the workflow, or look into its output: appliance logs",
    )


def too_much(container: ContainerDelivery) -> Explanation:
    """It was ended for what it wrote."""
    return Explanation(
        f"{_it(container)} wrote more than {container.out_max_mb} MiB to /out, so it was ended.",
        f"`out_max_mb` of this delivery says so; nothing of it was kept. {_STAYS}",
        "Raise out_max_mb in the workflow, or have the container write less.",
    )


def not_kept(container: ContainerDelivery, why: str) -> Explanation:
    """What it has written cannot be an export."""
    return Explanation(
        f"What the container of {container.image} wrote to /out was not kept.",
        f"{why} {_STAYS}",
        "Have it write plain files only; df -h shows whether this machine's disk is full.",
    )


def by_state(container: ContainerDelivery, state: ContainerState, memory_mb: int) -> Explanation:
    """It has ended badly by itself."""
    if state.out_of_memory or state.exit_code == KILLED:
        ended = "was ended" if state.out_of_memory else "was killed, most likely"
        return Explanation(
            f"{_it(container)} {ended} because it needed more than the {memory_mb} MB of memory it may use.",
            f"`memory_mb` of this delivery, and steps.max_memory_mb of the appliance, say so. {_STAYS}",
            f"Raise memory_mb in the workflow above {memory_mb}.",
        )
    why = _NOT_STARTED.get(state.exit_code, "What it printed is in the run's log.")
    return Explanation(
        f"The container of {container.image} ended with exit status {state.exit_code}.",
        f"{why} {_STAYS}",
        "appliance logs   has its output; mend the image, or its `args`.",
    )
