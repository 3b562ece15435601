"""What a try of a connection has found: names of checks, and no more than that."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from appliance.contract.connection_test import ConnectionCheck


class TriedConnection(BaseModel):
    """The checks of one connection, in the order in which they were made."""

    model_config = ConfigDict(frozen=True)

    checks: tuple[ConnectionCheck, ...]

    @property
    def works(self) -> bool:
        """Whether none has failed."""
        return all(each.state != "fail" for each in self.checks)
