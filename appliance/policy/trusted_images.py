"""Which image the owner has meant by a tag: kept beside the policy, by digest.

A tag is whatever a registry says that it is today. What runs is the image that it meant when the owner
trusted it, until the owner does so again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from appliance.durable import write_file
from appliance.errors import RefusedError, WrongRequestError
from appliance.workflow.deliveries.container_delivery import full_reference, is_digest
from appliance.workflow.document import Workflow


class TrustedImage(BaseModel):
    """What a reference stands for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reference: str
    """As it is written in workflows, with its tag or digest."""
    image_id: str | None = None
    """``sha256:…``, by which the engine knows it; None where only the digest is known."""
    digest: str | None = None
    """``repository@sha256:…``, by which a registry knows it; None for an image that came as a file."""


class TrustRecord(TrustedImage):
    """The same, with who said so."""

    trusted_at: datetime
    trusted_by: str


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    images: tuple[TrustRecord, ...] = ()


def read_trusted(file: Path) -> dict[str, TrustRecord]:
    """The records by reference. Raises WrongRequestError for a file that cannot be read."""
    try:
        found = _File.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError) as error:
        raise WrongRequestError(
            f"{file} cannot be read.",
            f"{type(error).__name__}. It says which image is meant by a tag.",
            f"Move it away and trust each image again: mv {file} {file}.aside; appliance images trust REF",
        ) from None
    return {each.reference: each for each in found.images}


def write_trusted(file: Path, records: Mapping[str, TrustRecord]) -> None:
    """Write it whole, readable by the services. Raises WrongRequestError for who may not."""
    try:
        content = _File(images=tuple(records[name] for name in sorted(records))).model_dump_json(indent=1)
        write_file(file, content + "\n", durable=True, mode=0o644)
    except OSError as error:
        raise WrongRequestError(
            f"{file} could not be written.",
            f"{error.strerror or type(error).__name__}. It belongs to the owner of policy.yaml.",
            "Run it again with sudo.",
        ) from None


def images_of(file: Path, workflow: Workflow) -> dict[str, TrustedImage]:
    """What each image of a workflow's containers stands for. Raises RefusedError for an untrusted tag."""
    images = {each.image for each in workflow.containers.values()}
    tags = {image for image in images if not is_digest(image)}
    trusted = read_trusted(file) if tags else {}
    for image in sorted(tags):
        if full_reference(image) not in trusted:
            raise RefusedError(
                f"The image {image} is a tag that was not trusted here.",
                "A tag may mean another image tomorrow: the owner of the appliance says which is meant.",
                f"sudo appliance images trust {image}",
                rule="images",
            )
    return {
        image: TrustedImage.model_validate(
            trusted[full_reference(image)].model_dump(include={"reference", "image_id", "digest"})
            if image in tags
            else {"reference": image, "digest": digest_of(image)}
        )
        for image in sorted(images)
    }


def digest_of(image: str) -> str:
    """``repository:tag@sha256:…`` as ``repository@sha256:…``."""
    name, _, digest = image.partition("@")
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}@{digest}"
