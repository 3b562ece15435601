"""What policy says of tables and columns once the source's catalog is known: not copied, masked, kept.

Prohibitions are compared as a person reads names, and hold for all of a table's relatives: what is above and
below it by partition or inheritance. What is allowed is compared exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from appliance.policy.refusal import Origin, Refusal
from appliance.workflow.catalog import Catalog, ColumnName, ViewColumn
from appliance.workflow.conditions.alternatives import keeps_rows, mask_words
from appliance.workflow.matching.folded_patterns import folded, folded_patterns
from appliance.workflow.matching.kept import Kept, chosen_by, kept_columns, leaves_parts, not_covered
from appliance.workflow.matching.rules import Computed, Decision, Keep, Matching, Rule, Uncovered
from appliance.workflow.matching.same_data import SameData

KEEP_RULE = "keep_from_cloud"
SHOWN = 50


def check_tables(never_copy: Sequence[str], matching: Matching) -> list[Refusal]:
    """Tables that are selected and may not be."""
    refusals = []
    patterns = folded_patterns(never_copy, 2)
    for selected in matching.tables:
        table = selected.table
        names = {*table.all_names, *(names for column in table.columns for names in table.family(column))}
        for pattern in patterns:
            if any(pattern.matches(*each) for each in names):
                what = f"The table {table.qualified} may not be copied: {pattern.text}."
                refusals.append(Refusal("never_copy", what))
                break
    looked_into = {link.table for each in matching.tables for link in each.links if link.looks_up}
    for pattern in patterns:
        for name in sorted(each for each in looked_into if pattern.matches(*each)):
            # Of a table that may not be copied the twin would say which of its rows others belong to.
            what = f"No subject may be looked up in the table {'.'.join(name)}: {pattern.text}."
            refusals.append(Refusal("never_copy", what))
    return refusals


def check_columns(
    always_mask: Sequence[str], matching: Matching, origin: Origin, catalog: Catalog | None
) -> list[Refusal]:
    """Columns that must be masked and are not, or not by all that it takes."""
    if not always_mask:
        return []
    refusals = []
    same = SameData.of(catalog) if catalog else SameData(selected.table for selected in matching.tables)
    protected = same.protected_by(folded_patterns(always_mask, 3))
    for selected in matching.tables:
        if selected.table.kind == "partitioned":
            # Its rows are its partitions', which are looked at under its name too.
            continue
        own, label = selected.table.all_names[0], selected.table.qualified
        for name in sorted(chosen_by(selected)) if origin == "cloud" else ():
            # Which rows come would tell the value, one query of two windows after the other.
            if pattern := protected.get((*own, name)):
                what = (
                    f"The column {label}.{name} must be masked ({pattern}), so the cloud may not choose rows"
                    " by it."
                )
                refusals.append(Refusal("always_mask", what))
        decisions = {column.name: decision for column, decision in selected.columns}
        for column, decision in selected.columns:
            pattern = protected.get((*own, column.name))
            if pattern and (why := _why_unmasked(decision, decisions, column.generated_from, origin)):
                what = f"The column {label}.{column.name} must be masked ({pattern}); {why}."
                refusals.append(Refusal("always_mask", what))
    return refusals


def check_keeps(
    allowed: Sequence[str], approved: Iterable[str], matching: Matching, workflow_id: str
) -> list[Refusal]:
    """Columns that the cloud keeps and the owner has neither allowed nor approved, as one refusal."""
    unseen = not_covered(kept_columns(matching), allowed, approved)
    if not unseen:
        return []
    more = f" and {len(unseen) - SHOWN} more" if len(unseen) > SHOWN else ""
    shown = "; ".join(each.text for each in unseen[:SHOWN])
    count = "1 column" if len(unseen) == 1 else f"{len(unseen)} columns"
    what = (
        f"{count} would be kept that the owner of this appliance has not approved for the cloud:"
        f" {shown}{more}. To see and approve them: appliance workflow approve {workflow_id}"
    )
    return [Refusal(KEEP_RULE, what)]


def waiting_refusal(waiting: Sequence[Kept], workflow_id: str) -> Refusal:
    """Why a version from the cloud is not taken up yet."""
    more = f" and {len(waiting) - SHOWN} more" if len(waiting) > SHOWN else ""
    shown = "; ".join(each.text for each in waiting[:SHOWN])
    return Refusal(
        KEEP_RULE,
        f"It keeps what the owner of this appliance has not approved: {shown}{more}. It waits for the owner:"
        f" appliance workflow approve {workflow_id}",
    )


def useless_patterns(always_mask: Sequence[str], never_copy: Sequence[str], catalog: Catalog) -> list[str]:
    """A line for each prohibition that matches nothing in the source: most likely it is mistyped.

    ``keep_from_cloud`` is not looked at: it is shared by all sources, and what it misses is refused.
    """
    lines = []
    columns = {
        (*names, column.name)
        for table in catalog.tables
        for column in table.columns
        for names in table.family(column)
    }
    for pattern in folded_patterns(always_mask, 3):
        if any(pattern.matches(*names) for names in columns):
            continue
        shown = [each for each in catalog.view_columns if pattern.matches(*each.names)]
        apart = [each for each in shown if not any(_same_name(read, each) for read in each.reads)]
        if apart:
            reads = sorted({".".join(names) for names in apart[0].reads})
            read = ", ".join(reads[:SHOWN]) or "nothing known"
            lines.append(
                f"The policy's always_mask pattern {pattern.text} matches a column of the view"
                f" {apart[0].schema_name}.{apart[0].view_name} and of no table. The twin computes a view"
                f" from what is copied, and this one reads {read}: name the column of a table."
            )
        elif not shown:
            lines.append(f"The policy's always_mask pattern {pattern.text} matches no column here.")
    for pattern in folded_patterns(never_copy, 2):
        if not any(pattern.matches(*names) for table in catalog.tables for names in table.all_names):
            lines.append(f"The policy's never_copy pattern {pattern.text} matches no table here.")
    return lines


def _same_name(read: ColumnName, shown: ViewColumn) -> bool:
    return folded(read[2]) == folded(shown.name)


def _why_unmasked(
    decision: Decision, others: dict[str, Decision], computed_from: tuple[str, ...] | None, origin: Origin
) -> str:
    """Why a column's values, or parts of them, could reach the twin; empty if they cannot."""
    if isinstance(decision, Rule) and keeps_rows(decision.mask):
        return f"the workflow keeps it in some rows ({decision.pattern})"
    return _why_all_unmasked(decision, others, computed_from, origin)


def _why_all_unmasked(
    decision: Decision, others: dict[str, Decision], computed_from: tuple[str, ...] | None, origin: Origin
) -> str:
    if isinstance(decision, Keep):
        whose = f"its preset {decision.preset.name}" if decision.preset else "the workflow"
        return f"{whose} keeps it ({decision.pattern or 'unlisted: keep'})"
    if isinstance(decision, Uncovered):
        return "nothing in the workflow masks it"
    if isinstance(decision, Computed):
        if computed_from is None:
            return "it is generated from columns that are not known"
        kept = [name for name in computed_from if not _hides(others.get(name), origin)]
        return f"it is generated from {', '.join(kept)}, not masked" if kept else ""
    # Who wrote the workflow here owns the policy as well; the cloud might choose a mask that changes nothing.
    if origin == "cloud" and leaves_parts(decision.mask):
        return f"from the cloud, {mask_words(decision.mask)} with these parameters may leave parts of a value"
    return ""


def _hides(decision: Decision | None, origin: Origin) -> bool:
    if isinstance(decision, Rule):
        return not keeps_rows(decision.mask) and (origin == "local" or not leaves_parts(decision.mask))
    return isinstance(decision, Computed)
