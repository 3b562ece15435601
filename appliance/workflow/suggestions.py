"""What to write for a column that no rule covers: a first guess by name and type, for a person to judge.

A guess is never applied; it only saves typing. Where name and type say nothing, masking is suggested.
"""

from __future__ import annotations

import re

import yaml

from appliance.errors import Refused
from appliance.problems import printable
from appliance.workflow.catalog import Column, Table
from appliance.workflow.matching import Matching
from appliance.workflow.patterns import literal_pattern

Uncovered = tuple[tuple[Table, Column], ...]

_SHOWN_TABLES = 10
_SHOWN_COLUMNS = 500
"""The message goes to a terminal and a log; patterns with * are what a person wants before this many."""
_PLAIN = re.compile(r"[^\W\d][\w.$]*")
"""Text that YAML reads as itself without quotes."""
_TEXT = ("text", "character varying", "character", "citext", "name")
_BY_NAME: tuple[tuple[str, str], ...] = (
    (r"e_?mail", "email"),
    (r"phone|mobile|fax|(^|_)(tel|cell|msisdn)(_|$)", "phone"),
    (r"(first|given|fore)_?name|(^|_)fname(_|$)", "first_name"),
    (r"(last|family|sur)_?name|(^|_)lname(_|$)", "last_name"),
    (r"company|employer|organi[sz]ation|business_?name", "company"),
    (r"street|(^|_)addr(ess)?(_?line)?_?[0-9]*(_|$)", "street"),
    (r"(^|_)(city|town)(_|$)", "city"),
    (r"(full|user|display|contact|customer|person|holder|billing|shipping)_?name|^name$", "full_name"),
    (r"note|comment|message|description|remark|feedback|(^|_)(body|content|bio|text)(_|$)", "text_scrub"),
    (r"ssn|passw|secret|token|(^|_)(iban|bic|tax|vat|card|licen[cs]e|pin|hash|salt|api_?key)", "hash"),
)
_KEPT_TYPES = (
    "boolean", "smallint", "integer", "bigint", "real", "double precision", "numeric", "money", "uuid",
    "timestamp without time zone", "timestamp with time zone", "time without time zone", "interval",
)  # fmt: skip
_BIRTH = re.compile(r"birth|(^|_)dob(_|$)")


def suggest(column: Column) -> str:
    """The name of a mask, or ``keep``."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column.name).lower()
    base = column.base_type.rpartition(".")[2]
    if column.base_kind == "enum":
        return "keep"
    if _BIRTH.search(name) and (base == "date" or base.startswith("timestamp")):
        return "date_shift"
    if base in _TEXT and column.base_kind == "base":
        by_name = next((mask for pattern, mask in _BY_NAME if re.search(pattern, name)), None)
        return by_name or ("hash" if column.not_null or column.unique_alone else "null")
    if base in _KEPT_TYPES or base == "date":
        return "keep"
    return "keep" if column.not_null else "null"


def lines_to_paste(uncovered: Uncovered) -> str:
    """YAML for a workflow's ``masks`` and ``keep``: one line a column, with its type as a comment."""
    masks, keep = [], []
    for table, column in uncovered:
        pattern = _scalar(literal_pattern(table.schema_name, table.name, column.name))
        mask = suggest(column)
        if mask == "keep":
            keep.append(f"  - {pattern}  # {printable(column.type)}")
        else:
            masks.append(f"  {pattern}: {mask}  # {printable(column.type)}")
    return "\n".join((["masks:", *masks] if masks else []) + (["keep:", *keep] if keep else []))


def refusal(matching: Matching, workflow_id: str) -> Refused | None:
    """Why the run may not begin, with what to paste; None if every column is covered."""
    if not matching.uncovered:
        return None
    count = len(matching.uncovered)
    columns = "1 column is" if count == 1 else f"{count} columns are"
    tables = sorted({printable(table.qualified) for table, _ in matching.uncovered})
    others = f" and {len(tables) - _SHOWN_TABLES} other tables" if len(tables) > _SHOWN_TABLES else ""
    return Refused(
        f"{columns} neither masked nor kept, in {', '.join(tables[:_SHOWN_TABLES])}{others}.",
        f"Every column must be one or the other (unlisted: halt), so nothing was read. A first guess:\n\n"
        f"{lines_to_paste(matching.uncovered[:_SHOWN_COLUMNS])}\n",
        f"judge each line, put it into the workflow {workflow_id}, and run it again.",
        rule="unlisted",
    )


def _scalar(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    return yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10_000).rstrip("\n")
