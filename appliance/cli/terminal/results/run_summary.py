"""What is printed when a run has ended well, or a plan has been made."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from appliance.cli.terminal.output import counted, duration, size
from appliance.cli.terminal.results.deciding import by_whom, rule_json
from appliance.documents.problems import printable
from appliance.postgres.plan import Plan, PlannedTable, TargetFacts
from appliance.postgres.planning.space_estimate import bytes_on_target
from appliance.postgres.twin.after_load import AfterLoadRecord
from appliance.receipts.head import PUBLIC_KEY
from appliance.steps.calling.container_result import ContainerResult
from appliance.steps.local.run import RunOutcome
from appliance.steps.records.upload_result import UploadResult
from appliance.workflow.drift import Drift, drift_notes

_SHOWN_TABLES = 40
_SHOWN_COLUMNS = 4
_SHOWN_UNSEEN = 10


def print_outcome(console: Console, outcome: RunOutcome, rows: dict[str, int]) -> None:
    """Tables with their rows and masks, steps with their times, and where the twin is."""
    plan = outcome.plan
    copied = outcome.results.get("copy", [])
    _show(console, _copied_tables(plan, rows))
    _say(console, _verified(outcome))
    for line in (*_unseen(outcome), *_changed_since(outcome)):
        _say(console, line)
    for target, published in zip(plan.targets, outcome.results.get("publish", []), strict=False):
        if target.scratch:
            continue
        former = published.get("former")
        kept = f"; the former one is kept as '{former}'" if former else ""
        _say(console, f"The twin '{target.database}' on {target.connection} is new{kept}.")
    if outcome.export is not None:
        files = next(each["files"] for each in outcome.results["attest"] if each["files"])
        _say(
            console,
            f"Files: {counted(files['tables'], 'table')}, {counted(files['rows'], 'row')},"
            f" {size(files['bytes'])}, {', '.join(files['formats'])}, in {outcome.export}.",
        )
    for found in outcome.results.get("upload", []):
        _say(console, _delivered(UploadResult.model_validate(found)))
    for line in _receipt(outcome):
        _say(console, line)
    for handed in outcome.containers:
        _say(console, _handed(handed))
    total = sum(part.get("rows", 0) for part in copied)
    moved = sum(part.get("bytes", 0) for part in copied)
    _say(
        console,
        f"{counted(total, 'row')}, {size(moved)}, in {duration(outcome.total_seconds)}:"
        f" {_times(outcome.seconds)}.",
    )
    refused = sum(len(made["not_carried"]) for made in outcome.results.get("schema", []))
    if lacking := len(plan.not_carried) + refused:
        things = counted(lacking, "thing")
        _say(console, f"What is delivered lacks {things} of the source: appliance runs {plan.run_id}")


def _receipt(outcome: RunOutcome) -> list[str]:
    """The receipt's number and digest, and the command that checks it with nothing but the public key."""
    if outcome.receipt is None or outcome.receipt_file is None:
        return []
    file = outcome.receipt_file
    number = int(file.name.partition("-")[0])
    key = shlex.quote(str(file.parent / PUBLIC_KEY))
    return [
        f"Receipt {number} is signed: SHA-256 {outcome.receipt.digest}.",
        f"Check it: appliance receipt verify {shlex.quote(str(file))} --key {key}",
    ]


def _changed_since(outcome: RunOutcome) -> list[str]:
    """What the workflow's own SQL has changed in what was proven."""
    found = next(iter(outcome.results.get("verify", [])), {}).get("after_load", [])
    records = [AfterLoadRecord.model_validate(each) for each in found]
    return [
        f"Changed by after_load: {'; '.join(change.text for change in record.changes) or 'no row'}."
        for record in records
    ]


def _delivered(uploaded: UploadResult) -> str:
    """What is in a bucket now."""
    ended = f"; deleted there: {', '.join(each.run for each in uploaded.removed)}"
    return (
        f"Bucket {uploaded.connection}: {uploaded.folder}, {counted(uploaded.objects, 'file')},"
        f" {size(uploaded.bytes)}{ended if uploaded.removed else ''}."
    )


