"""The refusal of a run with columns that nothing covers, with the lines that would cover them."""

from __future__ import annotations

import json
import re

import yaml
from pydantic import BaseModel, ConfigDict

from appliance.contract.catalog import UncoveredColumn
from appliance.contract.fitting import fitting
from appliance.documents.problems import printable
from appliance.errors import RefusedError
from appliance.masking.suggesting.suggestions import Suggestion, suggestions
from appliance.workflow.document import MaskSpec
from appliance.workflow.matching.patterns import literal_pattern
from appliance.workflow.matching.rules import Matching

_SHOWN_TABLES = 10
_SHOWN_COLUMNS = 10_000
"""A step's message is one line of at most a MiB, and this many fit."""
_PLAIN = re.compile(r"[^\W\d][\w.$]*")
"""Text that YAML reads as itself without quotes."""
_UNDECIDED = Suggestion(False, why="look at it")


def lines_to_paste(matching: Matching, encoding: str = "UTF8", most: int | None = None) -> str:
    """YAML for a workflow's ``masks`` and ``keep``: one line a column, with its type as a comment.

    A column of which only a person can say what becomes of it is a comment. It stays uncovered, and the next
    run says so again.
    """
    found = suggestions(matching, encoding)
    masks, keep, decide = [], [], []
    for table, column in matching.uncovered[:most]:
        name = literal_pattern(table.schema_name, table.name, column.name)
        said = found.get((table.schema_name, table.name, column.name), _UNDECIDED)
        about = printable(column.type) + (f": {printable(said.why)}" if said.why else "")
        if not said.decided:
            decide.append(f"# decide: {yaml_scalar(name)}  # {about}")
        elif said.mask is None:
            keep.append(f"  - {yaml_scalar(name)}  # {about}")
        else:
            masks.append(f"  {yaml_scalar(name)}: {mask_text(said.mask)}  # {about}")
    return "\n".join((["masks:", *masks] if masks else []) + (["keep:", *keep] if keep else []) + decide)


class UncoveredColumns(BaseModel):
    """All columns at which a plan was refused, whole, with what is suggested: ``uncovered.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[UncoveredColumn, ...]
    unnamed: int = 0
    """How many more there are, whose names do not fit the contract."""

    @property
    def total(self) -> int:
        """Those that are listed, and those that are only counted."""
        return len(self.columns) + self.unnamed


def uncovered_columns(matching: Matching, encoding: str = "UTF8") -> UncoveredColumns:
    """The uncovered columns as a structure. One whose name does not fit the contract is only counted."""
    found = suggestions(matching, encoding)
    columns = []
    for table, column in matching.uncovered:
        said = found.get((table.schema_name, table.name, column.name), _UNDECIDED)
        suggestion = "decide" if not said.decided else "keep" if said.mask is None else "mask"
        value = None
        if said.mask is not None and said.mask.params:
            value = json.dumps(said.mask.params.get("value"), ensure_ascii=True)
            suggestion = "mask" if set(said.mask.params) == {"value"} and len(value) <= 40 else "decide"
        made = fitting(
            UncoveredColumn,
            {
                "schema_name": table.schema_name,
                "table": table.name,
                "column": column.name,
                "type": printable(column.type),
                "suggestion": suggestion,
                "mask": said.mask.mask if said.mask is not None and suggestion == "mask" else None,
                "value": value if suggestion == "mask" else None,
            },
        )
        if made is not None:
            columns.append(made)
    return UncoveredColumns(columns=tuple(columns), unnamed=len(matching.uncovered) - len(columns))


def refusal(matching: Matching, workflow_id: str, encoding: str = "UTF8") -> RefusedError | None:
    """Why the run may not begin, with what to paste; None if every column is covered."""
    if not matching.uncovered:
        return None
    count = len(matching.uncovered)
    columns = "1 column is" if count == 1 else f"{count} columns are"
    tables = sorted({printable(table.qualified) for table, _ in matching.uncovered})
    others = f" and {len(tables) - _SHOWN_TABLES} other tables" if len(tables) > _SHOWN_TABLES else ""
    left = f"\n# and {count - _SHOWN_COLUMNS} more columns" if count > _SHOWN_COLUMNS else ""
    return RefusedError(
        f"{columns} neither masked nor kept, in {', '.join(tables[:_SHOWN_TABLES])}{others}.",
        "Every column must be one or the other (unlisted: halt), so nothing was read. A first guess by name"
        " and type, for no value was looked at:\n\n"
        f"{lines_to_paste(matching, encoding, _SHOWN_COLUMNS)}{left}\n",
        f"judge each line, put it into the workflow {workflow_id}, and run it again. On the appliance,"
        " `appliance runs RUN` and `appliance plan FILE` print all lines.",
        rule="unlisted",
    )


def mask_text(mask: MaskSpec) -> str:
    """A mask as a workflow has it, on one line."""
    if not mask.params:
        return mask.mask
    return json.dumps({"mask": mask.mask, **mask.params}, ensure_ascii=True)


def yaml_scalar(text: str) -> str:
    """A text as YAML reads it on one line, in quotes only where they are needed."""
    if _PLAIN.fullmatch(text):
        return text
    return yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10_000).rstrip("\n")
