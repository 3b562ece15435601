"""What every deployer is: three stages, and the order in which all of them pass through each."""

from __future__ import annotations

from collections.abc import Sequence

from provisioning.knobs import Knobs


class Deployer:
    """One concern of the host.

    ``install`` brings packages, users and folders; ``configure`` writes the files that services read;
    ``activate`` starts, restarts or reloads. All deployers finish a stage before any enters the next,
    so that no service starts while half of what it reads is still to be written.
    """

    def __init__(self, knobs: Knobs) -> None:
        self.knobs = knobs

    def install(self) -> None:
        """Bring what the configuration will refer to."""

    def configure(self) -> None:
        """Write what the services will read."""

    def activate(self) -> None:
        """Make the running host agree with what is written."""


def perform(deployers: Sequence[Deployer]) -> None:
    """Take all deployers through the three stages, stage by stage."""
    for deployer in deployers:
        deployer.install()
    for deployer in deployers:
        deployer.configure()
    for deployer in deployers:
        deployer.activate()