def _handed(result: ContainerResult) -> str:
    """What came of a container of the customer's own."""
    if not result.worked:
        return f"Warning: {' '.join(result.notes)}"
    if result.export is None:
        return f"The container of {result.image} has ended well, and wrote nothing to /out."
    written = f"{counted(result.files, 'file')}, {size(result.bytes)}"
    return f"The container of {result.image} has ended well: {written}, listed as {result.export}."


def print_plan(console: Console, plan: Plan, *, columns: bool) -> None:
    """What a run would do."""
    if columns:
        for table in plan.tables:
            _show(console, _planned_columns(table))
    else:
        _show(console, _planned_tables(plan))
    pieces = sum(len(shard.items) for shard in plan.shards)
    _say(
        console,
        f"{counted(len(plan.shards), 'shard')} of {counted(pieces, 'piece')}, {plan.parallel} at a time.",
    )
    if presets := by_whom(plan):
        _say(console, f"Columns decided by {presets}.")
    _say(console, f"Pseudonyms: keys of '{plan.key_name}', epoch {plan.epoch}.")
    for target in plan.targets:
        if target.scratch:
            _say(console, f"It builds '{target.next_database}' on {target.connection}, and drops it again.")
            continue
        verb = "replaces" if target.twin_exists else "makes"
        _say(console, f"It {verb} the twin '{target.database}' on {target.connection}.")
        _say(console, _branches(plan, target))
    for text in (*plan.warnings, *plan.fallbacks):
        _say(console, f"Note: {text}")
    _print_drift(console, plan.drift)
    _print_not_carried(console, plan)


def _branches(plan: Plan, target: TargetFacts) -> str:
    if target.copied_by == "clone":
        return "A branch of it is a clone: made at once, and without space until it is written to."
    takes = size(bytes_on_target(plan))
    return f"A branch of it is a copy of its files: about {takes}, at the disk's own speed."


def plan_json(plan: Plan) -> str:
    """A plan for programs: names, masks and counts."""
    data = {
        "run_id": plan.run_id,
        "workflow": plan.workflow_id,
        "tables": [
            {
                "table": table.qualified,
                "estimated_rows": table.estimated_rows,
                "bytes": table.bytes,
                "filtered": table.where_sql is not None,
                "columns": {column.name: column.said for column in table.columns},
                "rules": {column.name: rule_json(column) for column in table.columns},
            }
            for table in plan.tables
        ],
        "shards": len(plan.shards),
        "targets": [target.model_dump(mode="json") for target in plan.targets],
        "left_out": [table.qualified for table in plan.left_out],
        "not_carried": [item.model_dump() for item in plan.not_carried],
        "warnings": list(plan.warnings),
        "fallbacks": list(plan.fallbacks),
        "drift": plan.drift.model_dump(mode="json"),
    }
    return json.dumps(data, indent=2, ensure_ascii=False)


def _copied_tables(plan: Plan, rows: dict[str, int]) -> Table:
    table = _table("table", "rows", "masked columns")
    ordered = sorted(plan.tables, key=lambda each: -rows.get(each.qualified, 0))
    for each in ordered[:_SHOWN_TABLES]:
        table.add_row(_text(each.qualified), f"{rows.get(each.qualified, 0):,}", _text(_masks(each)))
    if len(ordered) > _SHOWN_TABLES:
        left = ordered[_SHOWN_TABLES:]
        count = sum(rows.get(each.qualified, 0) for each in left)
        table.add_row(f"and {len(left)} more", f"{count:,}", "")
    return table


def _planned_tables(plan: Plan) -> Table:
    table = _table("table", "rows, about", "size", "masked", "kept", "masks")
    for each in plan.tables:
        masked = len(each.masked_columns)
        name = each.qualified + (" (filtered)" if each.where_sql is not None else "")
        counts = (f"{each.estimated_rows:,}", size(each.bytes), str(masked), str(len(each.columns) - masked))
        table.add_row(_text(name), *counts, _text(_masks(each)))
    return table


