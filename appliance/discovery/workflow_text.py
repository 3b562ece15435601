"""A whole workflow from a scan: each column masked, kept with the reason, or left to a person to decide.

A pattern for all columns of a name stands for its lines where all of them come out alike, and the reason lies
in names, types and keys, not in what a sample happened to show.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from appliance.discovery.findings import Finding, Scan
from appliance.discovery.judging import spoken
from appliance.documents.problems import printable
from appliance.errors import WorkFailedError
from appliance.masking.suggesting.suggestions import Judged, Place, Suggestion, suggestions
from appliance.masking.suggesting.uncovered import mask_text, yaml_scalar
from appliance.workflow.catalog import Catalog
from appliance.workflow.document import Workflow
from appliance.workflow.matching.patterns import literal_pattern, quote_name
from appliance.workflow.matching.rules import match_rules

_WORTH_A_PATTERN = 3
"""Columns of one name."""
_BY_ITS_NATURE = 0.8
"""From this score on, what is kept is so by type or key."""

Lines = dict[Place, tuple[Suggestion, str]]


def workflow_text(scan: Scan, catalog: Catalog, target: str, patterns: Sequence[str] = ()) -> str:
    """The document as YAML, with a twin on ``target``. Raises WorkFailedError where it would be empty."""
    include, exclude = _selection(scan, catalog, patterns)
    if not include:
        raise _nothing_to_copy(scan, catalog)
    workflow_id = re.sub(r"[^a-z0-9-]+", "-", f"{scan.connection}-twin".lower()).strip("-")[:60]
    head = {
        "id": workflow_id,
        "source": scan.connection,
        "tables": {"include": include, "exclude": exclude},
        "deliver": [{"twin": {"connection": target}}],
    }
    lines = _lines(scan, catalog, Workflow.model_validate(head))
    text = [
        "# Written by a scan: look at each line. What is kept was judged by name, type and a sample.",
        f"id: {workflow_id}",
        f"source: {yaml_scalar(scan.connection)}",
        "tables:",
        f"  include: [{', '.join(map(_quoted, include))}]",
    ]
    if exclude:
        text += [f"  exclude: [{', '.join(map(_quoted, exclude))}]  # could not be looked at"]
    text += ["deliver:", f"  - twin: {{connection: {yaml_scalar(target)}}}"]
    return "\n".join([*text, *_rules(lines, scan)]) + "\n"


def _nothing_to_copy(scan: Scan, catalog: Catalog) -> WorkFailedError:
    what = f"No workflow was written: no table of {scan.connection!r} can be copied."
    if any(table.row_security and table.readable for table in catalog.tables):
        return WorkFailedError(
            what,
            "Row-level security hides rows of its tables from the role.",
            "Let the role see all rows (a superuser of the source: ALTER ROLE … BYPASSRLS), and scan again.",
        )
    return WorkFailedError(
        what,
        "The role sees no table there, or may read none.",
        "Check the connection's database, and what its role may read, and scan again.",
    )


def _selection(scan: Scan, catalog: Catalog, patterns: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is scanned, without tables that the role may not read, or not whole."""
    places = {(finding.schema_name, finding.table_name) for finding in scan.findings}
    closed = [table for table in catalog.tables if not table.whole]
    unreadable = sorted({table.all_names[-1] for table in closed if table.kind != "foreign"} & places)
    rows = {table.all_names[-1] for table in catalog.tables if table.kind != "foreign"} & places
    schemas = sorted({schema for schema, _ in rows - set(unreadable)})
    include = (list(patterns) if schemas else []) or [f"{quote_name(schema)}.*" for schema in schemas]
    return include, [literal_pattern(*name) for name in unreadable]


def judged(findings: Sequence[Finding]) -> dict[Place, Judged]:
    """What the suggestions need to know of a scan."""
    return {finding.place: _judged(finding) for finding in findings}


def _judged(finding: Finding) -> Judged:
    why = "; ".join(finding.evidence)
    if finding.verdict == "personal":
        return Judged(kind=finding.kind)
    return Judged(keep_because=why) if finding.verdict == "not personal" else Judged(undecided_because=why)


def _lines(scan: Scan, catalog: Catalog, empty: Workflow) -> Lines:
    """For each column what to write, and the comment."""
    matching = match_rules(empty, catalog)
    found = suggestions(matching, catalog.encoding, judged(scan.findings))
    said = {finding.place: finding for finding in scan.findings}
    return {place: (each, _comment(each, said.get(place))) for place, each in found.items()}


def _comment(suggestion: Suggestion, finding: Finding | None) -> str:
    if finding is None:
        return suggestion.why
    if suggestion.decided and suggestion.mask is not None:
        return f"{finding.type}: {spoken(finding)}"
    personal = f"{spoken(finding)}; " if finding.verdict == "personal" else ""
    return f"{finding.type}: {personal}{suggestion.why}"


def _rules(lines: Lines, scan: Scan) -> list[str]:
    together = _together(lines, {finding.place: finding.score for finding in scan.findings})
    masks, keep, decide = [], [], []
    for name, (suggestion, why) in together.items():
        comment = printable(why).replace("\n", " ")
        if not suggestion.decided:
            decide.append(f"# decide: {yaml_scalar(name)}  # {comment}")
        elif suggestion.mask is None:
            keep.append(f"  - {yaml_scalar(name)}  # {comment}")
        else:
            masks.append(f"  {yaml_scalar(name)}: {mask_text(suggestion.mask)}  # {comment}")
    return (["masks:", *masks] if masks else []) + (["keep:", *keep] if keep else []) + decide


def _together(lines: Lines, scores: Mapping[Place, float]) -> dict[str, tuple[Suggestion, str]]:
    """Pattern and what to write for it."""
    by_name: dict[str, list[Place]] = defaultdict(list)
    for place in lines:
        by_name[place[2]].append(place)
    shared = {
        name: f"in {len(places)} tables: {lines[places[0]][1]}"
        for name, places in by_name.items()
        if len(places) >= _WORTH_A_PATTERN
        and _alike([lines[place][0] for place in places])
        and all(
            lines[place][0].mask is not None or scores.get(place, 0) >= _BY_ITS_NATURE for place in places
        )
    }
    text = {f"*.*.{quote_name(name)}": (lines[by_name[name][0]][0], why) for name, why in shared.items()}
    return text | {literal_pattern(*place): line for place, line in lines.items() if place[2] not in shared}


def _alike(suggested: Sequence[Suggestion]) -> bool:
    first = suggested[0]
    return all(each.decided and each.mask == first.mask for each in suggested)


def _quoted(pattern: str) -> str:
    text = yaml_scalar(pattern)
    return text if text.startswith('"') else f'"{text}"'
