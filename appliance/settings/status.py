"""The part of ``appliance.yaml`` that says where the local status service listens, and for whom."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from appliance.documents.model import StrictModel


def _listed(value: Any) -> Any:
    """What stands in a variable, which has no lists."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


class StatusSettings(StrictModel):
    """The local status service."""

    host: str = Field(
        default="127.0.0.1", min_length=1, description="Address it listens on.", examples=["127.0.0.1"]
    )
    port: int = Field(default=8642, ge=1, le=65_535, description="Port it listens on.", examples=[8642])
    tls_certificate: Path | None = Field(
        default=None,
        description="PEM file of its certificate; another address than loopback demands one.",
        examples=["/etc/appliance/certs/status.pem"],
    )
    tls_key: Path | None = Field(
        default=None,
        description="PEM file of the certificate's key.",
        examples=["/etc/appliance/certs/status.key"],
    )
    token_file: Path | None = Field(
        default=None,
        description="File with the token that callers need when it is not on loopback; else one is made.",
        examples=["/var/lib/appliance/keys/status-token"],
    )
    names: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(
        default=(),
        description=(
            "Names that a browser may ask for it by, besides localhost, the loopback addresses and `host`. "
            "Looked at only while no token is asked for: with one, any name does. In a variable, "
            "with commas between them."
        ),
        examples=[["appliance.corp"]],
    )
    folder: Path | None = Field(
        default=None,
        description="Folder of the service's own user, who can read neither keys nor connections; null where"
        " it has none, and is the appliance's user.",
        examples=["/var/lib/appliance-status"],
    )
    guarded_elsewhere: bool = Field(
        default=False,
        strict=True,
        description="Whether something else lets only this machine in, as a container's port does.",
        examples=[False],
    )
