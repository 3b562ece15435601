"""Where a data user's request is decided: what may be seen, and which file is handed out, with a note of it.

It runs with the appliance's own rights. A file leaves it as an open descriptor, so that what serves it to a
network needs no right to the folder of exports.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from appliance.copies.ledger import CopyMade, made, note_made
from appliance.data_users.offered import DataOffers
from appliance.data_users.tokens import DataUserToken, known_token
from appliance.data_users.uses import TokenUse, note_use
from appliance.errors import ApplianceError, Explanation
from appliance.exports.manifest import MANIFEST
from appliance.exports.stored import Export, list_exports
from appliance.settings.settings import Settings
from appliance.system.beneath import as_owner_of

if TYPE_CHECKING:
    from appliance.data_users.offers import Offers


class NotGivenError(Exception):
    """The request is answered with an HTTP status and why; the text names no value."""

    def __init__(self, status: int, explanation: Explanation) -> None:
        self.status, self.explanation = status, explanation
        super().__init__(explanation.line())


@dataclass(frozen=True)
class WantedFile:
    """A file of an export, as it is asked for."""

    workflow: str
    run: str
    file: str
    """``manifest.json``, or as the manifest names it."""
    start: int = 0
    address: str = ""
    """Where the request came from."""


@dataclass(frozen=True)
class GivenFile:
    """An open file; who has it closes it."""

    descriptor: int
    bytes: int
    sha256: str | None
    """As the manifest has it; None for the manifest itself."""


class Desk(Protocol):
    """What the status service asks, wherever the answers come from."""

    def offers(self, token: str | None) -> DataOffers:
        """What there is: for a token's workflows, or all of it. Raises NotGivenError."""

    def file(self, token: str | None, wanted: WantedFile) -> GivenFile:
        """A file for who shows a good token. Raises NotGivenError."""


class OwnDesk:
    """The desk itself."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._offers: Offers | None = None
        self._lock = threading.Lock()

    def offers(self, token: str | None) -> DataOffers:
        """See Desk."""
        try:
            known = self._good(token) if token is not None else None
            if self._offers is None:
                # Receipts and what checks them take 8 MB, which the status service has only for who asks.
                from appliance.data_users.offers import Offers  # noqa: PLC0415

                self._offers = Offers(self._settings)
            return self._offers.of(known)
        except ApplianceError as error:
            raise NotGivenError(503, error.explanation) from None

    def file(self, token: str | None, wanted: WantedFile) -> GivenFile:
        """See Desk. Written down in the ledger of copies before the first byte of a row leaves."""
        try:
            return self._file(token, wanted)
        except ApplianceError as error:
            raise NotGivenError(503, error.explanation) from None
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise NotGivenError(503, Explanation("The file cannot be read on the appliance.", why)) from None

    def _good(self, token: str | None) -> DataUserToken:
        known = known_token(self._settings.state_dir, token or "")
        ask = "Ask the appliance's operator for one: appliance tokens make"
        if known is None:
            raise NotGivenError(401, Explanation("A token of a data user is needed.", next_step=ask))
        if why := known.why_not(datetime.now(UTC)):
            raise NotGivenError(401, Explanation("This token is not good any more.", why, ask))
        return known

    def _file(self, token: str | None, wanted: WantedFile) -> GivenFile:
        state_dir = self._settings.state_dir
        known = known_token(state_dir, token or "")
        if known is None:
            self._good(token)
            raise AssertionError("unreachable")
        refused = known.why_not(datetime.now(UTC))
        if not refused and not known.opens(wanted.workflow):
            refused = "It is not for this workflow."
        export = None if refused else self._export(wanted)
        use = TokenUse(
            at=datetime.now(UTC),
            token=known.id,
            person=known.person,
            workflow=wanted.workflow,
            run=wanted.run,
            file=wanted.file,
            start=wanted.start,
            address=wanted.address,
            refused=refused,
        )
        note_use(state_dir, use)
        if refused:
            what = Explanation(
                f"This token does not open exports of '{wanted.workflow}'.",
                refused,
                "Ask the appliance's operator: appliance tokens make",
            )
            raise NotGivenError(403 if known.why_not(datetime.now(UTC)) == "" else 401, what)
        if export is None:
            raise _not_there(wanted)
        return self._opened(known, export, wanted)

    def _export(self, wanted: WantedFile) -> Export | None:
        for each in list_exports(self._settings.exports_dir):
            if (each.manifest.workflow, each.folder.name) == (wanted.workflow, wanted.run):
                return each
        return None

    def _opened(self, known: DataUserToken, export: Export, wanted: WantedFile) -> GivenFile:
        sha256: str | None = None
        if wanted.file != MANIFEST:
            listed = next((each for each in export.manifest.files if each.file == wanted.file), None)
            if listed is None:
                raise _not_there(wanted)
            sha256 = listed.sha256
            self._note(known, export)
        with as_owner_of(export.folder):
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            descriptor = os.open(export.folder / wanted.file, flags)
        return GivenFile(descriptor, os.fstat(descriptor).st_size, sha256)

    def _note(self, known: DataUserToken, export: Export) -> None:
        """In the ledger: once for a person and a run, however often it is fetched."""
        place = pull_place(known.person, export)
        with self._lock:
            there = made(self._settings.state_dir)
            of = next((each for each in reversed(there) if each.run == export.of_run), None)
            copy = CopyMade(
                kind="pull",
                place=place,
                run=export.manifest.run,
                workflow=export.manifest.workflow,
                source=of.source if of is not None else "",
                made_at=datetime.now(UTC),
                asked_by="request",
                origin=of.origin if of is not None else "local",
            )
            note_made(self._settings.state_dir, [copy])


def pull_place(person: str, export: Export) -> str:
    """How the ledger calls what a person has fetched."""
    return f"{person}/{export.manifest.workflow}/{export.manifest.run}"


def _not_there(wanted: WantedFile) -> NotGivenError:
    what = f"There is no such file in an export of '{wanted.workflow}' of the run '{wanted.run}'."
    return NotGivenError(404, Explanation(what, next_step=f"appliance pull {wanted.workflow} --list"))
