"""What ``appliance workflow approve`` does: shows what a workflow from the cloud keeps, and notes a yes."""

from __future__ import annotations

import getpass
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import typer

from appliance.cli.work.workflows.source_catalog import source_catalog
from appliance.documents.problems import WrongDocumentError, printable
from appliance.errors import RefusedError, WrongRequestError
from appliance.orchestration.workflow_files import read_workflow_files, waiting_file
from appliance.policy.approvals import Approval, Choice, approved_columns, kept_digest, save_approval
from appliance.policy.columns import KEEP_RULE
from appliance.policy.policy import check_workflow, enforce, read_policy
from appliance.settings.settings import Settings
from appliance.workflow.document import Workflow
from appliance.workflow.loading import LoadedWorkflow, load_workflow
from appliance.workflow.matching.kept import Kept, kept_columns, not_covered
from appliance.workflow.matching.rules import match_rules


@dataclass(frozen=True)
class Asked:
    """What a version keeps, as the source's columns are now."""

    workflow: Workflow
    kept: tuple[Kept, ...]
    """Besides what policy lets every workflow from the cloud keep."""
    fresh: tuple[Kept, ...]
    """Those that are not approved yet."""
    waits: bool
    """Whether it is a version that was put aside."""

    @property
    def columns(self) -> tuple[str, ...]:
        """All of it, as it is approved."""
        return tuple(each.text for each in self.kept)


def what_is_asked(settings: Settings, workflow_id: str) -> Asked:
    """Resolve what the newest version from the dashboard keeps.

    Raises what is wrong with it, or RefusedError.
    """
    loaded, waits = _newest(settings, workflow_id)
    workflow = loaded.workflow
    policy = read_policy(settings)
    enforce(check_workflow(policy, workflow, origin="cloud"))
    catalog = source_catalog(settings, workflow, "appliance workflow approve")
    matching = match_rules(workflow, catalog, loaded.document.places())
    if matching.problems:
        raise WrongDocumentError(list(matching.problems))
    refusals = check_workflow(policy, workflow, matching, origin="cloud", catalog=catalog)
    enforce(tuple(refusal for refusal in refusals if refusal.rule != KEEP_RULE))
    kept = not_covered(kept_columns(matching), policy.keep_from_cloud)
    fresh = not_covered(kept, (), approved_columns(settings.approvals_dir, workflow))
    return Asked(workflow, kept, fresh, waits)


def approve(settings: Settings, asked: Asked, digest: str | None) -> None:
    """Show it and, after a yes or with the digest of what was shown, note the approval."""
    shown = kept_digest(asked.columns)
    _show(asked)
    if not asked.fresh and not asked.waits:
        typer.echo("Everything that it keeps is approved already.")
        return
    if digest is not None and digest != shown:
        raise RefusedError(
            f"What it keeps is not what {printable(digest)[:40]} was shown for: it is {shown} now.",
            "Nothing was approved.",
            f"appliance workflow approve {asked.workflow.id}",
            rule=KEEP_RULE,
        )
    if digest is None and not _says_yes():
        raise RefusedError(
            "Nothing was approved.",
            "",
            f"appliance workflow approve {asked.workflow.id} --digest {shown}, if you agree with all of it.",
            rule=KEEP_RULE,
        )
    save_approval(
        settings.approvals_dir,
        Approval(
            workflow=asked.workflow.id,
            choice=Choice.of(asked.workflow),
            columns=asked.columns,
            approved_at=datetime.now(UTC),
            approved_by=getpass.getuser(),
        ),
    )
    taken_up = " It is taken up with the next word from the dashboard." if asked.waits else ""
    typer.echo(f"Approved: {len(asked.columns)} columns ({shown}).{taken_up}")


def _newest(settings: Settings, workflow_id: str) -> tuple[LoadedWorkflow, bool]:
    """The version that waits, else the one in force."""
    files = read_workflow_files(settings.config_dir, settings.state_dir)
    of_cloud = [file for file in files if file.id == workflow_id and file.origin == "cloud"]
    # Only an id that is known names a path.
    waiting = {path.stem: path for path in waiting_file(settings.state_dir, "*").parent.glob("*.json")}
    if path := waiting.get(workflow_id):
        return load_workflow(path, settings.config_dir), True
    if of_cloud:
        return load_workflow(Path(of_cloud[0].path), settings.config_dir), False
    if any(file.id == workflow_id for file in files):
        why = "It is a file of this appliance's own, and keeps what it says."
        raise WrongRequestError(
            f"The workflow '{workflow_id}' needs no approval.", why, "appliance workflow list"
        )
    raise WrongRequestError(
        f"There is no workflow '{workflow_id}' from the dashboard.",
        f"Waiting for approval: {', '.join(sorted(waiting)) or 'none'}.",
        "appliance status",
    )


def _show(asked: Asked) -> None:
    fresh = set(asked.fresh)
    typer.echo(f"The dashboard's workflow {asked.workflow.id} would keep, of {asked.workflow.source}:")
    for each in asked.kept:
        mark = "new " if each in fresh else "    "
        what = f"a part of each value: {each.mask}" if each.mask else "as it is"
        typer.echo(f"  {mark}{printable(each.column)}  ({printable(what)})")
    if not asked.kept:
        typer.echo("  nothing but what policy.yaml lets every workflow keep")


def _says_yes() -> bool:
    return sys.stdin.isatty() and typer.confirm("Approve all of it?")
