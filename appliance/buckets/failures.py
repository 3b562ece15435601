"""What a bucket's failure means. The library's text holds addresses, names and bodies: it is not shown."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from appliance.errors import ApplianceError, WorkFailedError, WorkFailedForGoodError


@dataclass(frozen=True)
class _Kind:
    pattern: re.Pattern[str]
    why: str
    next_step: str
    again: bool = False
    """Whether the same may work when it is tried again, with credentials read afresh."""


def _kind(pattern: str, why: str, next_step: str, *, again: bool = False) -> _Kind:
    return _Kind(re.compile(pattern), why, next_step, again)


_CHECK = "appliance connections check {name}"
_KINDS = (
    _kind(
        r"(?i)ExpiredToken|TokenRefreshRequired|RequestExpired|token (has|is) expired",
        "The credentials have expired.",
        "Renew them in connections.yaml; a password_command there fetches new ones for each attempt.",
        again=True,
    ),
    _kind(
        r"RequestTimeTooSkewed",
        "This machine's clock and the server's differ by too much.",
        "timedatectl   shows whether this machine's clock is kept in time.",
    ),
    _kind(
        r"InvalidAccessKeyId|UserNotFound|SignatureDoesNotMatch|AuthenticationFailed|InvalidSecurity|InvalidToken"
        r"|UnauthenticatedError|invalid_grant|401 Unauthorized",
        "The server does not know the credentials.",
        "Correct the key and its secret of {name} in connections.yaml, then: " + _CHECK,
    ),
    _kind(
        r"NoSuchBucket|ContainerNotFound|The specified bucket does not exist",
        "There is no bucket of that name.",
        "Make the bucket, or correct {name}.bucket in connections.yaml.",
    ),
    _kind(
        r"ObjectLockConfiguration|InvalidBucketObjectLock|object.?lock|WORM|ImmutableBlob|BlobImmutable",
        "The bucket's object lock does not let it be.",
        "{name}.object_lock takes a bucket with object lock on; what is locked stays until its time is over.",
    ),
    _kind(
        r"KMS\.|KMSKey|InvalidEncryption",
        "The server cannot encrypt with that key.",
        "Correct {name}.kms_key in connections.yaml, and let the credentials use the key.",
    ),
    _kind(
        r"(?i)PermissionDeniedError|AccessDenied|AuthorizationPermissionMismatch|403 Forbidden",
        "The credentials may not do that in this bucket.",
        "Allow them to list, put, get and delete below the workflow's prefix, then: " + _CHECK,
    ),
    _kind(
        r"(?i)no space left|storage.?full|QuotaExceeded|insufficient storage|507 |EntityTooLarge|disk full",
        "The server has no room left for it.",
        "Make room there, or deliver less: tables, formats, keep.",
        again=True,
    ),
    _kind(
        r"(?i)UnknownIssuer|certificate|self.?signed|NotValidForName|CaUsedAsEndEntity",
        "The server's certificate was not believed.",
        "Name the PEM file of its authority as {name}.sslrootcert, and the host as the certificate has it.",
    ),
    _kind(
        r"(?i)SlowDown|503 |429 |ServerBusy|TooManyRequests|ServiceUnavailable",
        "The server is too busy: it has asked for fewer requests until time was over.",
        "Try again later, or ask who runs it for a higher limit.",
        again=True,
    ),
    _kind(
        r"(?i)dns error|failed to lookup|name or service not known|Name does not resolve",
        "The server's name cannot be looked up.",
        "Correct {name}.endpoint or {name}.region in connections.yaml, or the machine's name server.",
        again=True,
    ),
    _kind(
        r"(?i)connection refused|ConnectionRefused",
        "Nothing listens at that address and port.",
        "Correct {name}.endpoint in connections.yaml, or start the server.",
        again=True,
    ),
    _kind(
        r"(?i)169\.254\.169\.254|metadata\.google|credential",
        "This machine has no role of its own that the bucket would know.",
        "Give the instance a role, or write the key of {name} into connections.yaml.",
    ),
    _kind(
        r"(?i)timed? ?out|connection (reset|closed|error)|error sending request|broken pipe|unexpected eof"
        r"|incomplete message|error decoding response|body error|network is unreachable|no route",
        "The connection was lost, or no answer came in time.",
        "Look at the way there (firewall, proxy), then: " + _CHECK,
        again=True,
    ),
    _kind(
        r"BadDigest|InvalidDigest|ChecksumMismatch|XAmzContentSHA256Mismatch|XAmzContentChecksumMismatch",
        "What arrived was not what was sent.",
        "Look at what stands between: a proxy that changes what it passes on?",
        again=True,
    ),
    _kind(
        r"50[0-9] |InternalError",
        "The server failed.",
        "Look at the server's log, then: " + _CHECK,
        again=True,
    ),
)
# Addresses hold names of the customer's, which say nothing of the failure; a machine's own role shows in one.
_NOISE = re.compile(r"https?://(?!169\.254\.|metadata\.)\S+|(?:retry|connect|read)_timeout\S*")
_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,60})</Code>")
_STATUS = re.compile(r"status code: (\d{3})")


def bucket_failure(name: str, what: str, error: BaseException) -> ApplianceError:
    """The failure of an action on the bucket, by its kind; of the server's answer only its code is shown."""
    text = _NOISE.sub(" ", f"{type(error).__name__} {error}")
    code = _CODE.search(text) or _STATUS.search(text)
    shown = f" (the server says {code[1]})" if code else ""
    for kind in _KINDS:
        if kind.pattern.search(text):
            made = WorkFailedError if kind.again else WorkFailedForGoodError
            return made(what, f"{kind.why.removesuffix('.')}{shown}.", kind.next_step.format(name=name))
    return WorkFailedError(
        what,
        f"The bucket's server or the way there failed in a way that is not known here{shown}.",
        _CHECK.format(name=name),
    )


@contextlib.contextmanager
def bucket_errors(name: str, what: str) -> Iterator[None]:
    """Our error for what the library raises in the block."""
    from obstore.exceptions import BaseError  # noqa: PLC0415 - only here it must be installed

    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        if isinstance(error, FileNotFoundError) and error.errno is not None:
            raise
        raise bucket_failure(name, what, error) from None
