"""``policy.yaml``: the customer's own limits. Nothing that comes from the cloud can widen them.

Everything that is about to act asks this module, and only this one decides. Its functions are pure: they
take what is wanted and return the refusals, each with the name of the rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import Field

from appliance.documents import strict_yaml
from appliance.documents.model import StrictModel, validate
from appliance.documents.named_types import ConnectionName
from appliance.documents.names import is_final_release, is_release
from appliance.documents.problems import printable
from appliance.errors import RefusedError
from appliance.policy.branches import BranchPolicy
from appliance.policy.caps import check_caps
from appliance.policy.columns import KEEP_RULE, check_columns, check_keeps, check_tables, useless_patterns
from appliance.policy.containers import check_containers
from appliance.policy.destinations import check_files
from appliance.policy.free_sql import check_free_sql
from appliance.policy.refusal import Origin, Refusal
from appliance.policy.updates import Updates
from appliance.settings.settings import Settings
from appliance.workflow.catalog import Catalog
from appliance.workflow.deliveries.container_delivery import ImageReference, SecretName
from appliance.workflow.document import Workflow
from appliance.workflow.document_types import ColumnPattern, Schedule, TablePattern
from appliance.workflow.matching.rules import Matching

__all__ = [
    "Origin",
    "Policy",
    "Refusal",
    "check_update",
    "check_workflow",
    "enforce",
    "load_policy",
    "read_policy",
]

STABLE = "stable"
"""The channel of final releases: versions of numbers only, without a mark as 1.2.0rc1 or 1.2.0.dev3 have."""


class Policy(StrictModel):
    """What may happen on this appliance.

    A key that is left out limits nothing local, and the cloud most; only ``destinations``, ``images`` and
    ``notify`` allow nothing that they do not name.
    """

    workflows_from_cloud: bool = Field(
        default=False, strict=True, description="Whether the dashboard may send workflows.", examples=[True]
    )
    always_mask: tuple[ColumnPattern, ...] = Field(
        default=(),
        description=(
            "Patterns schema.table.column of columns that no workflow may keep. Case, width, accents and "
            "outer space do not count, and what holds the same data (partitions, tables that inherit, both "
            "ends of a foreign key) is meant too."
        ),
        examples=[["*.*.ssn", "*.*.password*"]],
    )
    never_copy: tuple[TablePattern, ...] = Field(
        default=(),
        description=(
            "Patterns schema.table of tables that no workflow may select, nor look its `subjects` up in,"
            " compared in the same way."
        ),
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
    powerful_roles: tuple[ConnectionName, ...] = Field(
        default=(), description="Connections whose role may be a superuser.", examples=[["staging"]]
    )
    foreign_functions: Literal["warn", "refuse"] = Field(
        default="warn", description="If a run calls functions that no superuser owns.", examples=["warn"]
    )
    drift: Schedule | None = Field(
        default=None,
        description="When workflows that name no time are checked for drift: cron, in their time zone.",
        examples=["0 18 * * *"],
    )
    drift_own: tuple[Origin, ...] = Field(
        default=("local",),
        description="Whose workflows may choose another time, or never; others are checked at `drift` too.",
        examples=[["local"]],
    )
    sql_from_cloud: bool = Field(
        default=False,
        strict=True,
        description=(
            "Whether workflows from the dashboard may hold free SQL: in rows: where, all but columns,"
            " literals, comparisons, AND, OR, NOT, IN, LIKE, BETWEEN and IS, which sees what the reader sees;"
            " and after_load, which does in the twin what its role may."
        ),
        examples=[False],
    )
    kept_looks_personal: Literal["warn", "halt"] | None = Field(
        default=None,
        description=(
            "If a kept column looks personal and the workflow does not say why it keeps it. Left"
            " out: warn for local workflows, halt for the cloud's."
        ),
        examples=["halt"],
    )
    keep_from_cloud: tuple[ColumnPattern, ...] = Field(
        default=(),
        description=(
            "Patterns schema.table.column of columns that workflows from the dashboard may keep, compared "
            "exactly. What they keep besides waits until it is approved: appliance workflow approve ID."
        ),
        examples=[["public.*.id", "public.product.*"]],
    )
    share_catalog: Literal["names", "none"] = Field(
        default="none",
        description=(
            "Whether the dashboard is shown the columns of a connection that it may read: names, types, keys,"
            " what a scan found, estimated rows; never a value, comment, default or label."
        ),
        examples=["names"],
    )
    snapshot_max_min: int | None = Field(
        default=None,
        strict=True,
        ge=1,
        description="Minutes that a run may hold a snapshot of the source, if the cloud wrote its workflow.",
        examples=[120],
    )
    min_interval_min: int | None = Field(
        default=None,
        strict=True,
        ge=1,
        description="Minutes that lie at least between two runs of a workflow, if the cloud asks for them.",
        examples=[60],
    )
    max_parallel: int | None = Field(
        default=None,
        strict=True,
        ge=1,
        description="Shards that may be copied at the same time, if the cloud wrote the workflow.",
        examples=[4],
    )
    destinations: tuple[str, ...] = Field(
        default=(),
        description=(
            "Where files may go: `files` is the exports folder of this appliance, the name of a connection a"
            " bucket, HOST:PORT what a container may reach. Left out: nowhere, for local workflows too."
        ),
        examples=[["files", "lake", "reports.internal:443"]],
    )
    images: tuple[ImageReference, ...] = Field(
        default=(),
        description=(
            "Images that `container` deliveries may run, by digest, or by a tag that was trusted here with"
            " `appliance images trust`. Left out: none, for local workflows too."
        ),
        examples=[["registry.internal/report:1"]],
    )
    secrets: tuple[SecretName, ...] | None = Field(
        default=None,
        description="Secrets that a container may be given. Left out: as for read.",
        examples=[["report-token"]],
    )
    notify: tuple[str, ...] = Field(
        default=(),
        description=(
            "Who may be notified: hosts of addresses, e-mail recipients, and services of apprise, as slack:."
            " Left out: no one."
        ),
        examples=[["hooks.example.com", "ops@example.com", "slack:"]],
    )
    branches: BranchPolicy = Field(
        default_factory=BranchPolicy,
        description="How many branches of twins there may be, how large, for how long, and who makes them.",
        examples=[{"max": 20, "ttl_days": 7, "by": ["local"], "max_gb": 200}],
    )
    share_receipts: bool = Field(
        default=False,
        strict=True,
        description="Whether the dashboard gets whole receipts, and not their digests and counts only.",
        examples=[False],
    )
    k_anonymity: int | None = Field(
        default=None,
        strict=True,
        ge=2,
        description="Rows that each group by a workflow's `quasi` must have; else nothing is published.",
        examples=[5],
    )
    updates: Updates = Field(
        default_factory=Updates,
        description="The channel to follow, a version to stay on, and when updates may start or must not.",
        examples=[{"channel": "stable", "pin": None, "window": "Sat 02:00-05:00"}],
    )


def load_policy(path: Path | None) -> Policy:
    """Read the policy; without a file, the default one. Raises WrongDocumentError with every problem at once.

    A path that is given and not there is an error: a policy that got lost must not be taken for none.
    """
    if path is None:
        return Policy()
    return validate(Policy, strict_yaml.read(path, empty_is_allowed=True))


def read_policy(settings: Settings, named: Path | None = None) -> Policy:
    """The policy in force: of the file that is named, else of this appliance; the default one without a file.

    Raises WrongDocumentError.
    """
    return load_policy(named or (settings.policy_file if settings.policy_file.exists() else None))


def check_workflow(
    policy: Policy,
    workflow: Workflow,
    matching: Matching | None = None,
    *,
    origin: Origin = "local",
    catalog: Catalog | None = None,
    approved: Iterable[str] = (),
) -> tuple[Refusal, ...]:
    """Every reason why this workflow may not run.

    Without ``matching`` only what the document itself says can be judged; the tables and columns follow in
    the plan, when the source's ``catalog`` is known. ``approved`` is what the owner lets the cloud keep.
    """
    refusals = [*_check_connections(policy, workflow, origin), *check_files(policy.destinations, workflow)]
    refusals += check_containers(
        workflow, origin, images=policy.images, destinations=policy.destinations, secrets=policy.secrets
    )
    if origin == "cloud":
        if not policy.workflows_from_cloud:
            refusals.append(Refusal("workflows_from_cloud", "Workflows from the cloud are not allowed here."))
        if not policy.sql_from_cloud:
            refusals += check_free_sql(workflow)
        if workflow.unlisted == "keep":
            what = "The cloud may not keep what is not named (unlisted: keep)."
            refusals.append(Refusal(KEEP_RULE, what))
        refusals += check_caps(
            workflow,
            snapshot_max_min=policy.snapshot_max_min,
            min_interval_min=policy.min_interval_min,
            max_parallel=policy.max_parallel,
        )
    if matching is not None:
        refusals += check_tables(policy.never_copy, matching)
        refusals += check_columns(policy.always_mask, matching, origin, catalog)
        if origin == "cloud":
            refusals += check_keeps(policy.keep_from_cloud, approved, matching, workflow.id)
    return tuple(refusals)


def refuses_kept(policy: Policy, origin: Origin) -> bool:
    """Whether a kept column that looks personal stops a run."""
    return (policy.kept_looks_personal or ("warn" if origin == "local" else "halt")) == "halt"


def notices(policy: Policy, catalog: Catalog) -> tuple[str, ...]:
    """What the owner should know of the policy's patterns, once a source's catalog is known."""
    return tuple(useless_patterns(policy.always_mask, policy.never_copy, catalog))


def check_update(policy: Policy, version: str) -> tuple[Refusal, ...]:
    """Why this release may never be moved to; the window, which only puts it off, is not looked at."""
    pin, channel = policy.updates.pin, policy.updates.channel
    if not is_release(version):
        # No rule of the owner's forbids it; there can be no such release on any channel.
        what = f"{version} names no release: versions begin with a digit, as 1.2.0 or 1.2.0rc1."
        return (Refusal("updates.channel", what),)
    if pin is not None:
        # Who names one version has judged it, whatever its kind.
        what = f"The appliance stays on {pin}, and {version} was asked for."
        return () if pin == version else (Refusal("updates.pin", what),)
    if channel == STABLE and not is_final_release(version):
        what = f"{version} is no final release, and the appliance follows the channel {channel}."
        return (Refusal("updates.channel", what),)
    return ()


def enforce(
    refusals: tuple[Refusal, ...], next_step: str = "Change the workflow, or ask the owner of policy.yaml."
) -> None:
    """Raise RefusedError (exit code 3), naming every rule, if there is anything to refuse."""
    if refusals:
        raise RefusedError(
            "\n".join(printable(f"{refusal.what} (policy rule {refusal.rule})") for refusal in refusals),
            "The policy of this appliance belongs to its owner, and nothing else can change it.",
            next_step,
            rule=refusals[0].rule,
        )


def _check_connections(policy: Policy, workflow: Workflow, origin: Origin) -> list[Refusal]:
    refusals = []
    writes = list(workflow.built.values())
    for rule, allowed, wanted in (("read", policy.read, [workflow.source]), ("write", policy.write, writes)):
        for name in wanted:
            if name not in (allowed or ()) and not (allowed is None and origin == "local"):
                verb = "read from" if rule == "read" else "written to"
                refusals.append(Refusal(rule, f"The connection `{name}` may not be {verb}."))
    return refusals