def _planned_columns(planned: PlannedTable) -> Table:
    table = _table("column", "type", "what happens", "decided by", title=_text(planned.qualified))
    for column in planned.columns:
        said = (column.name, column.type, column.said, column.decided_by)
        table.add_row(*map(_text, said))
    return table


def _masks(table: PlannedTable) -> str:
    masked = [
        column.name if column.mask == column.name else f"{column.name}: {column.said}"
        for column in table.masked_columns
    ]
    more = len(masked) - _SHOWN_COLUMNS
    return ", ".join(masked[:_SHOWN_COLUMNS]) + (f" and {more} more" if more > 0 else "")


def _verified(outcome: RunOutcome) -> str:
    found = next(iter(outcome.results.get("verify", [])), {})
    rows, columns = found.get("rows", 0), found.get("masked_columns", 0)
    values, equal = found.get("values_compared", 0), found.get("values_equal", 0)
    left_out = found.get("left_out", 0)
    parts = [f"Verified: {counted(rows, 'row')} counted against the snapshot."]
    if columns:
        parts.append(
            f"Looked at {counted(columns, 'masked column')}: {counted(equal, 'value')} of a sample equal to"
            f" what the mask gives for the row, and no original among {counted(values, 'value')}."
        )
    else:
        parts.append("No column is masked, so nothing was proven of any value.")
    parts += _kept(found)
    if left_out:
        parts.append(f"Left out by filters, and counted apart: {counted(left_out, 'row')}.")
    if erased := found.get("erased", 0):
        parts.append(f"Left out because they are about erased subjects: {counted(erased, 'row')}.")
    return " ".join(parts)


def _kept(found: Mapping[str, int]) -> list[str]:
    """What of the kept columns was looked at; which were not, and why, is listed beneath."""
    kept, looked = found.get("kept_columns", 0), found.get("kept_looked_at", 0)
    if not kept:
        return []
    suspicious = found.get("kept_found", 0)
    hold = (
        "none of them holds"
        if not suspicious
        else f"{suspicious} of them {'holds' if suspicious == 1 else 'hold'}"
    )
    text = (
        f"Looked into {looked:,} of {counted(kept, 'kept column')}, over"
        f" {counted(found.get('kept_rows', 0), 'row')}: {hold} what looks personal or stood in a masked"
        " column."
    )
    return [text, "That no kept column holds personal data is not proven."]


def _unseen(outcome: RunOutcome) -> list[str]:
    """Lines for columns that no person has looked at."""
    found = next(iter(outcome.results.get("verify", [])), {})
    by_reason: dict[str, list[str]] = {}
    for table in found.get("said", ()):
        for column, why in table["not_looked_at"]:
            by_reason.setdefault(why, []).append(f"{table['table']}.{column}")
    return [
        f"Not looked at, {why}: {', '.join(names[:_SHOWN_UNSEEN])}"
        + (f" and {len(names) - _SHOWN_UNSEEN} more" if len(names) > _SHOWN_UNSEEN else "")
        for why, names in by_reason.items()
    ]


def _times(seconds: dict[str, float]) -> str:
    return ", ".join(f"{step} {duration(taken)}" for step, taken in seconds.items())


def _print_drift(console: Console, found: Drift) -> None:
    if found.since is None:
        return
    if not found.items:
        _say(console, f"The source's tables are as they were for {found.since}.")
    for line in drift_notes(found):
        _say(console, line)


def _print_not_carried(console: Console, plan: Plan) -> None:
    if not plan.not_carried:
        return
    _say(console, "What the twin will not have:")
    for item in plan.not_carried:
        _say(console, f"  {item.kind} {item.name}: {item.why}")


def _show(console: Console, table: Table) -> None:
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        _say(console, line.rstrip())


def _say(console: Console, text: str) -> None:
    console.print(printable(text), soft_wrap=True, markup=False, highlight=False)


def _text(name: str) -> Text:
    """A name out of a database: no markup, and nothing that would move the cursor."""
    return Text(printable(name))


def _table(*columns: str, title: Text | None = None) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    for column in columns:
        numeric = column in ("rows", "rows, about", "size", "masked", "kept")
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    return table
