"""Exports of an appliance, through its status service, with a data user's token."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from appliance import __version__
from appliance.errors import Explanation, RefusedError, WorkFailedError, WrongRequestError
from appliance.exports.manifest import MANIFEST, Manifest
from appliance.pulling.origin import CutOffError, FoundExport
from appliance.system.http import is_loopback, trusting

_TIMEOUT_S = 30.0
_LONGEST_ANSWER = 64 * 2**20
_BUSY = (429, 500, 502, 503, 504)


class _Workflow(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    exports: tuple[FoundExport, ...]


class _Offers(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    workflows: tuple[_Workflow, ...]


class ApplianceOrigin:
    """One workflow's exports on one appliance. A context manager: the connection ends with the block."""

    def __init__(self, url: str, workflow: str, token: str, ca_file: Path | None = None) -> None:
        """Raises WrongRequestError for an address or a CA that is no good."""
        self.name = checked_url(url)
        self._workflow = workflow
        try:
            verify: ssl.SSLContext = trusting(ca_file)
        except OSError:
            raise WrongRequestError(
                f"{ca_file} holds no certificates that can be read.", "It is to be PEM.", "--ca FILE"
            ) from None
        self._client = httpx.Client(
            base_url=self.name,
            verify=verify,
            follow_redirects=False,
            # A proxy would get what is meant for this machine, and the token with it.
            trust_env=urlsplit(self.name).scheme == "https",
            timeout=_TIMEOUT_S,
            headers={
                "authorization": f"Bearer {token}",
                "user-agent": f"appliance-pull/{__version__}",
                "accept-encoding": "identity",
            },
        )

    def __enter__(self) -> ApplianceOrigin:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def exports(self) -> list[FoundExport]:
        """See Origin."""
        with self._answer("data/offers") as answer:
            said = _Offers.model_validate_json(_whole(answer))
        found = next((each for each in said.workflows if each.id == self._workflow), None)
        if found is None:
            known = ", ".join(each.id for each in said.workflows) or "none"
            raise WrongRequestError(
                f"There is nothing of a workflow '{self._workflow}' that this token is for.",
                f"It shows: {known}.",
                f"Look at {self.name}/data.html",
            )
        return sorted(found.exports, key=lambda each: each.created_at, reverse=True)

    def manifest(self, run: str) -> Manifest:
        """See Origin."""
        with self._answer(self._path(run, MANIFEST)) as answer:
            return Manifest.model_validate_json(_whole(answer))

    def read(self, run: str, file: str, start: int, sha256: str) -> Iterator[bytes]:
        """See Origin."""
        wanted = {"range": f"bytes={start}-"} if start else {}
        with self._answer(self._path(run, file), wanted) as answer:
            if answer.headers.get("etag", f'"{sha256}"') != f'"{sha256}"':
                raise WorkFailedError(
                    f"The export of {run} has changed while it was fetched.",
                    "Rows were erased from it, most likely.",
                    "Run the same command again.",
                )
            if start and answer.status_code != 206:
                raise WorkFailedError(
                    f"{self.name} does not go on from where it ended.", "", "Run the same command again."
                )
            yield from answer.iter_raw(2**18)

    def _path(self, run: str, file: str) -> str:
        return f"data/exports/{quote(self._workflow, safe='')}/{quote(run, safe='')}/{quote(file)}"

    @contextmanager
    def _answer(self, path: str, headers: dict[str, str] | None = None) -> Iterator[httpx.Response]:
        try:
            with self._client.stream("GET", f"/{path}", headers=headers) as answer:
                if not answer.is_success:
                    self._refuse(answer)
                yield answer
        except ValidationError:
            raise WorkFailedError(
                f"{self.name} answers in a way that this release does not know.",
                "It is no appliance, or one of another release.",
                "appliance --version",
            ) from None
        except httpx.ConnectError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise WrongRequestError(
                    f"The certificate of {self.name} is not trusted here.",
                    "It is of a CA that this machine does not know, or of another name.",
                    "--ca FILE, with the CA's certificate as PEM",
                ) from None
            raise CutOffError(f"{self.name} does not answer") from None
        except httpx.TransportError:
            raise CutOffError("the connection broke") from None

    def _refuse(self, answer: httpx.Response) -> None:
        said = Explanation(f"{self.name} answers {answer.status_code}.")
        try:
            detail = httpx.Response(200, content=_whole(answer)).json().get("detail")
            if isinstance(detail, str):
                said = Explanation.parsed(detail[:2000])
        except (ValueError, AttributeError):
            pass
        if answer.status_code in _BUSY:
            raise CutOffError(said.what)
        if answer.status_code in (401, 403):
            raise RefusedError.of(said)
        raise WrongRequestError.of(said)


def checked_url(url: str) -> str:
    """The address without a slash at its end. Raises WrongRequestError."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or 1)
    except ValueError:
        fits = False
    if not fits or parts.username or parts.password or parts.query or parts.fragment:
        raise WrongRequestError(
            "That is not the address of an appliance's status service.",
            "",
            "--from https://appliance.corp:8642",
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise WrongRequestError(
            "The address is not https.",
            "Anybody on the way could take the token.",
            "Give it as https://…, or go through ssh: ssh -L 8642:127.0.0.1:8642 APPLIANCE",
        )
    return url.rstrip("/")


def _whole(answer: httpx.Response) -> bytes:
    """The body, bounded. Raises CutOffError for one that is too long."""
    parts, size = [], 0
    for block in answer.iter_raw():
        size += len(block)
        if size > _LONGEST_ANSWER:
            raise CutOffError("the answer is too long")
        parts.append(block)
    return b"".join(parts)
