"""What ``appliance images`` does: the record of trusted images, and the engine that has them."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.cli.terminal.output import moment
from appliance.documents.problems import WrongDocumentError
from appliance.errors import WorkFailedError, WrongRequestError
from appliance.policy.policy import read_policy
from appliance.policy.trusted_images import TrustRecord, digest_of, read_trusted, write_trusted
from appliance.settings.settings import Settings, load_settings
from appliance.workflow.deliveries.container_delivery import IMAGE, full_reference, is_digest

if TYPE_CHECKING:
    import docker

_SHORT = 12


@dataclass(frozen=True)
class KnownImage:
    """An image that policy names or that was trusted."""

    image: str
    means: str | None
    trusted_at: str | None
    trusted_by: str | None
    allowed: bool
    here: bool | None
    """None where Docker does not answer."""

    def row(self) -> tuple[str, ...]:
        """As it is printed."""
        means = self.means.rpartition(":")[2][:_SHORT] if self.means else "not trusted"
        here = "?" if self.here is None else "yes" if self.here else "no"
        by = self.trusted_by or "-"
        return (self.image, means, self.trusted_at or "-", by, "yes" if self.allowed else "no", here)

    def as_json(self) -> Mapping[str, object]:
        """For programs."""
        return asdict(self)


def trust_image(image: str, *, pull: bool) -> list[str]:
    """Record what the reference means; what to say of it. Raises our errors."""
    from appliance.orchestration.handover.images import resolve  # noqa: PLC0415 - an extra

    if not re.fullmatch(IMAGE, image):
        raise WrongRequestError(f"'{image}' names no image.", "", "appliance images trust NAME:TAG")
    settings = load_settings()
    _may_write(settings)
    found = resolve(_engine(), image, settings.registries_file, fetch=pull)
    records = read_trusted(settings.trusted_images_file)
    former = records.get(found.reference)
    by = os.environ.get("SUDO_USER") or getpass.getuser()
    record = TrustRecord(**found.model_dump(), trusted_at=datetime.now(UTC), trusted_by=by)
    write_trusted(settings.trusted_images_file, records | {found.reference: record})
    lines = [f"{found.reference} means {found.digest or found.image_id} from now on."]
    if former is not None and former.image_id != found.image_id:
        lines.append(f"Before, it meant {former.digest or former.image_id}.")
    if found.reference not in _allowed(settings):
        lines.append(
            f"policy.yaml does not name it yet. Next: add {image} to images in {settings.policy_file}"
        )
    return lines


def forget_image(image: str) -> str:
    """Take it out of the record. Raises WrongRequestError where it is not in it."""
    settings = load_settings()
    records, reference = read_trusted(settings.trusted_images_file), full_reference(image)
    if reference not in records:
        raise WrongRequestError(f"The image {reference} is not trusted.", "", "appliance images list")
    write_trusted(settings.trusted_images_file, {k: v for k, v in records.items() if k != reference})
    return f"{reference} is not trusted any more."


def load_images(file: Path) -> list[str]:
    """Load a tar; the names of what was in it."""
    from appliance.orchestration.handover.images import load  # noqa: PLC0415

    try:
        opened = file.open("rb")
    except OSError as error:
        raise WrongRequestError(f"{file} cannot be read: {error.strerror}.", "", f"ls -l {file}") from None
    with opened:
        return load(_engine(), opened)


def known_images() -> list[KnownImage]:
    """All of them, by name."""
    settings = load_settings()
    records, allowed = read_trusted(settings.trusted_images_file), _allowed(settings)
    try:
        client: docker.APIClient | None = _engine()
    except (WorkFailedError, WrongRequestError):
        client = None
    return [
        _known(client, name, records.get(name), allowed=name in allowed)
        for name in sorted({*records, *allowed})
    ]


def _known(
    client: docker.APIClient | None, name: str, record: TrustRecord | None, *, allowed: bool
) -> KnownImage:
    from appliance.orchestration.handover.images import look_up  # noqa: PLC0415

    means = (record.digest or record.image_id) if record else digest_of(name) if is_digest(name) else None
    sought = (record.image_id if record else None) or means
    return KnownImage(
        image=name,
        means=means,
        trusted_at=moment(record.trusted_at) if record else None,
        trusted_by=record.trusted_by if record else None,
        allowed=allowed,
        here=None if client is None else sought is not None and look_up(client, sought) is not None,
    )


def _allowed(settings: Settings) -> set[str]:
    try:
        return {full_reference(each) for each in read_policy(settings).images}
    except WrongDocumentError:
        return set()


def _may_write(settings: Settings) -> None:
    if not os.access(settings.config_dir, os.W_OK):
        raise WrongRequestError(
            f"{settings.config_dir} cannot be written to.",
            "What an image's name means belongs to the owner of policy.yaml.",
            "Run it again with sudo.",
        )


def _engine() -> docker.APIClient:
    try:
        import docker  # noqa: PLC0415 - an extra
        from docker.errors import DockerException  # noqa: PLC0415
    except ImportError:
        raise WrongRequestError(
            "The Python package docker is not installed.", "Images are Docker's.", "pip install docker"
        ) from None
    try:
        return docker.from_env(version="auto").api
    except DockerException as error:
        raise WorkFailedError("Docker does not answer.", f"{type(error).__name__}.", "docker info") from None
