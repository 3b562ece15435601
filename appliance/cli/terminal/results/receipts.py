"""What is printed of receipts."""

from __future__ import annotations

import typer

from appliance.cli.terminal.output import counted
from appliance.documents.problems import printable
from appliance.receipts.predicate import RotationPredicate, RunPredicate
from appliance.receipts.removals import EndingPredicate, ErasurePredicate
from appliance.receipts.statement import Predicate
from appliance.receipts.verifying import Checked, Verdict

list_columns = ("number", "run", "outcome", "written", "rows", "masked", "kept", "check")


def list_rows(checked: Checked) -> list[tuple[str, ...]]:
    """One row a receipt, the newest first."""
    return [_row(verdict) for verdict in reversed(checked.verdicts)]


def _row(verdict: Verdict) -> tuple[str, ...]:
    number, run = str(verdict.number or ""), verdict.run
    check = verdict.fault or "good"
    if verdict.statement is None:
        return (number, verdict.name, "", "", "", "", "", check)
    written = f"{verdict.statement.predicate.link.written_at:%Y-%m-%d %H:%M:%S}"
    if run is None:
        return (number, *_other(verdict.statement.predicate, written), check)
    counts = (f"{run.twin_rows:,}", str(run.masked_columns), str(run.kept_columns))
    return (number, run.run, run.outcome, written, *counts, check)


def _other(predicate: Predicate, written: str) -> tuple[str, ...]:
    """Of what is about no run."""
    match predicate:
        case ErasurePredicate():
            removed = f"-{predicate.removed:,}"
            return (f"erasure {predicate.erasure}", predicate.outcome, written, removed, "", "")
        case EndingPredicate():
            return (f"{predicate.kind} {predicate.place} of {predicate.run}", "ended", written, "", "", "")
    return ("another key", "", written, "", "", "")


def print_receipt(verdict: Verdict) -> None:
    """What a receipt says, in a few lines."""
    assert verdict.statement is not None and verdict.signed is not None  # noqa: S101 - it was believed
    predicate = verdict.statement.predicate
    _say(f"Receipt {predicate.link.number}, {predicate.link.written_at:%Y-%m-%d %H:%M:%S} UTC")
    _say(f"SHA-256 {verdict.signed.digest}, signed with the key {verdict.signer[:16]}")
    match predicate:
        case RotationPredicate():
            _say("From here on another key signs.")
            return
        case RunPredicate():
            _print_run(predicate)
        case ErasurePredicate():
            _print_erasure(predicate)
        case EndingPredicate():
            gone = "gone" if predicate.kind == "branch" else "removed"
            _say(f"The {predicate.kind} {predicate.place} of {predicate.run} is {gone}. {predicate.why}")
    for each in verdict.statement.subjects:
        _say(f"  {each.name}  {each.digest.sha256}")
    for note in verdict.notes:
        _say(f"Note: {note}.")


def _print_run(run: RunPredicate) -> None:
    failed = f" in {run.failed_step}" if run.failed_step else ""
    asked = f"{run.asked_by.kind} ({run.asked_by.user})" if run.asked_by.user else run.asked_by.kind
    _say(f"Run {run.run}: {run.outcome}{failed}; asked for by: {asked}")
    _say(f"Workflow {run.workflow.id} ({run.workflow.origin}), version {run.workflow.digest[:16]}")
    if run.source is not None and run.snapshot is not None:
        _say(
            f"Source {run.source.connection}, identity {run.source.identity},"
            f" as of {run.snapshot.taken_at:%Y-%m-%d %H:%M:%S} UTC"
        )
    _say(f"Keys of '{run.key_name}', epoch {run.key_epoch}; release {run.release}")
    _say(
        f"{counted(len(run.tables), 'table')}, {counted(run.twin_rows, 'row')}:"
        f" {counted(run.masked_columns, 'column')} masked, {run.kept_columns} kept;"
        f" {counted(len(run.not_carried), 'thing')} not carried"
    )
    for done in run.after_load:
        changed = sum(each.inserted + each.updated + each.deleted for each in done.changes)
        _say(f"After the proof the workflow's own SQL changed {counted(changed, 'row')} of {done.database}")
    for group in run.groups:
        _say(
            f"Groups of {group.table} by {', '.join(group.columns)}: smallest {group.smallest or 0:,},"
            f" {group.rows_below:,} of {group.rows:,} rows are in groups of fewer than {group.k}"
        )


def _print_erasure(erasure: ErasurePredicate) -> None:
    reference = f", reference {erasure.reference}" if erasure.reference else ""
    done_by = f", done by: {erasure.user}" if erasure.user else ""
    _say(
        f"Erasure {erasure.erasure}: {erasure.outcome}; asked for by: {erasure.asked_by}{reference}{done_by}"
    )
    whom = f"{erasure.subject} of {erasure.source}, found by {erasure.found_by}"
    _say(f"Subject: {whom}; {counted(erasure.removed, 'row')} removed")
    for place in erasure.places:
        counts = ", ".join(f"{each.table} {each.before:,} → {each.after:,}" for each in place.tables)
        parts = (f"{place.kind} {place.name}", place.state, counts, place.why)
        _say("  " + ": ".join(part for part in parts if part))


def print_checked(checked: Checked) -> None:
    """What came of checking files."""
    for verdict in checked.verdicts:
        if verdict.fault is not None:
            _say(f"{verdict.name}: {verdict.fault}", err=True)
            continue
        _say(f"{verdict.name}: good, receipt {verdict.number}, {verdict.about}")
        for note in verdict.notes:
            _say(f"  Note: {note}.")
    for note in checked.notes:
        _say(f"Note: {note}.")
    for fault in checked.faults:
        _say(fault, err=True)


def _say(text: str, *, err: bool = False) -> None:
    typer.echo(printable(text), err=err)
