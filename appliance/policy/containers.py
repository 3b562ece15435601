"""What a container of the customer's own may be: which image, which secrets, and what it may reach.

For local workflows too: what is started, and where data goes from there, is the owner's to say.
"""

from __future__ import annotations

from collections.abc import Collection

from appliance.policy.refusal import Origin, Refusal
from appliance.workflow.deliveries.container_delivery import full_reference
from appliance.workflow.document import Workflow

EXPORTS = "files"
"""What ``destinations`` calls this appliance's own exports folder."""


def check_containers(
    workflow: Workflow,
    origin: Origin,
    *,
    images: Collection[str],
    destinations: Collection[str],
    secrets: Collection[str] | None,
) -> list[Refusal]:
    """Every image, destination and secret that the owner has not named."""
    allowed = {full_reference(each) for each in images}
    reachable = {each.lower() for each in destinations}
    refusals = []
    for container in workflow.containers.values():
        if full_reference(container.image) not in allowed:
            what = f"The image {container.image} may not be run here: images does not name it."
            refusals.append(Refusal("images", what))
        if EXPORTS not in destinations:
            what = (
                f"What the container of {container.image} writes may not be kept here: destinations does not"
                f" name `{EXPORTS}`."
            )
            refusals.append(Refusal("destinations", what))
        for host, port in container.places:
            if f"{host}:{port}" not in reachable:
                what = f"A container may not reach {host}:{port}: destinations does not name it."
                refusals.append(Refusal("destinations", what))
        for name in container.secrets:
            if name not in (secrets or ()) and not (secrets is None and origin == "local"):
                what = f"The secret `{name}` may not be given to a container."
                refusals.append(Refusal("secrets", what))
    return list(dict.fromkeys(refusals))
