"""A receipt as a page to read, print and file: the same as in the receipt, in a privacy officer's words.

One file without scripts, fonts or links to elsewhere: it is to look the same in ten years.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from html import escape

from pydantic import JsonValue

from appliance.receipts.predicate import (
    KeptColumn,
    KeptLook,
    MaskedColumn,
    PresetFacts,
    RunPredicate,
    TableFacts,
)
from appliance.receipts.verifying import Verdict

PROMISES = {
    "disjoint": "replaced; what the mask gives is no value of the source",
    "outside_domain": "replaced by values of the mask's own list",
    "by_chance": "replaced; a value may stay as it was by chance only",
    "constant": "replaced by one value, or emptied",
    "partial": "text in which what looks personal was replaced",
    "none": "changed by its mask, without a proof",
}
_OUTCOMES = {
    "released": "Proven, and released to be published",
    "failed": "Failed: it was not published, or not everywhere",
    "cancelled": "Cancelled: it was not published, or not everywhere",
}
NOT_SIGNED = (
    '<p class="small">This page repeats the receipt and is not signed itself. Check the receipt:'
    " <code>appliance receipt verify FILE --key receipts.pub</code></p>"
)
_STYLE = """
body { font: 11pt/1.45 system-ui, sans-serif; color: #111 }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.1rem; margin: 1.6rem 0 .4rem }
table { border-collapse: collapse; width: 100%; font-size: .9em }
th, td { text-align: left; vertical-align: top; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid #ccc }
code, td { overflow-wrap: anywhere }
.small { font-size: .85em; color: #444 }
@page { margin: 18mm } @media print { body { margin: 0; max-width: none } tr { break-inside: avoid } }
"""


def receipt_page(verdict: Verdict) -> str:
    """The page of a run's receipt that was found good. Raises ValueError for any other."""
    run, statement, signed = verdict.run, verdict.statement, verdict.signed
    if run is None or statement is None or signed is None:
        raise ValueError("only the receipt of a run, checked before, has a page")
    link = run.link
    facts = [
        ("Outcome", f"{_OUTCOMES[run.outcome]}{f' (step {run.failed_step})' if run.failed_step else ''}"),
        ("Run", run.run),
        ("Workflow", f"{run.workflow.title or run.workflow.id} ({run.workflow.id}, {run.workflow.origin})"),
        ("Asked for by", f"{run.asked_by.kind}{f', {run.asked_by.user}' if run.asked_by.user else ''}"),
        ("Began", moment(run.began_at)),
        ("Signed", moment(link.written_at)),
        *_source(run),
        ("Pseudonyms", f"keys of '{run.key_name}', generation {run.key_epoch}"),
        (
            "Tables and rows",
            f"{counted(len(run.tables), 'table')}, {counted(run.twin_rows, 'row')} in the copy",
        ),
        ("Columns", f"{run.masked_columns:,} masked, {run.kept_columns:,} copied as they are"),
    ]
    parts = [
        f"<h1>Receipt {link.number:,}</h1><p>What was copied, what was masked, what was proven.</p>",
        table([], facts),
        *(_section(each) for each in run.tables),
        _subset(run),
        _groups(run),
        _after_load(run),
        _not_carried(run),
        "<h2>What is signed</h2>",
        table(("thing", "SHA-256"), [(each.name, each.digest.sha256) for each in statement.subjects]),
        table(
            [],
            [
                ("Version of the workflow", run.workflow.digest),
                *((f"Preset {_version(each)}", each.digest_keyed) for each in run.workflow.presets),
                ("Policy", run.policy_digest),
                ("Release", run.release),
                *((f"Bucket {each.connection}", each.folder) for each in run.buckets),
                *((f"Image {image.name}", image.id) for image in run.images),
                ("Receipt before this one", link.previous or "none: this is the first"),
                ("SHA-256 of this receipt's file", signed.digest),
                ("Signed with the key", verdict.signer),
            ],
        ),
        *(f"<p>Note: {escape(note)}.</p>" for note in verdict.notes),
        NOT_SIGNED,
    ]
    return whole_page(f"Receipt {link.number} · {run.run}", parts)


def _version(preset: PresetFacts) -> str:
    return f"{preset.name}, a file" if preset.version is None else f"{preset.name}, version {preset.version}"


def whole_page(title: str, parts: Iterable[str]) -> str:
    """A file of HTML around parts that are HTML already."""
    body = "\n".join(part for part in parts if part)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>{body}</body></html>\n"
    )


def _source(run: RunPredicate) -> list[tuple[str, str]]:
    if run.source is None or run.snapshot is None:
        return []
    replica = ", a replica" if run.source.standby else ""
    return [
        ("Source", f"{run.source.connection}{replica}, known here as {run.source.identity}"),
        ("Copied as of", moment(run.snapshot.taken_at)),
    ]


def _section(facts: TableFacts) -> str:
    rows = []
    if facts.rows_source is not None and facts.rows_twin is not None:
        rows.append(f"{facts.rows_source:,} rows were read, {facts.rows_twin:,} are in the copy")
    if facts.left_out:
        rows.append(f"{facts.left_out:,} rows were left out by filters")
    if facts.gathered is not None and facts.masked:
        rows.append(f"{facts.gathered:,} rows compared with the source, {facts.searched or 0:,} searched")
    lines = [*map(_masked, facts.masked), *map(_kept, facts.kept)]
    about = f'<p class="small">{escape("; ".join(rows))}.</p>' if rows else ""
    heads = ("column", "what was done", "how, and what was found")
    return f"<h2>{escape(facts.table)}</h2>{about}" + table(heads, lines)


def _with_options(mask: str, options: Mapping[str, JsonValue]) -> str:
    said = ", ".join(f"{name}: {value}" for name, value in sorted(options.items()))
    return f"{mask} ({said})" if said else mask


def _done(column: MaskedColumn) -> str:
    whose = f", drawn from {' and '.join(column.subjects)}" if column.subjects else ""
    if not column.alternatives:
        follows = f", as {column.follows}, to which it refers" if column.follows else ""
        preset = f", by the preset {column.preset}" if column.preset and not follows else ""
        return f"masked: {_with_options(column.mask, column.options)}{follows}{whose}{preset}"
    said = []
    for each in column.alternatives:
        rows = "all other rows" if each.when_keyed is None else f"rows of condition {each.when_keyed[:8]}"
        how = (
            "copied as they are" if each.mask is None else f"masked: {_with_options(each.mask, each.options)}"
        )
        said.append(f"{rows}: {how}")
    return "; ".join(said) + whose


def _masked(column: MaskedColumn) -> tuple[str, str, str]:
    how = PROMISES.get(column.promise, column.promise)
    found = f"; {column.compared:,} values looked at" if column.compared is not None else ""
    if column.equal is not None:
        found += f", {column.equal:,} are what the mask gave for their row"
    return (column.column, _done(column), f"{how}{found}{_looked(column.look)}")


def _kept(column: KeptColumn) -> tuple[str, str, str]:
    whose = f"the preset {column.preset}" if column.preset else "the workflow"
    by = f"by {whose}'s rule {column.rule}" if column.rule else "nothing in the workflow names it"
    because = f"; because: {column.because}" if column.because else ""
    return (column.column, "copied as it is", f"{by}{because}{_looked(column.look)}")


def _looked(look: KeptLook | None) -> str:
    if look is None:
        return ""
    if look.not_looked_at is not None:
        return f"; not looked at: {look.not_looked_at}"
    said = f"; {look.values:,} values looked at"
    if look.looks_personal:
        said += f", {look.looks_personal:,} look like {look.kind}"
    said += "".join(
        f", originals of {each.masked} at {each.places:,} places in {each.texts:,} texts"
        for each in look.originals
    )
    return said if look.looks_personal or look.originals else f"{said}, nothing personal found"


def _subset(run: RunPredicate) -> str:
    if not run.rows:
        return ""
    lines = [
        (
            each.tables,
            f"at most {each.last_days} days old by {each.by}"
            if each.last_days is not None
            else f"a condition, keyed digest {each.where_keyed}"
            if each.where_keyed is not None
            else f"a condition, SHA-256 {each.where_sha256}",
        )
        for each in run.rows
    ]
    return "<h2>Which rows</h2>" + table(("tables", "rows"), lines)


def _groups(run: RunPredicate) -> str:
    if not run.groups:
        return ""
    lines = [
        (
            each.table,
            ", ".join(each.columns),
            "no rows"
            if each.smallest is None
            else f"the smallest has {each.smallest:,} rows; {each.rows_below:,} of {each.rows:,} rows"
            f" are in groups of fewer than {each.k}",
        )
        for each in run.groups
    ]
    return "<h2>Rows that share values</h2>" + table(("table", "columns", "groups"), lines)


def _after_load(run: RunPredicate) -> str:
    lines = []
    for each in run.after_load:
        changes = [
            (
                change.table,
                "written anew"
                if change.rewritten
                else f"{change.inserted:,} inserted, {change.updated:,} updated, {change.deleted:,} deleted",
            )
            for change in each.changes
        ]
        named = (("made", each.made), ("dropped", (*each.dropped, *each.constraints_dropped)))
        changes += [(name, what) for what, names in named for name in names]
        lines += changes or [(each.database, "no row was changed" if each.counted else "not counted")]
    if not lines:
        return ""
    about = '<p class="small">By the workflow\'s own SQL, after the proof. The digest is of what it left.</p>'
    return "<h2>What was changed after the proof</h2>" + about + table(("thing", "change"), lines)


def _not_carried(run: RunPredicate) -> str:
    if not run.not_carried:
        return ""
    lines = [(each.kind, each.name, each.why) for each in run.not_carried]
    return "<h2>What the copy does not have</h2>" + table(("kind", "name", "why"), lines)


def table(heads: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    """A table whose rows have their heads first; all text is escaped."""
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in heads)
    body = "".join(
        "<tr>"
        + f'<th scope="row">{escape(first)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return f"<table>{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>{body}</tbody></table>"


def moment(at: datetime) -> str:
    """As a person reads it."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def counted(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
