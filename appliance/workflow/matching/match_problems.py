"""What can be wrong with a workflow once the source's catalog is known, all of it found at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from appliance.documents.problems import KeyPath, Places, Problem, did_you_mean
from appliance.workflow.catalog import Catalog, Table
from appliance.workflow.matching.decisions import FromPreset
from appliance.workflow.matching.patterns import literal_pattern
from appliance.workflow.matching.written_patterns import WrittenPattern, WrittenPatterns
from appliance.workflow.row_filter import RowFilter

_AGE_TYPES = ("date", "timestamp without time zone", "timestamp with time zone")
_MAX_SUGGESTIONS = 20
"""Looking for a similar name takes milliseconds in a large catalog, and a hostile document has many names."""

_MOST_SHOWN = 5

MATCHES_NOTHING = "matches nothing in the source"


class MatchProblems:
    """Collects problems, each with its place in the document."""

    def __init__(self, catalog: Catalog, places: Places) -> None:
        self.found: list[Problem] = []
        self.notices: list[str] = []
        self._catalog = catalog
        self._places = places
        self._ties: set[tuple[KeyPath, ...]] = set()
        self._suggestions = 0

    def add(self, path: KeyPath, what: str, expected: str = "") -> None:
        self.found.append(self._places.problem(path, what, expected))

    def tie(self, tied: Sequence[WrittenPattern], matched: str) -> None:
        """Several patterns have the same right to ``matched``. Said once, however often they meet."""
        in_order = sorted(tied, key=lambda written: (written.key != "masks", written.order))
        paths = tuple(written.path for written in in_order)
        if paths in self._ties:
            return
        self._ties.add(paths)
        others = " and ".join(f"`{written.pattern.text}` ({written.key})" for written in in_order[:-1])
        what = f"is as specific as {others}, and both match {matched}"
        self.add(paths[-1], what, "one of them to name more, or to be removed")

    def rows(self, table: Table, written: WrittenPattern, rows: RowFilter) -> None:
        """Filtering by age needs a column that can tell it."""
        if rows.by is None:
            return
        path = (*written.path, "by")
        column = next((each for each in table.columns if each.name == rows.by), None)
        if column is None:
            close = did_you_mean(rows.by, [each.name for each in table.columns])
            hint = f": did you mean {close}?" if close else ""
            self.add(path, f"{table.qualified} has no column `{rows.by}`", "one of its columns" + hint)
        elif column.base_type not in _AGE_TYPES:
            what = f"{table.qualified}.{column.name} is of type {column.type}"
            self.add(path, what, "a date or timestamp column")

    def useless(self, written: WrittenPattern) -> None:
        """A pattern that did nothing is most likely mistyped, and a mistyped mask would mask nothing."""
        text, path = written.pattern.text, written.path
        if written.preset is not None:
            # A preset is for many databases, and says more than one of them has.
            return
        if written.matched or (written.matched_generated and written.mask is None):
            return
        if written.key == "tables" and written.path[:2] == ("tables", "exclude"):
            # What is to stay out may not be there every night: a staging table comes and goes.
            self.notices.append(f"tables.exclude: `{text}` matches nothing in the source.")
        elif written.matched_generated:
            what = f"`{text}` matches only generated columns, which the twin computes from the others"
            self.add(path, what, "masks for the columns they are computed from")
        elif written.matched_elsewhere and written.key == "tables":
            self.add(path, f"`{text}` matches only foreign tables", "tables that hold rows themselves")
        elif written.matched_excluded:
            # A table can be left out of a workflow without its rules being taken out one by one.
            return
        elif written.matched_elsewhere:
            things = "columns of tables" if len(written.pattern.parts) == 3 else "tables"
            what = f"`{text}` matches only {things} that are not selected"
            self.add(path, what, "a pattern for what is copied, or tables.include to select more")
        else:
            self.add(path, f"`{text}` {MATCHES_NOTHING}", self._what_there_is(written))

    def useless_beside_exclude(self, patterns: WrittenPatterns) -> None:
        """Rules about nothing but tables that the document itself leaves out, said together."""
        about = [
            each
            for each in (*patterns.rows, *patterns.rules)
            if each.matched_excluded and not each.matched and each.preset is None
        ]
        if about:
            one = len(about) == 1
            self.notices.append(
                f"{len(about):,} {'rule is' if one else 'rules are'} about nothing but what tables.exclude"
                f" leaves out, and {'does' if one else 'do'} nothing: {_some(about)}."
            )

    def useless_presets(self, rules: Iterable[WrittenPattern]) -> None:
        """Presets of which no rule has matched anything that is copied."""
        matched: dict[FromPreset, bool] = {}
        for each in rules:
            if each.preset is not None:
                matched[each.preset] = matched.get(each.preset, False) or each.matched
        self.notices += [
            f"use: no rule of the preset {preset.said} matches a column that is copied."
            for preset, found in matched.items()
            if not found
        ]

    def _what_there_is(self, written: WrittenPattern) -> str:
        """What the pattern could have meant; views and foreign tables are not in the catalog's tables."""
        of_table = len(written.pattern.parts) == 2
        thing = "table" if of_table else "column"
        expected = f"the name of a {thing} as it is stored (views are not copied, so they match nothing)"
        if self._suggestions >= _MAX_SUGGESTIONS:
            return expected
        self._suggestions += 1
        tables = self._catalog.tables
        around = [each for each in tables if written.matches_table((each.schema_name, each.name))]
        if around and not of_table:
            known = [
                literal_pattern(each.schema_name, each.name, column.name)
                for each in around
                for column in each.columns
            ]
            close = _close(written.pattern.text, known)
        else:
            known = [literal_pattern(each.schema_name, each.name) for each in tables]
            text = written.pattern.text
            close = _close(text if of_table else text.rpartition(".")[0], known)
        return f"{expected}: did you mean {close}?" if close else expected


def _some(written: Sequence[WrittenPattern]) -> str:
    shown = ", ".join(f"`{each.pattern.text}`" for each in written[:_MOST_SHOWN])
    return shown if len(written) <= _MOST_SHOWN else f"{shown} …"


def _close(dotted: str, known: Sequence[str]) -> str | None:
    """The known name closest to a dotted one. A schema in common makes no two tables alike."""
    close = did_you_mean(dotted, known)
    if close is None:
        return None
    return close if did_you_mean(dotted.rpartition(".")[2], [close.rpartition(".")[2]]) else None
