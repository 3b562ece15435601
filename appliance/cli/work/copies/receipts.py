"""What ``appliance receipt`` does."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from appliance.connections.file import load_connections, select_connections
from appliance.durable import write_file
from appliance.errors import WorkFailedError, WrongRequestError
from appliance.exports.stored import DELETIONS
from appliance.postgres.sessions.connect import open_session
from appliance.postgres.sessions.parameters import libpq_parameters
from appliance.postgres.twin.digests import StandingTwin, standing_twin
from appliance.receipts.book import Entry, ReceiptBook, read_bounded
from appliance.receipts.envelope import SignedReceipt, WrongReceiptError
from appliance.receipts.head import FILE, HEAD
from appliance.receipts.predicate import RunPredicate, TwinFacts
from appliance.receipts.removal_page import page_of
from appliance.receipts.removals import ErasurePredicate
from appliance.receipts.rotation import rotate
from appliance.receipts.signing_key import load_or_create_signing_key, public_pem
from appliance.receipts.statement import UnreadableStatementError, parse_statement
from appliance.receipts.verifying import Checked, Verdict, check, check_files
from appliance.settings.settings import Settings, load_settings
from appliance.system.beneath import as_owner_of

_APPLICATION_NAME = "appliance receipt audit"
_PARALLEL = 2
_OTHER_NAME = "It is another receipt than its name says."
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
_PDF_TIMEOUT_S = 60


class Receipts:
    """The receipts of this appliance, or of a state folder that is named."""

    def __init__(self, state: Path | None) -> None:
        settings = load_settings()
        if state is not None:
            settings = settings.model_copy(update={"state_dir": state})
        self.settings: Settings = settings
        self.book = ReceiptBook(settings.receipts_dir, settings.keys_dir)

    def public_key(self) -> str:
        """As PEM; the key is made where there is none yet."""
        return public_pem(load_or_create_signing_key(self.settings.keys_dir))

    def rotate(self) -> str:
        """Another key from now on; its public half."""
        return rotate(self.settings)[0]

    def check_all(self) -> Checked:
        """Every receipt, and the chain up to its head."""
        entries = self.book.entries()
        checked = check(self._read(entries), self.public_key(), gone=self._gone(), whole=True)
        head = self.book.head()
        last = next((each for each in reversed(checked.verdicts) if each.good), None)
        faults = list(checked.faults)
        for entry, verdict in zip(entries, checked.verdicts, strict=True):
            if verdict.good and (verdict.number, verdict.of_run) != (entry.number, entry.run):
                faults.append(f"{entry.path.name}: {_OTHER_NAME}")
        if head is not None and (last is None or last.signed is None or last.signed.digest != head.sha256):
            faults.append(f"The chain ends with receipt {head.number}, and that one is missing or changed.")
        return Checked(checked.verdicts, tuple(faults), checked.notes)

    def find(self, which: str) -> list[Entry]:
        """Those of a run or an erasure, or the one of that number. Raises WrongRequestError."""
        entries = self.book.entries()
        found = [
            each for each in entries if each.run == which or (which.isdigit() and each.number == int(which))
        ]
        if not found:
            raise WrongRequestError(
                f"There is no receipt of '{which}' in {self.book.folder}.", "", "appliance receipt list"
            )
        return found

    def believed(self, entry: Entry) -> Verdict:
        """A receipt that is what was signed. Raises WorkFailedError for any other."""
        rotations = [each for each in self.book.entries() if each.run == "key-rotation"]
        wanted = [*(each for each in rotations if each.number != entry.number), entry]
        verdict = check(self._read(wanted), self.public_key()).verdicts[-1]
        fault = verdict.fault
        if fault is None and (verdict.number, verdict.of_run) != (entry.number, entry.run):
            fault = _OTHER_NAME
        if fault is not None:
            raise WorkFailedError(f"{entry.path.name}: {fault}", "", "appliance receipt list")
        return verdict

    def export(self, into: Path, run: str | None, *, page: bool, pdf: bool) -> int:
        """Copy receipts, with the key, to a new folder; how many. Raises our errors."""
        entries = self.find(run) if run is not None else self.book.entries()
        program = _chromium() if pdf else None
        try:
            into.mkdir(mode=0o750)
            write_file(into / "receipts.pub", self.public_key(), durable=False, mode=0o644)
            for entry in entries:
                write_file(into / entry.path.name, self._content(entry), durable=False, mode=0o640)
                verdict = self.believed(entry)
                text = page_of(verdict) if page else None
                if text is not None:
                    html = into / f"{entry.path.stem}.html"
                    write_file(html, text, durable=False, mode=0o640)
                    if program is not None:
                        _print_pdf(program, html)
        except FileExistsError:
            raise WrongRequestError(f"{into} is there already.", "", "Name a folder that is made.") from None
        except OSError as error:
            raise WorkFailedError(
                f"The receipts could not be copied to {into}: {error.strerror or type(error).__name__}."
            ) from None
        return len(entries)

    def audit(self, which: str, connections: Path | None, database: str | None) -> Iterator[tuple[str, bool]]:
        """A line for each twin of a receipt, and whether it is as it was signed."""
        run = next(
            (
                run
                for entry in reversed(self.find(which))
                if (run := self.believed(entry).run) is not None and run.twins
            ),
            None,
        )
        if run is None:
            raise WrongRequestError(
                f"The receipt of '{which}' is about no twin that was published.", "", "appliance receipt list"
            )
        path = connections or self.settings.connections_file
        known = select_connections(load_connections(path), [twin.connection for twin in run.twins], str(path))
        for twin in run.twins:
            connection = known[twin.connection]
            open_twin = partial(
                open_session,
                twin.connection,
                libpq_parameters(connection, database or connection.dbname),
                application_name=_APPLICATION_NAME,
                read_only=True,
            )
            found = standing_twin(open_twin, _PARALLEL, {each.table for each in twin.tables})
            yield from _differences(run, twin, found, self._erasures_since(run, twin))

    def _erasures_since(self, run: RunPredicate, twin: TwinFacts) -> list[str]:
        """Receipts of erasures that have removed rows on a twin's server since it was signed."""
        found = []
        for entry in self.book.entries():
            with contextlib.suppress(WrongReceiptError, UnreadableStatementError):
                if entry.number <= run.link.number:
                    continue
                predicate = parse_statement(self.book.read(entry).envelope.payload).predicate
                if isinstance(predicate, ErasurePredicate) and any(
                    place.run == run.run and place.tables and place.name.startswith(f"{twin.connection}/")
                    for place in predicate.places
                ):
                    found.append(f"{entry.number} ({predicate.erasure})")
        return found

    def _content(self, entry: Entry) -> bytes:
        try:
            return read_bounded(entry.path)
        except WrongReceiptError as error:
            raise WorkFailedError(f"{entry.path.name}: {error}", "", "appliance receipt list") from None

    def _read(self, entries: Sequence[Entry]) -> list[tuple[str, SignedReceipt | str]]:
        found: list[tuple[str, SignedReceipt | str]] = []
        for entry in entries:
            try:
                found.append((entry.path.name, self.book.read(entry)))
            except WrongReceiptError as error:
                found.append((entry.path.name, str(error)))
        return found

    def _gone(self) -> dict[str, str]:
        """Digests of receipts whose deletion is on record."""
        try:
            with as_owner_of(self.book.folder):
                lines = (self.book.folder / DELETIONS).read_text(encoding="utf-8").splitlines()
        except OSError:
            return {}
        records = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return {str(each.get("sha256")): str(each.get("receipt")) for each in records}


