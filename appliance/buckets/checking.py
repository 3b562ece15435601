"""Trying a bucket as an upload uses it: list, put, get and delete, with a small object of its own."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from appliance.buckets.access import access_of, open_store
from appliance.buckets.failures import bucket_errors
from appliance.connections.buckets import BucketConnection
from appliance.errors import ApplianceError
from appliance.system.findings import Finding, fail, ok

if TYPE_CHECKING:
    from appliance.buckets.access import Store

_PROBE = ".appliance-check-"
_CONTENT = b"Written by: appliance connections check. It may be deleted.\n"


def check_bucket(name: str, connection: BucketConnection, roots: Sequence[str]) -> list[Finding]:
    """What works below each of these prefixes, up to what does not. Nothing of ours stays there."""
    try:
        access = access_of(name, connection)
        store = open_store(access)
    except ApplianceError as error:
        return [_failed("file", error)]
    findings: list[Finding] = []
    for root in roots:
        path, below = f"{root}{_PROBE}{secrets.token_hex(6)}", root or "the top"
        tries: tuple[tuple[str, str, Callable[[Store, str, str], None]], ...] = (
            ("list", "be listed", _list),
            ("put", "be written to", _put),
            ("get", "be read", _get),
            ("delete", "be deleted from", _delete),
        )
        for check, verb, attempt in tries:
            try:
                with bucket_errors(name, f"The bucket cannot {verb}, below {below}."):
                    attempt(store, root, path)
            except ApplianceError as error:
                return [*findings, _failed(check, error)]
        findings.append(ok("bucket", f"Objects below {below} can be listed, put, read and deleted."))
    return findings


def _list(store: Store, root: str, path: str) -> None:  # noqa: ARG001 - all tries are called alike
    import obstore  # noqa: PLC0415 - only here it must be installed

    next(iter(obstore.list(store, root or None)), None)


def _put(store: Store, root: str, path: str) -> None:  # noqa: ARG001
    import obstore  # noqa: PLC0415

    obstore.put(store, path, _CONTENT)


def _get(store: Store, root: str, path: str) -> None:  # noqa: ARG001
    import obstore  # noqa: PLC0415

    if bytes(obstore.get(store, path).bytes()) != _CONTENT:
        raise FileNotFoundError(path)


def _delete(store: Store, root: str, path: str) -> None:  # noqa: ARG001
    import obstore  # noqa: PLC0415

    obstore.delete(store, path)


def _failed(check: str, error: ApplianceError) -> Finding:
    return fail(check, f"{error.what} {error.why}".strip(), error.next_step)
