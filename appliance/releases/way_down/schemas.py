"""What a release says of the data that it works on, in its manifest."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Schemas(BaseModel):
    """Of which kind the databases are under a release."""

    model_config = ConfigDict(frozen=True)

    airflow: str
    """Its version of Airflow."""
    metadata: str
    """The schema of Airflow's metadata, as ``alembic_version`` has it."""
    metadata_down_to: tuple[str, ...] = ()
    """The older ones that this release can turn it into."""
    store: int
    """The newest migration of the appliance's own store."""


class Moves(BaseModel):
    """The oldest releases that can be moved from and down to, both included."""

    model_config = ConfigDict(frozen=True)

    up_from: str
    down_to: str
