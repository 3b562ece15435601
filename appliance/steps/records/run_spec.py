"""``spec.json``: a run as it was asked for."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from appliance.branches.asked import BranchAsked
from appliance.documents.problems import Places
from appliance.policy.policy import Policy
from appliance.policy.trusted_images import TrustedImage
from appliance.rehearsals.asking import RehearsalAsked
from appliance.subjects.erased import Erased
from appliance.workflow.deliveries.bucket_delivery import BucketDelivery
from appliance.workflow.document import Workflow


class RunSpec(BaseModel):
    """The run as it was asked for. Written once, before the first step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    workflow: Workflow
    origin: Literal["local", "cloud"]
    """Where the workflow came from: policy is stricter with what the cloud sent."""
    policy: Policy
    approved: tuple[str, ...] = ()
    """What the owner lets the cloud keep of the source, besides what policy does."""
    created_at: datetime
    appliance_version: str
    mask_key: str | None = None
    """Under which name the source's mask keys are derived; None for the connection's own."""
    epoch: int = 1
    """The generation of those keys, as it was when the run began."""
    workflow_digest: str = ""
    """Names the version of the document as it was written, as the dashboard does."""
    asked_by_user: str | None = None
    """The user of this machine who typed the command, if one did."""
    images: dict[str, TrustedImage] = {}
    """What each image of its containers stood for when it began."""
    after_load: tuple[str, ...] = ()
    """The SQL of its after_load, files read."""
    erased: tuple[Erased, ...] = ()
    """Whom the run leaves out, by keyed digests."""
    branch: BranchAsked | None = None
    """What is asked of a branch of its twin, where that is all that is to be done."""
    rehearsal: RehearsalAsked | None = None
    """The migration to rehearse in a branch of its twin, the same."""
    places: Places = Places()
    """Where the workflow's keys stand in its file, so that what is wrong with them can be pointed at."""

    @property
    def key_name(self) -> str:
        """Under which name the source's mask keys are derived."""
        return self.mask_key or self.workflow.source


def bucket_folder(spec: RunSpec, delivery: BucketDelivery) -> str:
    """Where the run's objects lie in a bucket; the same for every attempt."""
    workflow = spec.workflow
    return delivery.folder(workflow.id, spec.run_id, spec.created_at, workflow.timezone)


class _AnyRelease(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class FrozenLimits(_AnyRelease):
    """How many steps of a run work at a time, and how often each is tried again."""

    parallel: int = 1
    retries: int = 0


class FrozenWorkflow(_AnyRelease):
    """What scheduling has to know of a workflow."""

    id: str
    title: str = ""
    limits: FrozenLimits = FrozenLimits()


class SpecBrief(_AnyRelease):
    """What of a spec is read where the run may have been begun by another release."""

    workflow: FrozenWorkflow
    origin: Literal["local", "cloud"]
