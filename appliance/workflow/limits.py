"""What a run may use: its own processes, and the source that it reads."""

from __future__ import annotations

from pydantic import Field

from appliance.documents.model import StrictModel


class Limits(StrictModel):
    """What a run may take of time, memory and processor. The appliance's own settings cap these."""

    parallel: int = Field(
        default=4,
        strict=True,
        ge=1,
        le=64,
        description="Shards that are copied at the same time.",
        examples=[4],
    )
    memory_mb: int = Field(
        default=512,
        strict=True,
        ge=128,
        le=65_536,
        description="Memory of one step's container, in MiB.",
        examples=[512],
    )
    cpus: float = Field(
        default=1.0,
        strict=True,
        ge=0.1,
        le=64,
        description="Processor cores that one step may use.",
        examples=[1],
    )
    run_timeout_min: int = Field(
        default=240,
        strict=True,
        ge=1,
        le=10_080,
        description="Minutes after which a run is ended.",
        examples=[240],
    )
    lock_timeout_s: int = Field(
        default=30,
        strict=True,
        ge=1,
        le=3_600,
        description="Seconds to wait for a lock on a source table before giving up.",
        examples=[30],
    )
    yield_s: int = Field(
        default=5,
        strict=True,
        ge=1,
        le=3_600,
        description=(
            "Seconds that another session may wait on the source for a lock of the run: then it lets go and "
            "takes that piece up again. Who waits for its snapshot (CREATE INDEX CONCURRENTLY) ends the run."
        ),
        examples=[5],
    )
    snapshot_max_min: int | None = Field(
        default=None,
        strict=True,
        ge=1,
        le=10_080,
        description=(
            "Minutes that a run may keep its snapshot of the source, which vacuum cannot clean behind; a "
            "notice comes at half of them, and then the run ends. null for as long as the run may take."
        ),
        examples=[60],
    )
    source_free_connections: int | None = Field(
        default=None,
        strict=True,
        ge=1,
        le=10_000,
        description=(
            "Connections that the source must have free before a copy takes its next piece; fewer copies go "
            "on at a time meanwhile. null to take no heed."
        ),
        examples=[20],
    )
    source_replica_lag_s: int | None = Field(
        default=None,
        strict=True,
        ge=1,
        le=86_400,
        description=(
            "Seconds that the source's own replicas may lag before copies wait to take their next piece; the "
            "role needs pg_monitor to see it. null to take no heed."
        ),
        examples=[30],
    )
    source_mb_per_s: float | None = Field(
        default=None,
        strict=True,
        gt=0,
        le=100_000,
        description=(
            "Megabytes a second that all copies of a run together take from the source, as they leave it; "
            "null for no limit."
        ),
        examples=[20],
    )
    after_load_timeout_min: int = Field(
        default=10,
        strict=True,
        ge=1,
        le=1_440,
        description="Minutes that the statements of after_load may take together.",
        examples=[10],
    )
    statement_timeout_min: int = Field(
        default=240,
        strict=True,
        ge=1,
        le=10_080,
        description="Minutes that one SQL statement may take, on the source and in the twin.",
        examples=[240],
    )
    retries: int = Field(
        default=2,
        strict=True,
        ge=0,
        le=10,
        description="Times a failed step is tried again, if that can help.",
        examples=[2],
    )

    @property
    def snapshot_s(self) -> int:
        """How long a snapshot may be held, in seconds."""
        return 60 * min(self.snapshot_max_min or self.run_timeout_min, self.run_timeout_min)