def verify_files(files: Sequence[Path], key: Path | None, state: Path | None) -> Checked:
    """Check files, and those in folders. Raises WrongRequestError where there is none, or no key."""
    paths: list[Path] = []
    for given in files:
        if given.is_dir():
            paths += [each for each in sorted(given.iterdir()) if FILE.fullmatch(each.name)]
        else:
            paths.append(given)
    if not paths:
        raise WrongRequestError(
            "There is no receipt to check.", f"Receipts are called 00000001-RUN.json, and {HEAD} is none."
        )
    if key is None:
        return check_files(paths, Receipts(state).public_key())
    try:
        pem = key.read_bytes()
    except OSError as error:
        raise WrongRequestError(f"The key {key} cannot be read: {error.strerror}.") from None
    return check_files(paths, pem)


def _differences(
    run: RunPredicate, twin: TwinFacts, found: StandingTwin, erasures: list[str]
) -> Iterator[tuple[str, bool]]:
    signed, there = {each.table: each.sha256 for each in twin.tables}, found.digests
    differ = sorted(name for name in signed.keys() & there.keys() if signed[name] != there[name])
    gone = sorted(signed.keys() - there.keys() - found.unread.keys())
    same_definitions = found.definitions_sha256 == twin.definitions_sha256
    if not (differ or gone or found.others or found.unread) and same_definitions:
        yield f"The twin on {twin.connection} is what the receipt of {run.run} has signed.", True
        return
    yield f"The twin on {twin.connection} is not what the receipt of {run.run} has signed:", False
    for names, what in ((differ, "has other rows"), (gone, "is gone"), (found.others, "is new")):
        for name in names:
            yield f"  {name} {what}", False
    for name, error in sorted(found.unread.items()):
        yield f"  {name} could not be read: {error.why or error.what}", False
    if not same_definitions:
        yield "  its definitions (tables, columns, indexes, functions) are others", False
    if erasures:
        yield f"An erasure has removed rows since: receipt {', '.join(erasures)}", False
    yield "Its users may have written to it, or a later run has replaced it: appliance twin show", False


def _chromium() -> str:
    found = next((path for name in _CHROMIUM if (path := shutil.which(name))), None)
    if found is None:
        raise WrongRequestError(
            "There is no Chromium on this machine, which prints pages as PDF.",
            "",
            "Leave out --pdf, and print the page from any browser.",
        )
    return found


def _print_pdf(program: str, html: Path) -> None:
    with tempfile.TemporaryDirectory() as profile:
        command = [
            *(program, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"),
            *("--no-pdf-header-footer", f"--print-to-pdf={html.with_suffix('.pdf')}"),
            html.resolve().as_uri(),
        ]
        try:
            subprocess.run(  # noqa: S603 - our own page
                command, check=True, capture_output=True, timeout=_PDF_TIMEOUT_S, stdin=subprocess.DEVNULL
            )
        except (subprocess.SubprocessError, OSError) as error:
            raise WorkFailedError(
                f"Chromium did not print {html.name} ({type(error).__name__}).",
                "",
                "Leave out --pdf, and print the page from any browser.",
            ) from None
