"""``policy.yaml``: the customer's own limits. Nothing that comes from the cloud can widen them.

Everything that is about to act asks this module, and only this one decides. Its functions are pure: they
take what is wanted and return the refusals, each with the name of the rule.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from appliance import strict_yaml
from appliance.errors import Refused
from appliance.names import ConnectionName
from appliance.problems import printable
from appliance.strict_model import StrictModel, describe, validate, wrong
from appliance.workflow.condition_grammar import why_free
from appliance.workflow.document import Workflow
from appliance.workflow.document_types import ColumnPattern, TablePattern
from appliance.workflow.matching import (
    Computed,
    Decision,
    Keep,
    Matching,
    Rule,
    SelectedTable,
    Uncovered,
)
from appliance.workflow.patterns import Pattern, parse_pattern

Origin = Literal["local", "cloud"]
"""Where a workflow or a command came from: a file on this machine, or the dashboard."""

WHOLE_VALUE_MASKS = (
    "null", "constant", "hash", "email", "first_name", "last_name", "full_name", "phone", "street", "city",
    "company", "random_string",
)  # fmt: skip
"""Masks that leave nothing of a value, unless a parameter says ``keep…``."""

EXPORTS = "files"
"""What ``destinations`` calls this appliance's own exports folder."""

STABLE = "stable"
"""The channel of final releases: versions of numbers only, without a mark as 1.2.0rc1 or 1.2.0.dev3 have."""
RELEASE_VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]{0,63}")
"""What the updater installs and moves to; appliance.releases has the same."""
_FINAL_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WINDOW = re.compile(
    r"(?:(Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])"
)


def _check_window(text: str) -> str:
    if not _WINDOW.fullmatch(text):
        raise wrong(
            f"{describe(text)} is not an update window", '"Sat 02:00-05:00", or "02:00-05:00" for any day'
        )
    return text


class Updates(StrictModel):
    """Which releases may be installed, and when."""

    channel: str = Field(
        default="stable",
        min_length=1,
        description="Releases to follow; stable means final ones only.",
        examples=["stable"],
    )
    pin: str | None = Field(default=None, description="The only version that may run.", examples=["0.1.0"])
    window: Annotated[str, AfterValidator(_check_window)] | None = Field(
        default=None,
        description="When an update may start, in the machine's time; null for any time.",
        examples=["Sat 02:00-05:00"],
    )


class Policy(StrictModel):
    """What may happen on this appliance.

    A key that is left out limits nothing local, and the cloud most; only ``destinations`` allows nobody
    anything that it does not name.
    """

    workflows_from_cloud: bool = Field(
        default=False, strict=True, description="Whether the dashboard may send workflows.", examples=[True]
    )
    always_mask: tuple[ColumnPattern, ...] = Field(
        default=(),
        description="Patterns schema.table.column of columns that no workflow may keep.",
        examples=[["*.*.ssn", "*.*.password*"]],
    )
    never_copy: tuple[TablePattern, ...] = Field(
        default=(),
        description="Patterns schema.table of tables that no workflow may select.",
        examples=[["public.audit_*"]],
    )
    read: tuple[ConnectionName, ...] | None = Field(
        default=None,
        description="Connections to read from. Left out: any for local workflows, none for the cloud's.",
        examples=[["production"]],
    )
    write: tuple[ConnectionName, ...] | None = Field(
        default=None,
        description="Connections to deliver to. Left out: as for read.",
        examples=[["staging"]],
    )
    sql_from_cloud: bool = Field(
        default=False,
        strict=True,
        description=(
            "Whether workflows from the dashboard may hold free SQL: in rows: where, all but columns,"
            " literals, comparisons, AND, OR, NOT, IN, LIKE, BETWEEN and IS. It sees what the reader sees."
        ),
        examples=[False],
    )
    images: tuple[str, ...] = Field(
        default=(),
        description="Images besides the appliance's own that steps may run.",
        examples=[["registry.internal/report:1"]],
    )
    destinations: tuple[str, ...] = Field(
        default=(),
        description=(
            "Where files may go; `files` is the exports folder of this appliance. "
            "Left out: nowhere, whoever wrote the workflow."
        ),
        examples=[["files"]],
    )
    updates: Updates = Field(
        default_factory=Updates,
        description="The channel to follow, a version to stay on, and when updates may start.",
        examples=[{"channel": "stable", "pin": None, "window": "Sat 02:00-05:00"}],
    )


