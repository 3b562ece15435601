"""A rehearsal as others read it: JUnit XML for continuous integration, Markdown for a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree as Xml

from appliance.rehearsals.results.judging import failure_text
from appliance.rehearsals.results.report import (
    CatalogChanges,
    Direction,
    Rehearsal,
    StatementReport,
    TableReport,
)
from appliance.rehearsals.watch.locks import short
from appliance.system.disk import readable

HONEST = (
    "A branch has the twin's masked rows and no other user. It does not show production's bloat, waiting"
    " for other sessions' locks, waits for single rows, replication, or another machine's speed."
)
IN_WORDS = {
    "passed": "The migration passed.",
    "failed": "The migration failed.",
    "above": "The migration is above a threshold.",
    "cancelled": "The rehearsal was cancelled.",
}


def directions(rehearsal: Rehearsal) -> Iterator[tuple[str, Direction]]:
    """The migration, and its way back where it was tried."""
    yield "up", rehearsal.up
    if rehearsal.down is not None:
        yield "down", rehearsal.down


def junit(rehearsal: Rehearsal) -> str:
    """One test case a statement, and one for the thresholds."""
    suite = Xml.Element("testsuite", name=f"rehearsal of {rehearsal.workflow}")
    failures = 0
    for way, direction in directions(rehearsal):
        for statement in direction.statements:
            case = Xml.SubElement(
                suite,
                "testcase",
                classname=f"{way}.{statement.file}",
                name=_plain(f"{statement.line}: {statement.statement}"),
                time=f"{statement.ms / 1000:.3f}",
            )
            if statement.failure is not None:
                failures += 1
                failed = Xml.SubElement(case, "failure", message=_plain(failure_text(statement.failure)))
                failed.set("type", statement.failure.sqlstate or "connection")
    verdict = Xml.SubElement(suite, "testcase", classname="rehearsal", name="verdict")
    if rehearsal.verdict != "passed":
        failures += 1
        reasons = _plain("\n".join(rehearsal.reasons))
        Xml.SubElement(
            verdict, "failure", message=IN_WORDS[rehearsal.verdict], type=rehearsal.verdict
        ).text = reasons
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(failures))
    suite.set("time", f"{sum(each.seconds for _, each in directions(rehearsal)):.3f}")
    Xml.indent(suite)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + Xml.tostring(suite, encoding="unicode") + "\n"


def markdown(rehearsal: Rehearsal) -> str:
    """The verdict, then what each statement did and which tables were blocked."""
    lines = [f"### {IN_WORDS[rehearsal.verdict]}", ""]
    lines += [f"- {_cell(_prose(reason))}" for reason in rehearsal.reasons]
    for way, direction in directions(rehearsal):
        title = "The migration" if way == "up" else "The way back"
        lines += ["", f"**{title}**, {direction.seconds:.1f} s", ""]
        lines += [
            "| line | statement | time | strongest locks | what it did |",
            "| --- | --- | ---: | --- | --- |",
        ]
        lines += [_row(statement) for statement in direction.statements]
        if direction.changes is not None and (what := did(direction.changes)):
            lines += ["", f"All in all it {_cell(_prose(what))}."]
        if direction.tables:
            lines += [
                "",
                "| table | strongest lock | readers wait | writers wait | rows, about | size |",
                "| --- | --- | ---: | ---: | ---: | --- |",
            ]
            lines += [_table_row(table) for table in direction.tables]
            lines += ["", *(f"- {_cell(_prose(line))}" for line in estimates(direction))]
    if rehearsal.schema_after_down is not None and not rehearsal.schema_after_down.same:
        lines += ["", "After the way back the schema is not as before:", "", "```diff"]
        lines += [*rehearsal.schema_after_down.difference, "```"]
    lines += ["", f"On a branch of {rehearsal.twin}, of the run {rehearsal.run}. {HONEST}"]
    lines += [_cell(_prose(note)) for note in rehearsal.notes]
    return "\n".join(lines) + "\n"


def did(statement: StatementReport | CatalogChanges) -> str:
    """What a statement, or all of them, has done, beside taking locks."""
    parts = [f"rewrote {name}" for name in statement.rewrites]
    parts += [f"rebuilt index {name}" for name in statement.reindexed]
    parts += [f"made {name}" for name in statement.built]
    parts += [f"validated {name}" for name in statement.validated]
    parts += [f"left {name} not valid" for name in statement.invalid]
    parts += [f"dropped {name}" for name in statement.dropped]
    if isinstance(statement, CatalogChanges):
        return "; ".join(parts)
    parts += [f"{statement.rows:,} rows"] if statement.rows is not None else []
    parts += ["not in a transaction"] if not statement.in_transaction and statement.locks else []
    parts += [f"FAILED: {failure_text(statement.failure)}"] if statement.failure is not None else []
    return "; ".join(parts)


def milliseconds(value: float) -> str:
    """``12 ms``, ``3.4 s``."""
    return f"{value:,.0f} ms" if value < 1000 else f"{value / 1000:,.1f} s"


def rows_of(table: TableReport) -> str:
    """How many rows the branch has, and production, where that is known."""
    here = "" if table.rows_before is None else f"{table.rows_before:,}"
    return here if table.rows_in_source is None else f"{here} (source {table.rows_in_source:,})"


def sizes_of(table: TableReport) -> str:
    """Bytes before and after."""
    after = "gone" if table.bytes_after is None else readable(table.bytes_after)
    before = readable(table.bytes_before)
    return before if before == after else f"{before} → {after}"


def estimates(direction: Direction) -> list[str]:
    """Of tables that have more rows in the source: what that does to statements that scan or rewrite them."""
    lines = []
    for table in direction.tables:
        if not table.rows_in_source or not table.rows_before or table.rows_in_source <= table.rows_before:
            continue
        times = table.rows_in_source / table.rows_before
        longest = max(table.reader_blocked_ms, table.writer_blocked_ms)
        waits = f", so that others may wait for {milliseconds(longest * times)}" if longest else ""
        lines.append(
            f"{table.table} has about {times:,.1f} times as many rows in the source: what scans or rewrites"
            f" it takes at least as many times as long{waits}."
        )
    return lines


def _row(statement: StatementReport) -> str:
    locks = "<br>".join(
        f"{_prose(each.table)}: {short(each.mode)}, {milliseconds(each.held_ms)}" for each in statement.locks
    )
    found = [f"lint: {each.rule}" for each in statement.findings]
    what = _prose("; ".join(part for part in (did(statement), *found) if part))
    cells = (
        _prose(f"{statement.file}:{statement.line}"),
        _code(statement.statement),
        milliseconds(statement.ms),
        locks,
        what,
    )
    return f"| {' | '.join(map(_cell, cells))} |"


def _table_row(table: TableReport) -> str:
    cells = (
        _prose(table.table),
        short(table.strongest),
        milliseconds(table.reader_blocked_ms),
        milliseconds(table.writer_blocked_ms),
        rows_of(table),
        sizes_of(table),
    )
    return f"| {' | '.join(map(_cell, cells))} |"


def _prose(text: str) -> str:
    """What a name may hold, and Markdown would take for its own."""
    return re.sub(r"([\\`*\[<])", r"\\\1", text)


def _code(text: str) -> str:
    """Between more backticks than stand in it anywhere."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    if not longest:
        return f"`{text}`"
    fence = "`" * (longest + 1)
    return f"{fence} {text} {fence}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _plain(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return "".join(each if each.isprintable() or each == "\n" else "?" for each in text)
