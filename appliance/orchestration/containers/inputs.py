"""What a step of a run is given: the run's frozen spec, and its secrets read afresh."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import docker

import appliance
from appliance.buckets.access import access_of, secrets_of
from appliance.connections.buckets import BucketConnection
from appliance.connections.database import Connection
from appliance.connections.file import load_connections, select_buckets, select_connections
from appliance.connections.password_command import password_of
from appliance.contract.fields import document_digest
from appliance.errors import WorkFailedError, WrongRequestError
from appliance.keys.epochs import read_epochs
from appliance.keys.keys import load_or_create_key
from appliance.orchestration.containers.host_paths import host_path
from appliance.orchestration.containers.needs import buckets_for, connections_for, needs_key
from appliance.policy.approvals import approved_columns
from appliance.policy.policy import check_workflow, enforce, read_policy
from appliance.policy.trusted_images import images_of
from appliance.run_folder import run_folder
from appliance.scrubbing.scrub import Scrubber
from appliance.settings.settings import Settings
from appliance.steps.calling.call import StepCall
from appliance.steps.calling.secrets import CONTAINER_PATH, write_buckets, write_secrets
from appliance.steps.calling.step_keys import PLANNING, step_settings
from appliance.steps.records.former_catalog import give_former_catalog
from appliance.steps.records.run_files import PLAN, SPEC
from appliance.steps.records.run_spec import RunSpec
from appliance.subjects.records import erased_subjects
from appliance.workflow.deliveries.after_load import sql_texts
from appliance.workflow.deliveries.container_delivery import split_place
from appliance.workflow.document import Workflow
from appliance.workflow.loading import load_workflow


@dataclass
class StepInputs:
    """The spec of a run, and access to what its steps may know."""

    settings: Settings
    spec: RunSpec
    scrubber: Scrubber = field(default_factory=Scrubber)

    @classmethod
    def of_run(
        cls,
        settings: Settings,
        call: StepCall,
        source_file: Path,
        origin: Literal["local", "cloud"],
    ) -> StepInputs:
        """What the run's steps are given. Its first one freezes the document as it is then.

        Raises WrongRequestError for a document that has become wrong or is gone, RefusedError where policy
        says no.
        """
        folder = run_folder(settings.state_dir, call.run_id)
        if call.begins_run and not SPEC.is_in(folder):
            _begin(settings, call, source_file, origin)
        spec = SPEC.read(folder)
        inputs = cls(settings, spec)
        everyone = inputs.connections_of_workflow().values()
        inputs.scrubber = Scrubber(
            [
                *(each.password.get_secret_value() for each in everyone),
                *secret_values(inputs.connections_to_reach(call)[1]),
                *(secret for each in inputs.known_buckets().values() for secret in each.secrets),
                *inputs.bucket_secrets(call),
            ]
        )
        return inputs

    def connections_of_workflow(self) -> dict[str, Connection]:
        """Every connection that the workflow names, as connections.yaml has it now."""
        names = sorted(set(self.spec.workflow.connections))
        return select_connections(load_connections(self.settings.connections_file), names)

    def connections_to_reach(self, call: StepCall) -> tuple[dict[str, Connection], dict[str, Connection]]:
        """All connections that there are, and those of them that this step speaks to."""
        known = load_connections(self.settings.connections_file)
        return known, select_connections(known, connections_for(call, self.spec.workflow))

    def known_buckets(self) -> dict[str, BucketConnection]:
        """All buckets that there are."""
        return load_connections(self.settings.connections_file).buckets

    def buckets_of(self, call: StepCall) -> dict[str, BucketConnection]:
        """The buckets that this step speaks to, as connections.yaml has them now."""
        names = buckets_for(call, self.spec.workflow)
        return select_buckets(load_connections(self.settings.connections_file), names) if names else {}

    def bucket_places(self, call: StepCall) -> list[tuple[str, int]]:
        """The hosts and ports that the step's bucket takes."""
        return [place for each in self.buckets_of(call).values() for place in each.places]

    def bucket_secrets(self, call: StepCall) -> list[str]:
        """What of the step's buckets no text may show. A command of theirs runs here."""
        found = self.buckets_of(call).items()
        return [secret for name, each in found for secret in secrets_of(access_of(name, each))]

    def named_places(self) -> tuple[tuple[str, int], ...]:
        """The hosts and ports besides databases': those of buckets, and what policy lets containers reach."""
        found = [place for each in self.known_buckets().values() for place in each.places]
        for destination in read_policy(self.settings).destinations:
            with contextlib.suppress(ValueError):
                found.append(split_place(destination.lower()))
        return tuple(found)

    def write_secrets(self, folder: Path, call: StepCall) -> None:
        """Fill a folder on tmpfs with what this step may know, for this process's user only."""
        names = connections_for(call, self.spec.workflow)
        chosen = select_connections(load_connections(self.settings.connections_file), names)
        keys = self._keys(call.step) if needs_key(call.step) else {}
        try:
            folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_secrets(folder, chosen, keys, seen_at=CONTAINER_PATH)
            write_buckets(folder, self.buckets_of(call))
        except OSError as error:
            raise WorkFailedError(
                f"The step's secrets could not be written below {self.settings.runtime_dir}.",
                error.strerror or type(error).__name__,
                f"df -h {self.settings.runtime_dir}",
            ) from None

    def _keys(self, step: str) -> dict[str, str]:
        """The keys that the run's plan asks for; the appliance's own stays in this process."""
        folder = run_folder(self.settings.state_dir, self.spec.run_id)
        plan = PLAN.read(folder) if step not in PLANNING else None
        return step_settings(step, self.spec, plan, load_or_create_key(self.settings.mask_key_file))


