"""A delivery to a container of the customer's own: which image, what it reads, and what it may reach."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from appliance.documents.model import StrictModel, describe, wrong
from appliance.documents.named_types import named, shape

DATABASES = "databases"
"""Of ``network``: the servers of the workflow's twins."""
NO_NETWORK = "none"
IMAGE = (
    r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
    r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?"
)
SECRET_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"  # noqa: S105 - what names may look like
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_ADDRESS = re.compile(r"[0-9.]+|.*:.*")

ImageReference = Annotated[
    str,
    named(IMAGE, "an image's name with a tag or a digest, for example registry.internal/report:1"),
    shape(IMAGE),
]
SecretName = Annotated[
    str,
    named(SECRET_NAME, "a name of letters, digits, _ and -, for example report-token"),
    shape(SECRET_NAME),
]


def split_place(text: str) -> tuple[str, int]:
    """``HOST:PORT`` as two. Raises ValueError for what is none."""
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ValueError(text)
    return host, int(port)


def _check_place(text: str) -> str:
    if text == DATABASES:
        return text
    expected = "databases, or HOST:PORT, for example reports.internal:443"
    try:
        host, _ = split_place(text)
    except ValueError:
        raise wrong(f"{describe(text)} is no place in a network", expected) from None
    if _ADDRESS.fullmatch(host):
        # It is reached through a relay, under its name: an address leads nowhere in the container's network.
        raise wrong(f"{describe(text)} is an address", "the host's name: the container reaches it by that")
    if not _HOST.fullmatch(host):
        raise wrong(f"{describe(text)} is no place in a network", expected)
    return text.lower()


Place = Annotated[str, AfterValidator(_check_place)]


class ContainerDelivery(StrictModel):
    """A container of the customer's own, started after publish. Its /out is kept as an export."""

    image: ImageReference = Field(
        description="The image: with its digest, or a tag that was trusted here: appliance images trust.",
        examples=["registry.internal/report:1"],
    )
    args: tuple[str, ...] = Field(
        default=(),
        max_length=200,
        description="Arguments for the image's own entry point. They stand in the list of processes.",
        examples=[["--month", "last"]],
    )
    reads: Literal["files", "twin"] = Field(
        default="files",
        description=(
            "files: the run's files at /data, read-only, with their manifest; twin: a libpq service file for"
            " the first twin, under whose role it reads and writes there."
        ),
        examples=["files"],
    )
    secrets: tuple[SecretName, ...] = Field(
        default=(),
        description="Files of the appliance's folder secrets/ that it finds in /run/secrets.",
        examples=[["report-token"]],
    )
    network: tuple[Place, ...] = Field(
        default=(),
        description=(
            "What it reaches: none; databases, the servers of the workflow's twins; HOST:PORT; or a list of"
            " these."
        ),
        examples=[["reports.internal:443"]],
    )
    memory_mb: int = Field(
        default=512, strict=True, ge=16, le=65_536, description="Its memory, in MiB.", examples=[512]
    )
    cpus: float = Field(
        default=1.0, strict=True, ge=0.1, le=64, description="Processor cores that it may use.", examples=[1]
    )
    timeout_min: int = Field(
        default=60,
        strict=True,
        ge=1,
        le=1_440,
        description="Minutes after which it is ended.",
        examples=[60],
    )
    out_max_mb: int = Field(
        default=1_024,
        strict=True,
        ge=1,
        le=1_048_576,
        description="MiB that it may write to /out; it is ended beyond.",
        examples=[1024],
    )
    on_failure: Literal["fail", "warn"] = Field(
        default="fail",
        description="If it fails: fail the run, whose twin stays published, or only say so.",
        examples=["warn"],
    )

    @field_validator("network", mode="before")
    @classmethod
    def _places(cls, value: Any) -> Any:
        if value == NO_NETWORK:
            return ()
        if isinstance(value, list | tuple) and NO_NETWORK in value and len(value) > 1:
            raise wrong("names none among others", "none, or a list without it")
        if isinstance(value, list | tuple) and list(value) == [NO_NETWORK]:
            return ()
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _reaches_what_it_reads(self) -> ContainerDelivery:
        if self.reads == "twin" and DATABASES not in self.network:
            raise wrong("reads the twin and cannot reach it", "network: databases", ("network",))
        for place, name in enumerate(self.secrets):
            if name in self.secrets[:place]:
                raise wrong("names a secret twice", "each secret once", ("secrets", place))
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, serialize: SerializerFunctionWrapHandler) -> dict[str, object]:
        written: dict[str, object] = serialize(self)
        return {**written, "network": list(self.network) or NO_NETWORK}

    @property
    def places(self) -> tuple[tuple[str, int], ...]:
        """The hosts and ports that it names itself."""
        return tuple(dict.fromkeys(split_place(each) for each in self.network if each != DATABASES))

    @property
    def reaches_databases(self) -> bool:
        """Whether it reaches the servers of the workflow's twins."""
        return DATABASES in self.network


def full_reference(image: str) -> str:
    """The reference with its tag, which is ``latest`` where none is written."""
    return image if "@" in image or ":" in image.rsplit("/", 1)[-1] else f"{image}:latest"


def is_digest(image: str) -> bool:
    """Whether the reference names one image for ever."""
    return "@sha256:" in image
