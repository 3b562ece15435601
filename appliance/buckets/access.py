"""What an upload is given of a bucket's connection: where it is, and the credentials, in a file of its own
in the step's secrets folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from appliance.buckets.libraries import require_buckets
from appliance.connections.buckets import AzureConnection, BucketConnection, GcsConnection, S3Connection
from appliance.connections.password_command import password_of
from appliance.errors import WorkFailedForGoodError, WrongRequestError

if TYPE_CHECKING:
    from obstore.store import AzureStore, ClientConfig, GCSStore, RetryConfig, S3Store

    Store = S3Store | GCSStore | AzureStore

FILE_SUFFIX = ".bucket.json"
CONNECT_WITHIN = timedelta(seconds=10)
ANSWER_WITHIN = timedelta(minutes=5)
"""Of one request, which may send a part of many megabytes over a slow line."""
RETRY_FOR = timedelta(minutes=3)
RETRIES = 10
_CLOUDS = ("AWS_", "GOOGLE_", "AZURE_", "MSI_", "IDENTITY_", "OBJECT_STORE_")
_TURN = threading.Lock()


class BucketAccess(BaseModel):
    """Everything that a store is opened with. Holds secrets: it is never printed."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    connection: str
    type: str
    bucket: str
    config: dict[str, str]
    """obstore's own names."""
    lock_headers: dict[str, str] = {}
    """What locks an object when it is put."""
    certificate: str = ""
    """PEM of the authority; empty for those that the system trusts."""

    def __repr__(self) -> str:
        return f"BucketAccess({self.connection!r})"

    @property
    def checks_sums(self) -> bool:
        """Whether the server compares each part with a SHA-256 that is sent along."""
        return self.type == "s3"


def access_of(name: str, connection: BucketConnection, now: datetime | None = None) -> BucketAccess:
    """What ``connections.yaml`` says, with the secrets; a program that prints one runs here.

    Raises WrongRequestError or WorkFailedError.
    """
    secret = password_of(connection)
    config, headers = _config(name, connection, secret), {}
    if isinstance(connection, S3Connection) and (lock := connection.object_lock):
        until = (now or datetime.now(UTC)) + timedelta(days=lock.days)
        headers = {
            "x-amz-object-lock-mode": lock.mode.upper(),
            "x-amz-object-lock-retain-until-date": f"{until:%Y-%m-%dT%H:%M:%SZ}",
        }
    return BucketAccess(
        connection=name,
        type=connection.type,
        bucket=connection.bucket,
        config=config,
        lock_headers=headers,
        certificate=_certificate(name, connection.sslrootcert),
    )


def secrets_of(access: BucketAccess) -> tuple[str, ...]:
    """What no text may show."""
    hidden = ("secret_access_key", "session_token", "service_account_key", "account_key", "sas_key")
    return tuple(value for key in hidden if (value := access.config.get(key)))


def read_access(folder: Path, name: str) -> BucketAccess:
    """The access that this step was given. Raises WrongRequestError where it was given none."""
    try:
        return BucketAccess.model_validate_json((folder / f"{name}{FILE_SUFFIX}").read_bytes())
    except (OSError, ValidationError):
        raise WrongRequestError(f"This step was not given the bucket '{name}'.") from None


