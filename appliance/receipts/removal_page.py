"""The page of a receipt of an erasure, or of a copy that ended, for a privacy officer's file."""

from __future__ import annotations

from html import escape

from appliance.receipts.page import NOT_SIGNED, counted, moment, receipt_page, table, whole_page
from appliance.receipts.removals import EndingPredicate, ErasurePredicate, PlaceFacts
from appliance.receipts.verifying import Verdict

_STATES = {
    "done": "removed",
    "empty": "nothing was there",
    "open": "NOT DONE",
    "left to others": "left to those who may",
}


def page_of(verdict: Verdict) -> str | None:
    """The page of a receipt that was found good; None for a change of the key, which has none."""
    predicate = verdict.statement.predicate if verdict.statement is not None else None
    match predicate:
        case ErasurePredicate():
            return _erasure_page(verdict, predicate)
        case EndingPredicate():
            return _ending_page(verdict, predicate)
    return receipt_page(verdict) if verdict.run is not None else None


def _erasure_page(verdict: Verdict, erasure: ErasurePredicate) -> str:
    number = erasure.link.number
    outcome = "Done: no place is open"
    if erasure.outcome == "open":
        outcome = f"Open: {counted(erasure.open_places, 'place')} could not be cleared yet"
    facts = [
        ("Outcome", outcome),
        ("Erasure", erasure.erasure),
        ("Reference", erasure.reference or "none"),
        ("Asked for by", erasure.asked_by),
        ("Done by", erasure.user or "not known"),
        ("Kind of subject", f"{erasure.subject} of {erasure.source}, found by {erasure.found_by}"),
        ("Began", moment(erasure.began_at)),
        ("Signed", moment(erasure.link.written_at)),
        ("Rows removed", f"{erasure.removed:,}"),
        ("Later runs", "leave the subject out, by a keyed digest"),
    ]
    parts = [
        f"<h1>Receipt {number:,}</h1><p>What was removed, and where. Whom it was about is not in it.</p>",
        table([], facts),
        "<h2>Places</h2>",
        table(("place", "state", "rows before and after", "note"), [_place(each) for each in erasure.places]),
        *_signed(verdict, erasure.release),
    ]
    return whole_page(f"Receipt {number} · erasure {erasure.erasure}", parts)


def _place(place: PlaceFacts) -> tuple[str, ...]:
    rows = ", ".join(f"{each.table} {each.before:,} → {each.after:,}" for each in place.tables)
    return (f"{place.kind} {place.name}", _STATES[place.state], rows, place.why)


def _ending_page(verdict: Verdict, ending: EndingPredicate) -> str:
    number = ending.link.number
    what = "A copy whose time was over, and which was removed."
    if ending.kind == "branch":
        what = "A branch of a twin, which is gone."
    facts = [
        ("Copy", f"{ending.kind} {ending.place}"),
        ("Made", moment(ending.made_at)),
        ("Of the run", f"{ending.run} of {ending.workflow}"),
        ("It was to end", moment(ending.expired_at)),
        ("Signed", moment(ending.link.written_at)),
        ("Why", ending.why),
    ]
    parts = [
        f"<h1>Receipt {number:,}</h1><p>{what}</p>",
        table([], facts),
        *_signed(verdict, ending.release),
    ]
    return whole_page(f"Receipt {number} · end of {ending.place}", parts)


def _signed(verdict: Verdict, release: str) -> list[str]:
    statement, signed = verdict.statement, verdict.signed
    if statement is None or signed is None:
        raise ValueError("only a receipt that was checked has a page")
    return [
        "<h2>What is signed</h2>",
        table(("thing", "SHA-256"), [(each.name, each.digest.sha256) for each in statement.subjects]),
        table(
            [],
            [
                ("Release", release),
                ("Receipt before this one", statement.predicate.link.previous or "none: this is the first"),
                ("SHA-256 of this receipt's file", signed.digest),
                ("Signed with the key", verdict.signer),
            ],
        ),
        *(f"<p>Note: {escape(note)}.</p>" for note in verdict.notes),
        NOT_SIGNED,
    ]
