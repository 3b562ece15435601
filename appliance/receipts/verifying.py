"""Checking receipts with nothing but a public key: signatures, layout, and the chain between them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from securesystemslib.signer import SSlibKey

from appliance.errors import WrongRequestError
from appliance.receipts.book import read_bounded
from appliance.receipts.envelope import SignedReceipt, WrongReceiptError, read_envelope
from appliance.receipts.predicate import RotationPredicate, RunPredicate
from appliance.receipts.removals import EndingPredicate, ErasurePredicate
from appliance.receipts.rotation import ROTATION
from appliance.receipts.signing_key import public_key
from appliance.receipts.statement import Statement, UnreadableStatementError, parse_statement


@dataclass(frozen=True)
class Verdict:
    """What came of one file: a fault in one sentence, or the statement that may be believed."""

    name: str
    fault: str | None = None
    signed: SignedReceipt | None = None
    statement: Statement | None = None
    signer: str = ""
    notes: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether it is what was signed, by a key that is trusted."""
        return self.fault is None

    @property
    def number(self) -> int | None:
        """Its place in the chain."""
        return self.statement.predicate.link.number if self.statement is not None else None

    @property
    def run(self) -> RunPredicate | None:
        """What it says of a run, if it is about one."""
        predicate = self.statement.predicate if self.statement is not None else None
        return predicate if isinstance(predicate, RunPredicate) else None

    @property
    def of_run(self) -> str:
        """What the name of its file has: a run's id, an erasure's, or what stands there in place of one."""
        predicate = self.statement.predicate if self.statement is not None else None
        match predicate:
            case RunPredicate() | EndingPredicate():
                return predicate.run
            case ErasurePredicate():
                return predicate.erasure
        return ROTATION

    @property
    def about(self) -> str:
        """What it is about, in a few words."""
        predicate = self.statement.predicate if self.statement is not None else None
        match predicate:
            case RunPredicate():
                return f"{predicate.run}, {predicate.outcome}"
            case ErasurePredicate():
                return f"erasure {predicate.erasure}, {predicate.outcome}"
            case EndingPredicate():
                return f"the end of {predicate.kind} {predicate.place}"
        return "another key"


