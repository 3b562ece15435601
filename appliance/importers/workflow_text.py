"""The workflow that stands for another tool's rules. What has no equal is left for its author to decide."""

from __future__ import annotations

from appliance.importers.rules import Imported, Rule
from appliance.masking.suggesting.uncovered import mask_text, yaml_scalar
from appliance.workflow.matching.patterns import literal_pattern, quote_name


def workflow_text(imported: Imported, source: str, target: str) -> str:
    """The document as YAML: it reads ``source`` and delivers a twin to ``target``."""
    schemas = sorted({rule.place.schema for rule in imported.rules})
    include = ", ".join(_quoted(f"{quote_name(each)}.*") for each in schemas)
    lines = [
        f"# Written from {imported.tool}'s rules. A column that no line names is refused at plan:",
        "# appliance workflow columns lists those, appliance scan says what they hold.",
        f"id: {imported.tool}-import",
        f"source: {yaml_scalar(source)}",
        "tables:",
        f"  include: [{include}]",
    ]
    if imported.exclude:
        excluded = ", ".join(_quoted(_excluded(*each)) for each in imported.exclude)
        lines.append(f"  exclude: [{excluded}]")
    lines += ["deliver:", f"  - twin: {{connection: {yaml_scalar(target)}}}"]
    masked = [rule for rule in imported.rules if rule.mask is not None]
    if masked:
        lines += ["masks:", *map(_mask_line, masked)]
    kept = [rule for rule in imported.rules if rule.keep]
    if kept:
        lines += ["keep:", *(f"  - {_pattern(rule)}" for rule in kept)]
    open_ones = [rule for rule in imported.rules if rule.mask is None and not rule.keep]
    if open_ones:
        lines += ["# Rules that have no equal here; decide these columns:", *map(_open_line, open_ones)]
    lines += [f"# Not carried over: {note}" for note in imported.notes]
    return "\n".join(lines) + "\n"


def _mask_line(rule: Rule) -> str:
    assert rule.mask is not None  # noqa: S101 - chosen by it
    note = f"  # {rule.written}: {rule.note}" if rule.note else ""
    return f"  {_pattern(rule)}: {mask_text(rule.mask)}{note}"


def _open_line(rule: Rule) -> str:
    return f"#   {'.'.join(rule.place)}: {rule.written}. {rule.why}".replace("\n", " ")


def _pattern(rule: Rule) -> str:
    return _quoted(literal_pattern(*rule.place))


def _excluded(schema: str, table: str) -> str:
    return ".".join(each if "*" in each else quote_name(each) for each in (schema, table))


def _quoted(pattern: str) -> str:
    return '"' + pattern.replace("\\", "\\\\").replace('"', '\\"') + '"'
