"""The verdict: what a rehearsal found against the thresholds of its workflow. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from appliance.errors import ExitCode
from appliance.rehearsals.results.report import Direction, Failure, Rehearsal
from appliance.workflow.rehearsal import RehearsalLimits

EXIT_CODES = {
    "passed": ExitCode.DONE,
    "failed": ExitCode.WORK_FAILED,
    "above": ExitCode.REFUSED,
    "cancelled": ExitCode.WORK_FAILED,
}
"""What a command ends with, by the verdict."""


def judged(rehearsal: Rehearsal, limits: RehearsalLimits) -> Rehearsal:
    """The same with its verdict: that it was cancelled counts first, a failure before a threshold."""
    failures = list(_failures(rehearsal))
    cancelled = list(_cancelled(rehearsal))
    above = list(_above("", rehearsal.up, limits))
    if rehearsal.down is not None:
        above += _above("The way back: ", rehearsal.down, limits)
    verdict = "cancelled" if cancelled else "failed" if failures else "above" if above else "passed"
    return rehearsal.model_copy(update={"verdict": verdict, "reasons": (*cancelled, *failures, *above)})


def _cancelled(rehearsal: Rehearsal) -> Iterator[str]:
    for name, direction in (("The migration", rehearsal.up), ("The way back", rehearsal.down)):
        if direction is not None and direction.cancelled:
            last = direction.statements[-1] if direction.statements else None
            at = f" at {last.file}:{last.line}" if last is not None else ""
            yield f"{name} was cancelled{at}. What is shown was seen until then."


def _failures(rehearsal: Rehearsal) -> Iterator[str]:
    for name, direction in (("The migration", rehearsal.up), ("The way back", rehearsal.down)):
        if direction is None or direction.stopped:
            continue
        if direction.failure is not None:
            yield f"{name} failed. {failure_text(direction.failure)}"
        for statement in direction.statements:
            if statement.failure is not None:
                yield (
                    f"{name} failed at {statement.file}:{statement.line}: {statement.statement}."
                    f" {failure_text(statement.failure)}"
                )
    if rehearsal.schema_after_down is not None and not rehearsal.schema_after_down.same:
        yield "The way back does not lead to the schema that was there before."


def failure_text(failure: Failure) -> str:
    """In one line."""
    return f"{failure.why} (SQLSTATE {failure.sqlstate})" if failure.sqlstate else failure.why


def _above(which: str, direction: Direction, limits: RehearsalLimits) -> Iterator[str]:
    if direction.stopped:
        last = direction.statements[-1] if direction.statements else None
        at = f", at {last.file}:{last.line}" if last is not None else ""
        yield f"{which}It was ended after {limits.max_minutes} minutes (rehearsal.max_minutes){at}."
    if limits.max_blocked_ms is not None:
        for table in direction.tables:
            longest = max(table.reader_blocked_ms, table.writer_blocked_ms)
            if longest > limits.max_blocked_ms:
                who = "Readers and writers" if table.reader_blocked_ms > limits.max_blocked_ms else "Writers"
                yield (
                    f"{which}{who} of {table.table} were kept waiting for {longest:,.0f} ms, and"
                    f" {limits.max_blocked_ms:,} are allowed (rehearsal.max_blocked_ms)."
                )
    yield from (f"{which}{found} (rehearsal.forbid)." for found in _forbidden(direction, limits))


def _forbidden(direction: Direction, limits: RehearsalLimits) -> Iterator[str]:
    if "rewrite" in limits.forbid:
        for statement in direction.statements:
            for rewritten in statement.rewrites:
                yield f"{rewritten} was rewritten at {statement.file}:{statement.line}"
        for rewritten in direction.changes.rewrites if direction.changes is not None else ():
            yield f"{rewritten} was rewritten"
    if "invalid" in limits.forbid:
        for name in direction.left_invalid:
            yield f"{name} is left invalid"
    if "lint" in limits.forbid:
        for statement in direction.statements:
            for finding in statement.findings:
                yield f"{finding.rule} at {statement.file}:{finding.line}"
