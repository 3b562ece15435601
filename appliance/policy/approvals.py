"""What the owner has approved of what the cloud keeps: one file a workflow, beside the policy.

The folder is the owner's, like ``policy.yaml``: nothing that speaks to the cloud writes there. An approval
holds the columns that were shown, and the part of the document that chose them, so that a later version is
known to keep no more before a source is asked.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from appliance.documents.named_types import WorkflowId
from appliance.durable import write_file
from appliance.errors import WrongRequestError
from appliance.workflow.document import Workflow
from appliance.workflow.matching.kept import Kept, kept_of_rules, kept_patterns, not_covered
from appliance.workflow.presets.preset import Preset

LARGEST_FILE = 16 << 20


class Layer(BaseModel):
    """The rules of a document itself, or those of one of its presets. What comes first has the first word."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str
    """Its name; empty for the document's own rules."""
    kept: tuple[str, ...]
    masked: tuple[str, ...]

    @classmethod
    def of(cls, rules: Workflow | Preset) -> Layer:
        """That of a workflow's own rules, or of a preset's."""
        return cls(
            preset=rules.name if isinstance(rules, Preset) else "",
            kept=tuple(sorted(each.text for each in kept_of_rules(rules))),
            masked=tuple(sorted(rules.masks)),
        )

    def keeps_no_more_than(self, other: Layer) -> bool:
        """Whether it has as many masks, or more, and keeps nothing besides."""
        return (
            self.preset == other.preset
            and set(self.kept) <= set(other.kept)
            and set(self.masked) >= set(other.masked)
        )


class Choice(BaseModel):
    """The part of a document that decides which columns are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    kept: tuple[str, ...]
    """Patterns that are kept, and with their mask those of which parts are."""
    masked: tuple[str, ...]
    """Patterns with a mask of their own, whatever it leaves: without it the column might be kept whole."""
    references: tuple[str, ...] = ()
    """What follows another column's mask: without it, or after another one, it might be kept."""
    layers: tuple[Layer, ...] = ()
    """Of a document with presets: its own rules, then those of each preset. A rule that moves from one to
    another may win where it did not."""

    @classmethod
    def of(cls, workflow: Workflow) -> Choice:
        """That of a workflow."""
        return cls(
            source=workflow.source,
            include=tuple(sorted(workflow.tables.include)),
            exclude=tuple(sorted(workflow.tables.exclude)),
            kept=tuple(each.text for each in kept_patterns(workflow)),
            masked=tuple(sorted({pattern for pattern, _ in workflow.all_masks})),
            layers=tuple(map(Layer.of, workflow.rule_sets)) if workflow.presets else (),
            references=tuple(sorted(f"{text} → {to}" for text, to in workflow.references.items())),
        )

    def keeps_no_more_than(self, other: Choice) -> bool:
        """Whether nothing that this chooses to keep could be missing from what ``other`` does.

        It may say no where nothing changes. Which pattern wins depends on all of them, so only what is taken
        away from the kept, or added to the masked, is known to be harmless.
        """
        return (
            self.source == other.source
            and set(self.include) <= set(other.include)
            and set(self.exclude) >= set(other.exclude)
            and set(self.kept) <= set(other.kept)
            and set(self.masked) >= set(other.masked)
            and self.references == other.references
            and self._is_layered_as(other)
        )

    def _is_layered_as(self, other: Choice) -> bool:
        ours, theirs = self._all_layers(), other._all_layers()
        if len(ours) != len(theirs):
            return False
        return all(mine.keeps_no_more_than(its) for mine, its in zip(ours, theirs, strict=True))

    def _all_layers(self) -> tuple[Layer, ...]:
        return self.layers or (Layer(preset="", kept=self.kept, masked=self.masked),)


class Approval(BaseModel):
    """What of a workflow the owner has approved last."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workflow: WorkflowId
    choice: Choice
    columns: tuple[str, ...]
    """``Kept.text`` of each."""
    approved_at: datetime
    approved_by: str
    """The user's name on this machine."""


def kept_digest(columns: tuple[str, ...]) -> str:
    """Names a set of what is kept, so that what is approved is what was shown."""
    return hashlib.sha256("\n".join(sorted(columns)).encode()).hexdigest()[:16]


def waits_for_owner(
    workflow: Workflow, allowed: tuple[str, ...], approval: Approval | None
) -> tuple[Kept, ...]:
    """What this version from the cloud keeps that the owner has not seen; empty if it may be taken up.

    Judged by the document alone. The columns that are really there are looked at again when a run is planned.
    """
    asked = not_covered(kept_patterns(workflow), allowed)
    if not asked or approval is None:
        return asked
    if Choice.of(workflow).keeps_no_more_than(approval.choice):
        return ()
    return not_covered(asked, (), approval.choice.kept) or asked


def approved_columns(folder: Path, workflow: Workflow) -> tuple[str, ...]:
    """What may be kept of the workflow's source, besides what policy allows for every workflow."""
    approval = load_approval(folder, workflow.id)
    return approval.columns if approval is not None and approval.choice.source == workflow.source else ()


def load_approval(folder: Path, workflow: str) -> Approval | None:
    """The approval of a workflow, if any. One that cannot be read approves nothing."""
    try:
        path = folder / f"{workflow}.json"
        if path.stat().st_size > LARGEST_FILE:
            return None
        approval = Approval.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return approval if approval.workflow == workflow else None


def save_approval(folder: Path, approval: Approval) -> None:
    """Write it whole, readable by the services. Raises WrongRequestError for who may not."""
    path = folder / f"{approval.workflow}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        write_file(path, approval.model_dump_json(indent=1) + "\n", durable=True, mode=0o644)
    except OSError as error:
        raise WrongRequestError(
            f"The approval could not be written to {folder}.",
            f"{error.strerror or type(error).__name__}. The folder belongs to the owner of policy.yaml.",
            f"sudo appliance workflow approve {approval.workflow}",
        ) from None


def approvals_mark(folder: Path) -> str:
    """Changes whenever an approval does."""
    try:
        files = sorted(path for path in folder.glob("[!.]*.json"))
        return "\n".join(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files)
    except OSError:
        return ""
