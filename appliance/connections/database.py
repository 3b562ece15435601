"""What ``connections.yaml`` says of one database."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from appliance.connections.named import NamedConnection
from appliance.documents.model import wrong
from appliance.documents.named_types import ConnectionName

SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]


class Connection(NamedConnection):
    """How to reach one PostgreSQL database."""

    type: Literal["postgres"] = Field(
        default="postgres", description="Kind of database.", examples=["postgres"]
    )
    host: str = Field(
        min_length=1, description="Host name, address, or folder of a Unix socket.", examples=["db.internal"]
    )
    port: int = Field(default=5432, strict=True, ge=1, le=65_535, description="TCP port.", examples=[5432])
    dbname: str = Field(min_length=1, description="The database.", examples=["shop"])
    user: str = Field(min_length=1, description="The role to connect as.", examples=["reader"])
    password: SecretStr = Field(
        default=SecretStr(""),
        repr=False,
        description="The role's password; left out for peer or certificate authentication.",
        examples=["'correct horse: battery'"],
    )
    password_command: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        repr=False,
        description=(
            "A program that prints the password, with its arguments: a list, or one text quoted as for a"
            " shell. No shell runs it. It runs for each step, as the appliance's user, and gets 30 seconds."
        ),
        examples=[["vault", "kv", "get", "-field=password", "secret/shop"]],
    )
    sslmode: SslMode = Field(
        default="prefer",
        description="As libpq has it; verify-full proves who answers.",
        examples=["verify-full"],
    )
    sslrootcert: str | None = Field(
        default=None,
        description="PEM file of the authority that signed the server's certificate, or `system`.",
        examples=["/etc/appliance/certs/db.pem"],
    )
    sslcert: str | None = Field(
        default=None,
        description="PEM file of the client's certificate.",
        examples=["/etc/appliance/certs/me.pem"],
    )
    sslkey: str | None = Field(
        default=None,
        description="File of the client certificate's key.",
        examples=["/etc/appliance/certs/me.key"],
    )
    connect_timeout: int = Field(
        default=10, strict=True, ge=1, le=600, description="Seconds to wait for the server.", examples=[10]
    )
    maintenance_db: str = Field(
        default="postgres",
        min_length=1,
        description="The database to connect to while this one is created or renamed.",
        examples=["postgres"],
    )

    mask_key: ConnectionName | None = Field(
        default=None,
        description="Under which name this source's mask keys are derived, by default the connection's own."
        " Sources of one name give the same value the same pseudonym, and share what a leaked key opens.",
        examples=["shop"],
    )

    @field_validator("host", "dbname", "user", "maintenance_db", "sslrootcert", "sslcert", "sslkey")
    @classmethod
    def _one_line(cls, value: str | None) -> str | None:
        if value is not None and (value != value.strip() or not value.isprintable()):
            raise wrong("has a blank at an end or a character that is not printable", "one line of text")
        return value

    @field_validator("password")
    @classmethod
    def _fits_a_pass_file(cls, value: SecretStr) -> SecretStr:
        if any(character in value.get_secret_value() for character in "\r\n"):
            raise wrong("has a line break, which a libpq pass file cannot hold", "one line of text")
        return value

    @model_validator(mode="after")
    def _verification_has_an_authority(self) -> Connection:
        if self.sslmode.startswith("verify") and self.sslrootcert is None:
            raise wrong(
                f"has sslmode {self.sslmode} without sslrootcert", "a PEM file, or system", ("sslmode",)
            )
        if (self.sslcert is None) != (self.sslkey is None):
            raise wrong(
                "has only one of sslcert and sslkey",
                "both or neither",
                ("sslkey" if self.sslcert is None else "sslcert",),
            )
        if self.password_command is not None and self.password.get_secret_value():
            raise wrong("has both password and password_command", "one of them", ("password_command",))
        return self
