"""``/data.html`` for people who use data, what it shows, and the files that ``appliance pull`` fetches."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException, Path, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from appliance.data_users.desk import Desk, GivenFile, NotGivenError, OwnDesk, WantedFile
from appliance.data_users.far_desk import FarDesk
from appliance.data_users.offered import DataOffers
from appliance.documents.names import WORKFLOW_ID
from appliance.errors import Explanation
from appliance.settings.settings import Settings
from appliance.status.calls.guard import data_token, is_owner

_BLOCK = 1 << 18
_RANGE = re.compile(r"bytes=(\d{1,15})-")
PAGE = {"/data.html": ("data.html", "text/html"), "/data.js": ("data.js", "text/javascript")}
Described = dict[int | str, dict[str, Any]]
REFUSALS: Described = {
    401: {"description": "A good token of a data user was not shown."},
    403: {"description": "The token is not for this workflow."},
    404: {"description": "There is no such file."},
    416: {"description": "The range begins behind the file's end, or is no range from a byte to the end."},
    503: {"description": "What keeps the files does not answer."},
}
WorkflowOfPath = Annotated[str, Path(pattern=f"^{WORKFLOW_ID}$", max_length=63)]
RunOfPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)]
FileOfPath = Annotated[str, Path(max_length=1000)]


def desk_of(settings: Settings) -> Desk:
    """Where this service may not read files itself, it asks what may."""
    return FarDesk(settings) if settings.is_split else OwnDesk(settings)


def add_data_routes(
    app: FastAPI,
    desk: Desk,
    *,
    open_to_all: bool,
    page: Callable[[FilePath, str], Callable[[], Response]],
    written: Callable[[Any, object], Response],
) -> None:
    """``open_to_all``: all who may ask this service may see what there is. A file takes a token."""

    @app.get("/data/offers", response_model=DataOffers, responses=REFUSALS)
    def offers(request: Request) -> Response:
        """Twins, branches, exports, how fresh, and what was masked how: for the caller's workflows."""
        token = data_token(request.scope)
        if token is None and not open_to_all and not is_owner(request.scope):
            raise HTTPException(401, Explanation("A token is needed.", next_step="Sign in.").line())
        try:
            return written(DataOffers, desk.offers(token))
        except NotGivenError as error:
            raise HTTPException(error.status, error.explanation.line()) from None

    @app.get("/data/exports/{workflow}/{run}/{file:path}", responses=REFUSALS)
    def export_file(
        request: Request,
        workflow: WorkflowOfPath,
        run: RunOfPath,
        file: FileOfPath,
        wanted_range: Annotated[str | None, Header(alias="range", max_length=100)] = None,
    ) -> Response:
        """A file of an export, from a byte on; its ETag is its SHA-256."""
        start = _start_of(wanted_range)
        address = request.client.host if request.client is not None else ""
        wanted = WantedFile(workflow, run, file, start, address)
        try:
            given = desk.file(data_token(request.scope), wanted)
        except NotGivenError as error:
            raise HTTPException(error.status, error.explanation.line()) from None
        return _sent(given, start, ranged=wanted_range is not None)

    for path, (name, kind) in PAGE.items():
        app.add_api_route(path, page(FilePath(__file__).with_name(name), kind), include_in_schema=False)


def _start_of(wanted: str | None) -> int:
    if wanted is None:
        return 0
    found = _RANGE.fullmatch(wanted.strip())
    if found is None:
        raise HTTPException(416, "A range is given as bytes=START-")
    return int(found[1])


def _sent(given: GivenFile, start: int, *, ranged: bool) -> Response:
    if start > given.bytes:
        os.close(given.descriptor)
        raise HTTPException(416, "The range begins behind the file's end.")
    headers = {"content-length": str(given.bytes - start), "accept-ranges": "bytes"}
    if given.sha256 is not None:
        headers["etag"] = f'"{given.sha256}"'
    if ranged and start < given.bytes:
        headers["content-range"] = f"bytes {start}-{given.bytes - 1}/{given.bytes}"
    return _Sent(
        given,
        start,
        status_code=206 if ranged else 200,
        headers=headers,
        media_type="application/octet-stream",
    )


class _Sent(StreamingResponse):
    """Closes its file in any case: where the reader is gone already, the blocks are never begun."""

    def __init__(self, given: GivenFile, start: int, **kwargs: Any) -> None:
        super().__init__(_blocks(given, start), **kwargs)
        self._descriptor = given.descriptor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            os.close(self._descriptor)


def _blocks(given: GivenFile, start: int) -> Iterator[bytes]:
    """A little at a time, however large it is; a reader that goes away ends it."""
    place = start
    while place < given.bytes and (block := os.pread(given.descriptor, _BLOCK, place)):
        yield block
        place += len(block)
