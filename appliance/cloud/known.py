"""What the reporter asks the status service for."""

from __future__ import annotations

from typing import Any, Protocol


class Known(Protocol):
    """What the status service knows of this appliance, whoever asks."""

    def status(self) -> dict[str, Any]:
        """What ``/status`` says."""
        ...

    def connection_states(self, wanted: set[str]) -> dict[str, str]:
        """How ready each connection is that there is or that a workflow names."""
        ...