@dataclass(frozen=True)
class Refusal:
    """What policy says no to; ``rule`` is the key of policy.yaml that says it."""

    rule: str
    what: str


def load_policy(path: Path | None) -> Policy:
    """Read the policy; without a file, the default one. Raises DocumentWrong with every problem at once.

    A path that is given and not there is an error: a policy that got lost must not be taken for none.
    """
    if path is None:
        return Policy()
    return validate(Policy, strict_yaml.read(path, empty_is_allowed=True))


def check_workflow(
    policy: Policy, workflow: Workflow, matching: Matching | None = None, *, origin: Origin = "local"
) -> tuple[Refusal, ...]:
    """Every reason why this workflow may not run.

    Without ``matching`` only what the document itself says can be judged; the tables and columns follow in
    the plan, when the source's catalog is known.
    """
    refusals = [*_check_connections(policy, workflow, origin), *_check_files(policy, workflow)]
    if origin == "cloud":
        if not policy.workflows_from_cloud:
            refusals.append(Refusal("workflows_from_cloud", "Workflows from the cloud are not allowed here."))
        free = [
            f"rows of {pattern} ({why})"
            for pattern, rows in workflow.rows.items()
            if rows.where is not None and (why := why_free(rows.where)) is not None
        ]
        if free and not policy.sql_from_cloud:
            what = f"SQL from the cloud is not allowed here: {'; '.join(free)}."
            refusals.append(Refusal("sql_from_cloud", what))
    if matching is not None:
        refusals += _check_tables(policy, matching)
        refusals += _check_columns(policy, matching, origin)
    return tuple(refusals)


def check_update(policy: Policy, version: str) -> tuple[Refusal, ...]:
    """Why this release may never be moved to; the window, which only puts it off, is not looked at."""
    pin, channel = policy.updates.pin, policy.updates.channel
    if not RELEASE_VERSION.fullmatch(version):
        # No rule of the owner's forbids it; there can be no such release on any channel.
        what = f"{version} names no release: versions begin with a digit, as 1.2.0 or 1.2.0rc1."
        return (Refusal("updates.channel", what),)
    if pin is not None:
        # Who names one version has judged it, whatever its kind.
        what = f"The appliance stays on {pin}, and {version} was asked for."
        return () if pin == version else (Refusal("updates.pin", what),)
    if channel == STABLE and not _FINAL_VERSION.fullmatch(version):
        what = f"{version} is no final release, and the appliance follows the channel {channel}."
        return (Refusal("updates.channel", what),)
    return ()


def update_may_start(policy: Policy, now: datetime) -> bool:
    """Whether the update window is open at this moment of the machine's own time.

    A window over midnight belongs to the day on which it opens.
    """
    window = _WINDOW.fullmatch(policy.updates.window or "")
    if window is None:
        return True
    day, opens, closes = window[1], int(window[2]) * 60 + int(window[3]), int(window[4]) * 60 + int(window[5])
    minute = now.hour * 60 + now.minute
    over_midnight = closes <= opens
    since_yesterday = over_midnight and minute < closes
    if day is not None and _DAYS[(now - timedelta(days=since_yesterday)).weekday()] != day:
        return False
    return since_yesterday or (opens <= minute and (over_midnight or minute < closes))


def enforce(
    refusals: tuple[Refusal, ...], next_step: str = "Change the workflow, or ask whoever owns policy.yaml."
) -> None:
    """Raise Refused (exit code 3), naming every rule, if there is anything to refuse."""
    if refusals:
        raise Refused(
            "\n".join(printable(f"{refusal.what} (policy rule {refusal.rule})") for refusal in refusals),
            "The policy of this appliance belongs to its owner, and nothing else can change it.",
            next_step,
            rule=refusals[0].rule,
        )


