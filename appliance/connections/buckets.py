"""Connections to buckets: S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage.

They stand in ``connections.yaml`` beside the databases. As there, nothing here shows a value of the file.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from appliance.connections.named import NamedConnection
from appliance.documents.model import StrictModel, wrong

Place = tuple[str, int]
_METADATA: Place = ("169.254.169.254", 80)
"""Where a machine in a cloud asks for its own role's credentials."""
_COMMAND = (
    "A program that prints the secret, with its arguments: a list, or one text quoted as for a shell. None"
    " runs it. It is run for each step, as the appliance's user, and gets 30 seconds."
)


class _BucketConnection(NamedConnection):
    """What all of them have."""

    password_command: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        repr=False,
        description=_COMMAND,
        examples=[["vault", "kv", "get", "-field=key", "secret/lake"]],
    )
    sslrootcert: str | None = Field(
        default=None,
        description="PEM file of the authority that signed the server's certificate, if it is your own.",
        examples=["/etc/appliance/certs/lake.pem"],
    )

    @property
    def password(self) -> SecretStr:
        """The secret that a program may print instead."""
        return SecretStr("")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret that stands in the file."""
        value = self.password.get_secret_value()
        return (value,) if value else ()

    @model_validator(mode="after")
    def _one_secret(self) -> _BucketConnection:
        if self.password_command is not None and self.secrets:
            raise wrong("has both a secret and password_command", "one of them", ("password_command",))
        return self


class ObjectLock(StrictModel):
    """How long a delivery can be neither deleted nor replaced."""

    mode: Literal["governance", "compliance"] = Field(
        description="governance can be lifted by those with the right to; compliance by no one.",
        examples=["governance"],
    )
    days: int = Field(strict=True, ge=1, le=36_500, description="From the upload on.", examples=[30])


class S3Connection(_BucketConnection):
    """A bucket of Amazon S3, or of a server that speaks its protocol."""

    type: Literal["s3"] = Field(description="S3, or what speaks like it.", examples=["s3"])
    bucket: str = Field(min_length=1, description="The bucket's name.", examples=["lake"])
    region: str = Field(default="us-east-1", min_length=1, description="Region.", examples=["eu-central-1"])
    endpoint: str | None = Field(
        default=None,
        description="The server's https address. Left out: Amazon's own of that region.",
        examples=["https://s3.internal:9000"],
    )
    virtual_hosted: bool = Field(
        default=False,
        strict=True,
        description="Whether the bucket's name is a part of the host's; else it is one of the path.",
        examples=[False],
    )
    access_key_id: str | None = Field(
        default=None,
        min_length=1,
        description="Left out: the instance's own role.",
        examples=["AKIAEXAMPLE"],
    )
    secret_access_key: SecretStr = Field(
        default=SecretStr(""), repr=False, description="Its secret.", examples=["'wJalrX…'"]
    )
    session_token: SecretStr = Field(
        default=SecretStr(""), repr=False, description="Of temporary credentials.", examples=["'IQoJb3…'"]
    )
    encryption: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = Field(
        default=None,
        description="How the server encrypts what it stores. Left out: as the bucket is set.",
        examples=["aws:kms"],
    )
    kms_key: str | None = Field(
        default=None, min_length=1, description="The key's id, with aws:kms.", examples=["alias/lake"]
    )
    object_lock: ObjectLock | None = Field(
        default=None,
        description="Lock each object. Left out: as the bucket is set.",
        examples=[{"mode": "governance", "days": 30}],
    )

    @field_validator("endpoint")
    @classmethod
    def _is_https(cls, value: str | None) -> str | None:
        return _https(value)

    @model_validator(mode="after")
    def _belongs_together(self) -> S3Connection:
        if self.secret_access_key.get_secret_value() and self.access_key_id is None:
            raise wrong(
                "has a secret_access_key without access_key_id", "both or neither", ("secret_access_key",)
            )
        if (
            self.access_key_id is not None
            and not self.secret_access_key.get_secret_value()
            and self.password_command is None
        ):
            raise wrong(
                "has an access_key_id without its secret",
                "secret_access_key, or a password_command",
                ("access_key_id",),
            )
        if self.kms_key is not None and not (self.encryption or "").startswith("aws:kms"):
            raise wrong("has a kms_key without encryption by KMS", "encryption: aws:kms", ("kms_key",))
        return self

    @property
    def password(self) -> SecretStr:
        return self.secret_access_key

    @property
    def secrets(self) -> tuple[str, ...]:
        token = self.session_token.get_secret_value()
        return (*super().secrets, *((token,) if token else ()))

    @property
    def url(self) -> str:
        """Where the server answers."""
        return self.endpoint or f"https://s3.{self.region}.amazonaws.com"

    @property
    def places(self) -> tuple[Place, ...]:
        """The hosts and ports that an upload reaches."""
        host, port = _place(self.url)
        if self.virtual_hosted and self.endpoint is None:
            host = f"{self.bucket}.{host}"
        own = self.access_key_id is None and self.password_command is None
        return ((host, port), *((_METADATA,) if own else ()))


class GcsConnection(_BucketConnection):
    """A bucket of Google Cloud Storage."""

    type: Literal["gcs"] = Field(description="Google Cloud Storage.", examples=["gcs"])
    bucket: str = Field(min_length=1, description="The bucket's name.", examples=["lake"])
    endpoint: str | None = Field(
        default=None,
        description="The https address of an endpoint of your own network. Left out: Google's own.",
        examples=["https://storage-shop.p.googleapis.com"],
    )
    service_account_key: SecretStr = Field(
        default=SecretStr(""),
        repr=False,
        description="A service account's key, the JSON as text. Left out: the instance's own role.",
        examples=['\'{"type": "service_account", …}\''],
    )

    service_account_file: str | None = Field(
        default=None,
        min_length=1,
        description="Instead: the file of that key.",
        examples=["/etc/appliance/certs/lake.json"],
    )

    @field_validator("endpoint")
    @classmethod
    def _is_https(cls, value: str | None) -> str | None:
        return _https(value)

    @model_validator(mode="after")
    def _one_key(self) -> GcsConnection:
        given = (self.service_account_file, self.password_command, *self.secrets)
        if len([each for each in given if each]) > 1:
            raise wrong("names more than one key", "service_account_key, its file, or a password_command")
        return self

    @property
    def password(self) -> SecretStr:
        return self.service_account_key

    @property
    def url(self) -> str:
        """Where the server answers."""
        return self.endpoint or "https://storage.googleapis.com"

    @property
    def places(self) -> tuple[Place, ...]:
        """The hosts and ports that an upload reaches."""
        own = not self.secrets and self.service_account_file is None and self.password_command is None
        sign_in: Place = ("metadata.google.internal", 80) if own else ("oauth2.googleapis.com", 443)
        return (_place(self.url), sign_in)


class AzureConnection(_BucketConnection):
    """A container of Azure Blob Storage."""

    type: Literal["azure"] = Field(description="Azure Blob Storage.", examples=["azure"])
    account: str = Field(min_length=1, description="The storage account.", examples=["shopdata"])
    bucket: str = Field(min_length=1, description="The container's name.", examples=["lake"])
    endpoint: str | None = Field(
        default=None,
        description="The server's https address. Left out: the account's own at Azure.",
        examples=["https://shopdata.blob.core.windows.net"],
    )
    account_key: SecretStr = Field(
        default=SecretStr(""),
        repr=False,
        description="The account's key. Left out, with sas_token: the instance's own role.",
        examples=["'Eby8vd…'"],
    )
    sas_token: SecretStr = Field(
        default=SecretStr(""),
        repr=False,
        description="Instead: a shared access signature.",
        examples=["'sv=2024-…'"],
    )

    @field_validator("endpoint")
    @classmethod
    def _is_https(cls, value: str | None) -> str | None:
        return _https(value)

    @model_validator(mode="after")
    def _one_kind_of_key(self) -> AzureConnection:
        if self.account_key.get_secret_value() and self.sas_token.get_secret_value():
            raise wrong("has both account_key and sas_token", "one of them", ("sas_token",))
        return self

    @property
    def password(self) -> SecretStr:
        return self.sas_token if self.sas_token.get_secret_value() else self.account_key

    @property
    def url(self) -> str:
        """Where the server answers."""
        return self.endpoint or f"https://{self.account}.blob.core.windows.net"

    @property
    def places(self) -> tuple[Place, ...]:
        """The hosts and ports that an upload reaches."""
        own = not self.secrets and self.password_command is None
        return (_place(self.url), *((_METADATA,) if own else ()))


BucketConnection = S3Connection | GcsConnection | AzureConnection
MODELS: dict[str, type[S3Connection] | type[GcsConnection] | type[AzureConnection]] = {
    "s3": S3Connection,
    "gcs": GcsConnection,
    "azure": AzureConnection,
}
"""By ``type``."""


def _https(value: str | None) -> str | None:
    if value is None or value == "changeme":
        return value
    try:
        parts = urlsplit(value)
        there = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        there = False
        parts = urlsplit("")
    if not there or parts.query or parts.fragment or parts.username or parts.password:
        raise wrong("is no https address of a server", "https://HOST or https://HOST:PORT")
    return value.rstrip("/")


def _place(url: str) -> Place:
    parts = urlsplit(url)
    return (parts.hostname or "", parts.port or 443)
