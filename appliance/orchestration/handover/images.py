"""Images of the customer's own, on this machine's engine: found by digest, pulled, loaded from a file."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import docker
from docker import auth
from docker.errors import APIError, ImageNotFound, NotFound

from appliance.errors import WorkFailedError, WorkFailedForGoodError, WrongRequestError
from appliance.orchestration.containers.attempt import DockerTrouble, EngineAwayError
from appliance.policy.trusted_images import TrustedImage, digest_of
from appliance.workflow.deliveries.container_delivery import full_reference, is_digest

Credentials = Mapping[str, object]


@dataclass(frozen=True)
class FoundImage:
    """An image on this machine."""

    image_id: str
    digests: tuple[str, ...]
    tags: tuple[str, ...]
    bytes: int

    def digest_in(self, repository: str) -> str | None:
        """By which that repository's registry knows it."""
        return next((each for each in self.digests if each.partition("@")[0] == repository), None)


class ImageMissingError(WorkFailedForGoodError):
    """The image is not here, and cannot be had."""


def look_up(client: docker.APIClient, name: str) -> FoundImage | None:
    """The image of a name, a digest or an id; None where it is not here."""
    try:
        found = client.inspect_image(name)  # type: ignore[no-untyped-call]
    except (ImageNotFound, NotFound):
        return None
    except APIError as error:
        if error.status_code == 400:
            return None
        raise EngineAwayError(error) from None
    except DockerTrouble as error:
        raise EngineAwayError(error) from None
    return FoundImage(
        image_id=str(found["Id"]),
        digests=tuple(found.get("RepoDigests") or ()),
        tags=tuple(found.get("RepoTags") or ()),
        bytes=int(found.get("Size") or 0),
    )


def image_to_run(client: docker.APIClient, wanted: TrustedImage, credentials: Path) -> str:
    """The id of exactly that image, pulled by its digest where it is not here.

    Raises ImageMissingError where it cannot be had, EngineAwayError.
    """
    if (found := _here(client, wanted)) is not None:
        return found.image_id
    if wanted.digest is None:
        raise ImageMissingError(
            f"The image {wanted.reference} is not on this machine.",
            "It came as a file, so no registry is asked for it. It was removed since it was trusted.",
            f"sudo appliance images load FILE; sudo appliance images trust {wanted.reference}",
        )
    pull(client, wanted.digest, credentials)
    if (found := _here(client, wanted)) is None:
        raise ImageMissingError(
            f"The registry has given another image than {wanted.reference} was trusted as.",
            f"{wanted.digest} is not the image that was on this machine when it was trusted.",
            f"sudo appliance images trust --pull {wanted.reference}   if the new one is meant.",
        )
    return found.image_id


def _here(client: docker.APIClient, wanted: TrustedImage) -> FoundImage | None:
    if wanted.image_id is not None:
        return look_up(client, wanted.image_id)
    assert wanted.digest is not None  # noqa: S101 - one of the two is known
    if (found := look_up(client, wanted.digest)) is not None:
        return found
    # From a file there is no registry's digest; its own id is one as good, if it has the repository's name.
    repository, _, digest = wanted.digest.partition("@")
    by_id = look_up(client, digest)
    named = by_id is not None and any(tag.rpartition(":")[0] == repository for tag in by_id.tags)
    return by_id if named else None


def pull(client: docker.APIClient, reference: str, credentials: Path) -> None:
    """Have the engine fetch it. Raises ImageMissingError with what the registry says, EngineAwayError."""
    repository, separator, mark = reference.partition("@")
    if not separator:
        repository, _, mark = reference.rpartition(":")
    registry, _ = auth.resolve_repository_name(repository)
    known = auth.resolve_authconfig(auth.AuthConfig(_credentials(credentials)), registry)
    try:
        lines = client.pull(repository, tag=mark, stream=True, decode=True, auth_config=known or {})
        errors = [line["error"] for line in lines if "error" in line]
        status = 500 if errors else None
    except APIError as error:
        status = error.status_code
    except DockerTrouble as error:
        raise EngineAwayError(error) from None
    if status is None:
        return
    why = {
        401: "The registry does not take the credentials.",
        403: "The registry does not give it to these credentials.",
        404: "The registry does not have it, or asks for credentials.",
    }.get(status, "The registry could not be reached, or does not have it.")
    has = "has credentials" if known else "has none"
    signed_in = f"{credentials} {has} for {registry}."
    raise ImageMissingError(
        f"The image {reference} could not be pulled.",
        f"{why} {signed_in}",
        f"docker pull {reference}   shows what is wrong; without a registry: sudo appliance images load FILE",
    )


def _credentials(file: Path) -> dict[str, object]:
    """``auths`` of the file alone: programs that it names, docker's credential helpers, are not started."""
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        content = json.loads(file.read_bytes())
        auths = dict(content.get("auths") or {})
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise WrongRequestError(
            f"{file} cannot be read.",
            f"{type(error).__name__}. It holds registries' credentials, as docker login writes them.",
            "docker login REGISTRY; then copy config.json there, mode 0600, for the user appliance.",
        ) from None
    if mode & 0o077:
        raise WrongRequestError(
            f"{file} can be read or written by others than its owner (mode {mode:04o}).",
            "It holds passwords.",
            f"chmod 600 {file}",
        )
    try:
        return {"auths": auth.AuthConfig.parse_auth(auths, raise_on_error=True)}
    except Exception:
        raise WrongRequestError(
            f"{file} is not what docker login writes.", "Its auths cannot be read.", "docker login REGISTRY"
        ) from None


def resolve(client: docker.APIClient, reference: str, credentials: Path, *, fetch: bool) -> TrustedImage:
    """What a reference stands for now: as it is here, or (``fetch``, or if it is not) as its registry has it.

    Raises ImageMissingError, EngineAwayError.
    """
    full = full_reference(reference)
    found = None if fetch else look_up(client, full)
    if found is None:
        pull(client, digest_of(full) if is_digest(full) else full, credentials)
        found = look_up(client, full)
    if found is None:
        raise ImageMissingError(f"The image {full} is not here after it was pulled.", "", "docker image ls")
    repository = digest_of(full).partition("@")[0] if is_digest(full) else full.rpartition(":")[0]
    return TrustedImage(reference=full, image_id=found.image_id, digest=found.digest_in(repository))


def load(client: docker.APIClient, file: BinaryIO) -> list[str]:
    """Load images from a tar, as docker save makes it; their names. Raises WorkFailedError."""
    names: list[str] = []
    try:
        for line in client.load_image(file):  # type: ignore[no-untyped-call]
            if "error" in line or "errorDetail" in line:
                raise _not_loaded("The engine does not take it as images.")
            text = str(line.get("stream", "")).strip()
            for start in ("Loaded image: ", "Loaded image ID: "):
                if text.startswith(start):
                    names.append(text.removeprefix(start))
    except APIError as error:
        raise _not_loaded(f"The engine answered {error.status_code}.") from None
    except DockerTrouble as error:
        raise EngineAwayError(error) from None
    if not names:
        raise _not_loaded("There is no image in it.")
    return names


def _not_loaded(why: str) -> WorkFailedError:
    return WorkFailedError("The file could not be loaded.", why, "docker save -o FILE IMAGE:TAG   makes one.")