def _check_connections(policy: Policy, workflow: Workflow, origin: Origin) -> list[Refusal]:
    refusals = []
    writes = [twin.connection for twin in workflow.twins.values()]
    for rule, allowed, wanted in (("read", policy.read, [workflow.source]), ("write", policy.write, writes)):
        for name in wanted:
            if name not in (allowed or ()) and not (allowed is None and origin == "local"):
                verb = "read from" if rule == "read" else "written to"
                refusals.append(Refusal(rule, f"The connection `{name}` may not be {verb}."))
    return refusals


def _check_files(policy: Policy, workflow: Workflow) -> list[Refusal]:
    """Files are outside every database's own access control, so they need a word of the owner's."""
    if workflow.files is None or EXPORTS in policy.destinations:
        return []
    what = f"Files may not be exported here: destinations does not name `{EXPORTS}`."
    return [Refusal("destinations", what)]


def _check_tables(policy: Policy, matching: Matching) -> list[Refusal]:
    refusals = []
    patterns = [parse_pattern(text, 2) for text in policy.never_copy]
    for selected in matching.tables:
        for pattern in patterns:
            if any(pattern.matches(*names) for names in selected.table.all_names):
                what = f"The table {selected.table.qualified} may not be copied: {pattern.text}."
                refusals.append(Refusal("never_copy", what))
                break
    return refusals


def _check_columns(policy: Policy, matching: Matching, origin: Origin) -> list[Refusal]:
    refusals = []
    patterns = [parse_pattern(text, 3) for text in policy.always_mask]
    for selected in matching.tables:
        if selected.table.kind == "partitioned":
            # Its rows are its partitions', which are looked at under its name too.
            continue
        chosen_by = selected.rows.by if selected.rows is not None and origin == "cloud" else None
        if chosen_by and (pattern := _first_match(patterns, selected, chosen_by)):
            # Which rows come would tell the value, one query of two windows after the other.
            name = f"{selected.table.qualified}.{chosen_by}"
            what = f"The column {name} must be masked ({pattern}), so the cloud may not choose rows by it."
            refusals.append(Refusal("always_mask", what))
        decisions = {column.name: decision for column, decision in selected.columns}
        for column, decision in selected.columns:
            pattern = _first_match(patterns, selected, column.name)
            if pattern is None:
                continue
            why = _why_unmasked(decision, decisions, column.generated_from, origin)
            if why:
                name = f"{selected.table.qualified}.{column.name}"
                refusals.append(
                    Refusal("always_mask", f"The column {name} must be masked ({pattern}); {why}.")
                )
    return refusals


def _first_match(patterns: list[Pattern], selected: SelectedTable, column: str) -> str | None:
    for pattern in patterns:
        if any(pattern.matches(*names, column) for names in selected.table.all_names):
            return pattern.text
    return None


def _why_unmasked(
    decision: Decision, others: dict[str, Decision], computed_from: tuple[str, ...] | None, origin: Origin
) -> str:
    """Why a column's values, or parts of them, could reach the twin; empty if they cannot."""
    if isinstance(decision, Keep):
        return f"the workflow keeps it ({decision.pattern or 'unlisted: keep'})"
    if isinstance(decision, Uncovered):
        return "nothing in the workflow masks it"
    if isinstance(decision, Computed):
        if computed_from is None:
            return "it is generated from columns that are not known"
        kept = [name for name in computed_from if not isinstance(others.get(name), Rule | Computed)]
        return f"it is generated from {', '.join(kept)}, not masked" if kept else ""
    # Who wrote the workflow here owns the policy as well; the cloud might choose a mask that changes nothing.
    keeps = any(
        name.startswith("keep") and name != "keep_null" and value
        for name, value in decision.mask.params.items()
    )
    if origin == "cloud" and (decision.mask.mask not in WHOLE_VALUE_MASKS or keeps):
        return f"from the cloud, {decision.mask.mask} with these parameters may leave parts of a value"
    return ""