def open_store(access: BucketAccess, *, locking: bool = False) -> Store:
    """A store of that access; ``locking``: what is put is locked as the connection says.

    Raises WrongRequestError for a certificate or a key that is none.
    """
    require_buckets()
    from obstore.exceptions import BaseError  # noqa: PLC0415 - only here it must be installed
    from obstore.store import AzureStore, GCSStore, S3Store  # noqa: PLC0415

    client: ClientConfig = {"connect_timeout": CONNECT_WITHIN, "timeout": ANSWER_WITHIN}
    if access.certificate:
        client["root_certificate"] = access.certificate
    if locking and access.lock_headers:
        client["default_headers"] = access.lock_headers
    retry: RetryConfig = {"max_retries": RETRIES, "retry_timeout": RETRY_FOR}
    opened = {"s3": S3Store, "gcs": GCSStore, "azure": AzureStore}[access.type]
    # Their keywords are typed one by one, and these stand in a file.
    settings: Any = access.config
    try:
        with _own_variables_only():
            store: Store = opened(access.bucket, config=settings, client_options=client, retry_config=retry)
    except (BaseError, ValueError, TypeError):
        raise WrongRequestError(
            f"The bucket '{access.connection}' cannot be opened as connections.yaml describes it.",
            "A key, a certificate or an address in it has the wrong form. It is not shown: it may be secret.",
            f"Correct {access.connection} in connections.yaml, then: appliance connections check"
            f" {access.connection}",
        ) from None
    return store


@contextlib.contextmanager
def _own_variables_only() -> Iterator[None]:
    """Without what the shell that started us says of clouds: a session of its user's would be mixed in."""
    with _TURN:
        hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(_CLOUDS)}
        try:
            yield
        finally:
            os.environ.update(hidden)


def _config(name: str, connection: BucketConnection, secret: str) -> dict[str, str]:
    if isinstance(connection, S3Connection):
        return _s3(name, connection, secret)
    if isinstance(connection, GcsConnection):
        if connection.service_account_file is not None:
            secret = _read(name, "service_account_file", connection.service_account_file)
        return {"base_url": connection.url, **({"service_account_key": secret} if secret else {})}
    return _azure(connection, secret)


def _s3(name: str, connection: S3Connection, secret: str) -> dict[str, str]:
    config = {
        "region": connection.region,
        "endpoint": connection.url,
        "virtual_hosted_style_request": str(connection.virtual_hosted).lower(),
        "checksum_algorithm": "SHA256",
    }
    if secret.startswith("{"):
        config |= _process_credentials(name, secret)
    elif secret and connection.access_key_id is not None:
        config |= {"access_key_id": connection.access_key_id, "secret_access_key": secret}
    elif secret:
        raise WrongRequestError(
            f"The password_command of the connection '{name}' printed a secret without its key's name.",
            "",
            f"Add {name}.access_key_id, or print JSON as the credential_process of Amazon's tools does.",
        )
    if token := connection.session_token.get_secret_value():
        config["session_token"] = token
    if connection.encryption is not None:
        config["server_side_encryption"] = connection.encryption
    if connection.kms_key is not None:
        config["sse_kms_key_id"] = connection.kms_key
    return config


def _process_credentials(name: str, printed: str) -> dict[str, str]:
    """What a ``credential_process`` prints: temporary credentials, fetched afresh for each step."""
    try:
        found = json.loads(printed)
        given = {"access_key_id": found["AccessKeyId"], "secret_access_key": found["SecretAccessKey"]}
        if found.get("SessionToken"):
            given["session_token"] = found["SessionToken"]
        if not all(isinstance(value, str) and value for value in given.values()):
            raise TypeError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise WorkFailedForGoodError(
            f"The password_command of the connection '{name}' printed JSON that holds no credentials.",
            "AccessKeyId and SecretAccessKey are wanted. What it printed is not shown: it may be secret.",
            f"Correct {name}.password_command in connections.yaml.",
        ) from None
    return given


def _azure(connection: AzureConnection, secret: str) -> dict[str, str]:
    config = {"account_name": connection.account, "endpoint": connection.url}
    if secret:
        is_key = bool(connection.account_key.get_secret_value()) or "sig=" not in secret
        config["account_key" if is_key else "sas_key"] = secret.removeprefix("?")
    return config


def _certificate(name: str, path: str | None) -> str:
    return "" if path is None or path == "system" else _read(name, "sslrootcert", path)


def _read(name: str, key: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongRequestError(
            f"The {key} of connection '{name}' cannot be read: {path}",
            f"{type(error).__name__}.",
            f"Correct {name}.{key} in connections.yaml, or let the appliance read the file.",
        ) from None
