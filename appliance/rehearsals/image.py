"""A migration that is an image: which container it is, and whether policy names it."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.errors import WrongRequestError
from appliance.policy.containers import EXPORTS, check_containers
from appliance.policy.policy import Policy, enforce
from appliance.policy.refusal import Origin
from appliance.policy.trusted_images import images_of
from appliance.settings.settings import Settings
from appliance.workflow.deliveries.container_delivery import DATABASES
from appliance.workflow.document import Workflow

_ASK_OWNER = "Ask the owner of policy.yaml."


def as_container(workflow: Workflow, twin: str, image: str, args: Sequence[str]) -> Workflow:
    """The workflow as if it delivered the twin of that connection to the image's container alone.

    Raises WrongRequestError where it names no role for it.
    """
    if workflow.rehearsal.connection is None:
        raise WrongRequestError(
            "A container needs a role of its own, and the workflow names none.",
            "As the twin's owner it could drop the twin: its statements are not seen before they run.",
            "Name a connection as rehearsal.connection in the workflow.",
        )
    container = {
        "image": image,
        "args": list(args),
        "reads": "twin",
        "network": [DATABASES],
        "timeout_min": workflow.rehearsal.max_minutes,
    }
    return Workflow(
        id=workflow.id,
        source=workflow.source,
        tables=workflow.tables,
        deliver=[{"twin": {"connection": twin}}, {"container": container}],
    )


def check_image(settings: Settings, workflow: Workflow, policy: Policy, origin: Origin) -> None:
    """Raise RefusedError for an image that policy does not name, or that is not trusted."""
    # What it writes is not kept, so nothing is delivered anywhere.
    refusals = check_containers(workflow, origin, images=policy.images, destinations=[EXPORTS], secrets=None)
    enforce(tuple(refusals), _ASK_OWNER)
    images_of(settings.trusted_images_file, workflow)