@dataclass(frozen=True)
class Checked:
    """What came of all files together."""

    verdicts: tuple[Verdict, ...]
    faults: tuple[str, ...] = ()
    """Of the chain: links that are missing or do not fit."""
    notes: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether there is nothing to object to."""
        return not self.faults and all(verdict.good for verdict in self.verdicts)


@dataclass
class _Trust:
    """The keys that are believed: the one that was given, and those that it leads to by a rotation."""

    keys: list[SSlibKey] = field(default_factory=list)

    def add(self, pem: str) -> bool:
        """Whether it is new."""
        key = public_key(pem)
        if any(known.keyid == key.keyid for known in self.keys):
            return False
        self.keys.append(key)
        return True


def check_files(paths: Sequence[Path], pem: str | bytes) -> Checked:
    """Check these files against a public key, and the chain that they form. Never raises for a file."""
    read: list[tuple[str, SignedReceipt | str]] = []
    for path in paths:
        try:
            read.append((str(path), read_envelope(read_bounded(path))))
        except WrongReceiptError as error:
            read.append((str(path), str(error)))
    return check(read, pem)


def check(
    read: Sequence[tuple[str, SignedReceipt | str]],
    pem: str | bytes,
    *,
    gone: Mapping[str, str] | None = None,
    whole: bool = False,
) -> Checked:
    """Check envelopes, each by name; a text in place of one is what is wrong with its file.

    ``gone``: SHA-256 and name of receipts that were deleted with a record. ``whole``: these are all that
    there are, from the first one on. Raises WrongRequestError for a key that is none.
    """
    trust = _Trust([public_key(pem)])
    envelopes = [each for _, each in read if isinstance(each, SignedReceipt)]
    _follow_rotations(envelopes, trust)
    verdicts = [_verdict(name, each, trust.keys) for name, each in read]
    faults, notes = _chain(verdicts, gone or {}, whole=whole)
    return Checked(tuple(verdicts), tuple(faults), tuple(notes))


def _follow_rotations(envelopes: Iterable[SignedReceipt], trust: _Trust) -> None:
    """Trust goes from either key of a rotation to the other one: both have signed it."""
    rotations = [each for each in envelopes if len(each.key_ids) > 1]
    found = True
    while found:
        found = any(_follow(each, trust) for each in rotations)


def _follow(signed: SignedReceipt, trust: _Trust) -> bool:
    try:
        signed.signers(trust.keys)
        predicate = parse_statement(signed.envelope.payload).predicate
        if not isinstance(predicate, RotationPredicate):
            return False
        pair = [public_key(predicate.old_key), public_key(predicate.new_key)]
        if len(signed.signers(pair)) != 2:
            return False
        added = [trust.add(predicate.old_key), trust.add(predicate.new_key)]
    except (WrongReceiptError, UnreadableStatementError, WrongRequestError):
        return False
    return any(added)


def _verdict(name: str, each: SignedReceipt | str, keys: Sequence[SSlibKey]) -> Verdict:
    if isinstance(each, str):
        return Verdict(name, each)
    try:
        signer = each.signers(keys)[0]
        statement = parse_statement(each.envelope.payload)
        _check_signatures(each, statement)
    except (WrongReceiptError, UnreadableStatementError) as error:
        return Verdict(name, str(error), each)
    back = statement.predicate.link.clock_went_back_s
    verdict = Verdict(name, None, each, statement, signer)
    if back:
        text = f"the appliance's clock stood {back:.0f} s before the time of the receipt before it"
        verdict = replace(verdict, notes=(text,))
    return verdict


def _check_signatures(signed: SignedReceipt, statement: Statement) -> None:
    """One signature, or a rotation's two: nothing signs the list of them. Raises WrongReceiptError."""
    predicate = statement.predicate
    if isinstance(predicate, RotationPredicate):
        try:
            pair = {public_key(each).keyid for each in (predicate.old_key, predicate.new_key)}
        except WrongRequestError:
            pair = set()
        if set(signed.key_ids) != pair:
            raise WrongReceiptError(
                "It was changed after it was signed: a rotation has the signatures of its two keys."
            )
    elif len(signed.key_ids) != 1:
        raise WrongReceiptError(
            f"It was changed after it was signed: it has {len(signed.key_ids)} signatures in place of one."
        )


def _span(before: int, after: int) -> str:
    return str(before + 1) if after == before + 2 else f"{before + 1} to {after - 1}"


def _chain(
    verdicts: Sequence[Verdict], gone: Mapping[str, str], *, whole: bool
) -> tuple[list[str], list[str]]:
    """What is wrong between neighbours, by number. A single file has none."""
    faults: list[str] = []
    notes: list[str] = []
    links: dict[int, Verdict] = {}
    for verdict in verdicts:
        if verdict.number is None or verdict.signed is None:
            continue
        other = links.setdefault(verdict.number, verdict)
        if other is not verdict and other.signed is not None:
            if other.signed.digest == verdict.signed.digest:
                notes.append(f"{verdict.name} and {other.name} are the same receipt")
            else:
                faults.append(f"Two different receipts have the number {verdict.number}: the chain forks.")
    numbers = sorted(links)
    recorded = {int(found[0]) for name in gone.values() if (found := re.match(r"\d{8}", name))}
    for before, after in itertools.pairwise([0, *numbers] if whole else numbers):
        its = links[after].statement
        assert its is not None  # noqa: S101 - it has a number
        previous = its.predicate.link.previous
        if after == before + 1:
            one = links[before].signed if before else None
            if one is not None and previous != one.digest:
                faults.append(
                    f"Receipt {after} does not follow receipt {before}: it names another one before it."
                )
            continue
        lacking = [number for number in range(before + 1, after) if number not in recorded]
        if previous in gone and not lacking:
            notes.append(f"{_span(before, after)}: deleted on the appliance, which has a record of it")
        else:
            # Of some there may be a record, and of others none.
            first, last = (lacking[0], lacking[-1]) if previous in gone else (before + 1, after - 1)
            where = f"between {before} and {after}" if before else f"before {after}"
            faults.append(f"Missing {where}: {_span(first - 1, last + 1)}.")
    return faults, notes