def _begin(
    settings: Settings,
    call: StepCall,
    source_file: Path,
    origin: Literal["local", "cloud"],
) -> None:
    loaded = load_workflow(source_file, settings.config_dir)
    document = loaded.workflow
    if document.id != call.workflow:
        raise WrongRequestError(
            f"{source_file} no longer holds the workflow '{call.workflow}'.",
            f"It holds '{document.id}' now.",
            "appliance workflow list",
        )
    policy = read_policy(settings)
    enforce(check_workflow(policy, document, origin=origin))
    images = images_of(settings.trusted_images_file, document)
    # A file is the owner's, under any name: one beside the workflows that were written here.
    beside = source_file.parent if origin == "local" else settings.workflow_dirs[0]
    (source,) = select_connections(load_connections(settings.connections_file), [document.source]).values()
    spec = RunSpec(
        run_id=call.run_id,
        workflow=document,
        origin=origin,
        policy=policy,
        approved=approved_columns(settings.approvals_dir, document) if origin == "cloud" else (),
        created_at=datetime.now(UTC),
        images=images,
        after_load=sql_texts(document.after_load, beside),
        appliance_version=appliance.__version__,
        workflow_digest=document_digest(loaded.document.data),
        mask_key=source.mask_key,
        epoch=read_epochs(settings.keys_dir).of(source.mask_key or document.source),
        erased=erased_subjects(settings.state_dir, settings.config_dir, source.mask_key or document.source),
    )
    folder = run_folder(settings.state_dir, call.run_id)
    try:
        SPEC.freeze(folder, spec)
        give_former_catalog(folder, document.id)
    except OSError as error:
        raise WorkFailedError(
            f"The run's folder {folder} could not be written.",
            error.strerror or type(error).__name__,
            f"df -h {settings.state_dir}",
        ) from None


def secret_values(connections: dict[str, Connection]) -> list[str]:
    """The passwords of connections, which no text may show. A command of theirs runs here."""
    return [secret for connection in connections.values() if (secret := password_of(connection))]


def instance_name(settings: Settings, client: docker.APIClient) -> str:
    """What this appliance's containers are known by on a shared engine: where its state lies."""
    return hashlib.sha256(host_path(client, settings.state_dir).encode()).hexdigest()[:12]


def mapped_over(step: str, folder: Path, workflow: Workflow) -> list[int] | None:
    """What a later step is mapped over: shards after ``plan``, deliveries of a kind after others."""
    if step == "plan":
        return list(range(max(1, len(PLAN.read(folder).shards))))
    if step == "finish":
        return list(workflow.containers)
    if step == "verify":
        return list(workflow.buckets)
    return list(workflow.built) if step == "attest" else None
