"""All receipts of an appliance, in order: ``receipts/00000042-<run>.json``, each with the digest of the last.

``head.json`` has the number and digest of the newest. It is written after it, so a kill between the two
leaves a receipt that the next writer takes up.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from appliance.durable import create_file, write_file
from appliance.errors import WorkFailedError, WrongRequestError
from appliance.receipts.chain import ChainLink
from appliance.receipts.envelope import LARGEST, SignedReceipt, WrongReceiptError, read_envelope, sign
from appliance.receipts.head import FILE, HEAD, PUBLIC_KEY, Head
from appliance.receipts.predicate import RunPredicate
from appliance.receipts.signing_key import load_or_create_signing_key, public_key, public_pem
from appliance.receipts.statement import Statement, UnreadableStatementError, parse_statement
from appliance.system.beneath import as_owner_of

_MODE = 0o640
_NOTHING_WITHOUT = "A run is not published without a receipt, and an erasure stays open."


@dataclass(frozen=True)
class Entry:
    """One receipt's file, by its name; not read yet."""

    number: int
    run: str
    path: Path


class ReceiptBook:
    """The receipts in a folder."""

    def __init__(self, folder: Path, keys_dir: Path) -> None:
        self.folder, self._keys_dir = folder, keys_dir

    def append(
        self,
        name: str,
        statement: Callable[[ChainLink], Statement],
        *,
        also_signed_by: Sequence[Ed25519PrivateKey] = (),
    ) -> tuple[Path, SignedReceipt]:
        """Sign and write the next receipt: on the disk when this returns. ``name`` is its run's.

        Raises WorkFailedError where it cannot be written, WrongRequestError for a key that cannot sign.
        """
        key = load_or_create_signing_key(self._keys_dir)
        try:
            with as_owner_of(self.folder), self._alone():
                head = self._newest()
                link = _next_link(head, datetime.now(UTC))
                signed = sign(statement(link), [key, *also_signed_by])
                if len(signed.content) > LARGEST:
                    raise WorkFailedError(f"The receipt would be larger than {LARGEST >> 20} MB.")
                path = self.folder / f"{link.number:08d}-{name}.json"
                create_file(path, signed.content, durable=True, mode=_MODE)
                self._write_head(Head(number=link.number, sha256=signed.digest, written_at=link.written_at))
                self.show_key(public_pem(key))
        except OSError as error:
            raise WorkFailedError(
                f"The receipt could not be written to {self.folder}.",
                f"{error.strerror or type(error).__name__}. {_NOTHING_WITHOUT}",
                f"df -h {self.folder}; then start it again.",
            ) from None
        return path, signed

    def head(self) -> Head | None:
        """The end of the chain; None before the first receipt. Raises WrongRequestError for a broken one."""
        try:
            with as_owner_of(self.folder):
                return Head.model_validate_json((self.folder / HEAD).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError):
            raise WrongRequestError(
                f"{self.folder / HEAD} does not say where the chain of receipts ends.",
                "Without it a missing receipt would not show.",
                "Restore the file from a backup of the appliance.",
            ) from None

    def entries(self) -> list[Entry]:
        """Every receipt's file, oldest first."""
        try:
            with as_owner_of(self.folder):
                names = [path.name for path in self.folder.iterdir()]
        except FileNotFoundError:
            return []
        except PermissionError:
            raise WrongRequestError(
                f"{self.folder} cannot be read.",
                "Receipts are for the appliance and root only.",
                "Run it again with sudo.",
            ) from None
        except OSError as error:
            raise WorkFailedError(
                f"The folder of receipts {self.folder} cannot be used.",
                f"{error.strerror or type(error).__name__}. {_NOTHING_WITHOUT}",
                f"ls -ld {self.folder}",
            ) from None
        found = [(match, self.folder / name) for name in names if (match := FILE.fullmatch(name))]
        return sorted(
            (Entry(int(match[1]), match[2], path) for match, path in found), key=lambda each: each.number
        )

    def of_run(self, run: str) -> list[Entry]:
        """A run's receipts: one, or two where it could not be published after all."""
        return [entry for entry in self.entries() if entry.run == run]

    def read(self, entry: Entry) -> SignedReceipt:
        """Its content, unverified. Raises WrongReceiptError."""
        return read_envelope(read_bounded(entry.path))

    def own(self, entry: Entry) -> SignedReceipt:
        """A receipt that this appliance's present key has signed. Raises WrongReceiptError, or our errors."""
        signed = self.read(entry)
        signed.signers([public_key(public_pem(load_or_create_signing_key(self._keys_dir)))])
        return signed

    def make_key(self) -> None:
        """Have a key, and its public half beside the receipts. Raises our errors."""
        key = load_or_create_signing_key(self._keys_dir)
        try:
            with as_owner_of(self.folder):
                self.folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            self.show_key(public_pem(key))
        except OSError as error:
            raise WorkFailedError(
                f"The public key of receipts could not be written to {self.folder}.",
                error.strerror or type(error).__name__,
                f"df -h {self.folder}",
            ) from None

    def show_key(self, pem: str) -> None:
        """The public half where the status service may read it, which may not read keys."""
        path = self.folder / PUBLIC_KEY
        with as_owner_of(path):
            if not path.exists() or path.read_text() != pem:
                write_file(path, pem, durable=False, mode=_MODE)

    def _newest(self) -> Head | None:
        noted = head = self.head()
        for entry in self.entries():
            expected = head.number + 1 if head is not None else 1
            if entry.number == expected and (orphan := self._orphan(entry, head)) is not None:
                # Its writer was killed before it could note it, or a restore has brought an older head.
                head = orphan
        if head is not None and head is not noted:
            self._write_head(head)
        return head

    def _orphan(self, entry: Entry, head: Head | None) -> Head | None:
        try:
            signed = self.own(entry)
            link = parse_statement(signed.envelope.payload).predicate.link
        except (WrongReceiptError, UnreadableStatementError):
            return None
        if link.number != entry.number or link.previous != (head.sha256 if head is not None else None):
            return None
        return Head(number=link.number, sha256=signed.digest, written_at=link.written_at)

    def _write_head(self, head: Head) -> None:
        write_file(self.folder / HEAD, head.model_dump_json() + "\n", durable=True, mode=_MODE)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Two runs end at the same moment, and one chain has no fork."""
        self.folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def read_bounded(path: Path) -> bytes:
    """A receipt's bytes, never more than one may have. Raises WrongReceiptError."""
    try:
        with as_owner_of(path):
            # A pipe would keep its reader waiting for a writer.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise WrongReceiptError("It is not a file.")
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise WrongReceiptError(f"It cannot be read: {error.strerror or type(error).__name__}.") from None
    if len(content) > LARGEST:
        raise WrongReceiptError(f"It is larger than {LARGEST >> 20} MB, which no receipt is.")
    return content


def run_of(signed: SignedReceipt) -> RunPredicate | None:
    """What an envelope says of a run; None where it is about something else. Raises what parsing does."""
    predicate = parse_statement(signed.envelope.payload).predicate
    return predicate if isinstance(predicate, RunPredicate) else None


def _next_link(head: Head | None, now: datetime) -> ChainLink:
    if head is None:
        return ChainLink(number=1, previous=None, written_at=now)
    back = max(0.0, (head.written_at - now).total_seconds())
    return ChainLink(
        number=head.number + 1, previous=head.sha256, written_at=now, clock_went_back_s=round(back, 3)
    )
