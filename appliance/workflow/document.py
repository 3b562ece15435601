"""The workflow document: what to copy from where, masked how, delivered where, and when."""

from __future__ import annotations

from typing import Any

from pydantic import Field, JsonValue, field_validator, model_serializer, model_validator

from appliance.documents.model import StrictModel, describe, wrong
from appliance.documents.named_types import ConnectionName, WorkflowId
from appliance.exports.manifest import Format
from appliance.workflow.deliveries.after_load import AfterLoad
from appliance.workflow.deliveries.bucket_delivery import BucketDelivery
from appliance.workflow.deliveries.container_delivery import ContainerDelivery
from appliance.workflow.deliveries.delivery import Delivery, FilesDelivery, TwinDelivery, check_files
from appliance.workflow.document_types import (
    ColumnPattern,
    DriftSchedule,
    KeptBecause,
    LeftOutThing,
    MaskName,
    OneColumn,
    Schedule,
    SubjectName,
    TablePattern,
    TimeZone,
    Title,
    Unlisted,
)
from appliance.workflow.limits import Limits
from appliance.workflow.linked_subjects import LinkedSubject, check_names
from appliance.workflow.rehearsal import RehearsalLimits
from appliance.workflow.row_filter import RowFilter
from appliance.workflow.table_selection import TableSelection

WHEN, CHOICES = "when", "choices"
"""The name that stands for a list of masks with conditions, and the parameter that holds the list."""


class MaskSpec(StrictModel):
    """A mask by name, with its parameters. Written as ``email`` or as ``{mask: phone, keep_prefix: 3}``.

    A list of them with conditions (``alternatives.py``) is the mask ``when``.
    Which masks there are, and what parameters each takes, is the masking catalogue's to say.
    """

    mask: MaskName = Field(description="The mask's name.", examples=["email"])
    params: dict[str, JsonValue] = Field(
        default_factory=dict, description="The mask's parameters.", examples=[{}]
    )

    @model_validator(mode="before")
    @classmethod
    def _from_document(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return {"mask": WHEN, "params": {CHOICES: list(value)}}
        if value is None or isinstance(value, str):
            return {"mask": value}
        if isinstance(value, MaskSpec):
            return value
        if not isinstance(value, dict):
            raise wrong(
                f"{describe(value)} is not a mask", "a mask's name, or {mask: name, …} with its parameters"
            )
        if isinstance(value.get("params"), dict) and value.keys() <= {"mask", "params"}:
            return value
        if WHEN in value or value.get("mask") == WHEN:
            raise wrong(
                "has a condition and says nothing of the other rows",
                "a list, its last entry for all other rows: [{when: \"role = 'staff'\", mask: keep}, email]",
            )
        params = {key: each for key, each in value.items() if key != "mask"}
        return {"params": params, **({"mask": value["mask"]} if "mask" in value else {})}

    @model_validator(mode="after")
    def _no_reserved_names(self) -> MaskSpec:
        if not self.params.keys().isdisjoint({"mask", "params"}):
            raise wrong("has a parameter with a reserved name", "parameters that the mask takes")
        return self

    @model_serializer(mode="plain")
    def _to_document(self) -> str | JsonValue:
        if self.mask == WHEN and CHOICES in self.params:
            return self.params[CHOICES]
        return {"mask": self.mask, **self.params} if self.params else self.mask


class Workflow(StrictModel):
    """One workflow, as written in YAML on disk or sent as JSON."""

    id: WorkflowId = Field(description="Names the DAG, the runs and the files.", examples=["staging-twin"])
    title: Title = Field(
        default="", max_length=200, description="What people call it.", examples=["Nightly staging twin"]
    )
    schedule: Schedule | None = Field(
        default=None, description="Five cron fields, or null to run on demand only.", examples=["0 2 * * *"]
    )
    drift: DriftSchedule | None = Field(
        default=None,
        description=(
            "When, besides, it is looked whether a run would halt, before one does: five cron fields, or"
            " never. Left out: when policy says. The catalogue is read and planned, and no row is copied."
        ),
        examples=["0 18 * * *"],
    )
    timezone: TimeZone = Field(
        default="UTC",
        description="The IANA time zone that the schedule and drift are read in.",
        examples=["Europe/Vienna"],
    )
    source: ConnectionName = Field(description="The connection to copy from.", examples=["production"])
    tables: TableSelection = Field(
        description="Which tables are copied.",
        examples=[{"include": ["public.*"], "exclude": ["public.audit_*"]}],
    )
    rows: dict[TablePattern, RowFilter] = Field(
        default_factory=dict,
        description="Which rows are copied, by pattern schema.table; all of them where none matches.",
        examples=[{"public.invoice": {"last_days": 90, "by": "created_at"}}],
    )
    masks: dict[ColumnPattern, MaskSpec] = Field(
        default_factory=dict,
        description=(
            "How columns are masked, by pattern schema.table.column; the most specific pattern wins. A list"
            " holds masks with conditions over the row: the first whose `when` is true is applied."
        ),
        examples=[
            {"public.customer.email": "email", "public.customer.phone": {"mask": "phone", "keep_prefix": 3}}
        ],
    )
    keep: tuple[ColumnPattern | KeptBecause, ...] = Field(
        default=(),
        description=(
            "Patterns schema.table.column of columns that are copied as they are; with `because` where they"
            " look personal and are not."
        ),
        examples=[["public.*.id", "public.track.*"]],
    )
    references: dict[ColumnPattern, OneColumn] = Field(
        default_factory=dict,
        description=(
            "Columns that hold the values of another one and have no foreign key that says so, by pattern"
            " schema.table.column: what masks the one masks them alike, as it does along foreign keys."
        ),
        examples=[{"crm.lead.customer_ref": "public.customer.id"}],
    )
    subjects: dict[SubjectName, LinkedSubject] = Field(
        default_factory=dict,
        description=(
            "Whose rows belong together: one person has one name, one address and one shift of dates in all"
            " tables that are listed."
        ),
        examples=[
            {
                "customer": {
                    "table": "public.customer",
                    "key": "id",
                    "also": ["public.orders.customer_id", "crm.lead.email"],
                }
            }
        ],
    )
    quasi: dict[TablePattern, tuple[str, ...]] = Field(
        default_factory=dict,
        description=(
            "Columns that together may tell who a row is about, by pattern schema.table: how many rows share"
            " them is counted in the twin, for the receipt. Policy may demand a number (k_anonymity)."
        ),
        examples=[{"public.customer": ["birth_date", "city", "gender"]}],
    )
    unlisted: Unlisted = Field(
        default="halt",
        description=(
            "What happens to a column that neither masks nor keep covers: halt stops the run before a row is "
            "read, null masks it with NULL or its type's neutral value, keep copies it as it is."
        ),
        examples=["halt"],
    )
    leave_out: tuple[LeftOutThing, ...] = Field(
        default=(),
        description=(
            "Things besides tables that the twin does without, and what needs them: a kind and a name, as "
            "the plan lists what is not carried. Tables are left out under tables.exclude."
        ),
        examples=[["view public.report", "extension postgis", "function public.notify(text)"]],
    )
    deliver: tuple[Delivery, ...] = Field(
        min_length=1, description="Where the result goes.", examples=[[{"twin": {"connection": "staging"}}]]
    )
    after_load: tuple[AfterLoad, ...] = Field(
        default=(),
        max_length=50,
        description=(
            "SQL that runs in the new twin after its proof and before anyone sees it, as the twin's role and"
            " in one transaction: test logins, names for a demo. Policy decides whose."
        ),
        examples=[[{"sql": "UPDATE public.tenant SET webhook = NULL"}]],
    )
    replaces: WorkflowId | None = Field(
        default=None,
        description=(
            "The id of another workflow whose twin this one takes over. Without it, a twin that another"
            " workflow has built is not replaced."
        ),
        examples=["former-staging-twin"],
    )
    limits: Limits = Field(
        default_factory=Limits,
        description="What a run may take of time, memory and processor.",
        examples=[{"parallel": 4, "memory_mb": 512}],
    )
    rehearsal: RehearsalLimits = Field(
        default_factory=RehearsalLimits,
        description="As whom migrations are rehearsed on the twin, and what of one is too much.",
        examples=[{"max_blocked_ms": 2000, "max_minutes": 30, "forbid": ["rewrite"]}],
    )

    @field_validator("subjects")
    @classmethod
    def _subjects_have_names_of_their_own(
        cls, subjects: dict[str, LinkedSubject]
    ) -> dict[str, LinkedSubject]:
        check_names(subjects)
        return subjects

    @model_validator(mode="after")
    def _deliveries_go_elsewhere(self) -> Workflow:
        seen: set[str] = set()
        check_files(self.files.values(), self.buckets.values(), twins=bool(self.twins), source=self.source)
        for twin in self.twins.values():
            name = twin.connection
            if name == self.source:
                raise wrong(f"delivers to its own source, `{name}`", "a twin on another connection")
            if name in seen:
                raise wrong(f"delivers to `{name}` twice", "each connection once")
            seen.add(name)
        for container in self.containers.values():
            if container.reads == "files" and not self.files:
                raise wrong("has a container that reads files, and delivers none", "{files: {…}} as well")
            if container.reaches_databases and not self.twins:
                raise wrong("has a container that reaches databases, and no twin", "a twin as well")
        if self.replaces == self.id:
            raise wrong("replaces itself", "the id of another workflow, or no `replaces`")
        return self

    @property
    def kept_patterns(self) -> tuple[str, ...]:
        """The patterns of ``keep``, in whichever form they are written."""
        return tuple(each if isinstance(each, str) else each.column for each in self.keep)

    @property
    def judged(self) -> frozenset[str]:
        """The patterns of ``keep`` that say why."""
        return frozenset(each.column for each in self.keep if isinstance(each, KeptBecause))

    @property
    def connections(self) -> tuple[str, ...]:
        """The names of all connections it needs, the source first, each once."""
        return (self.source, *self.built.values())

    @property
    def twins(self) -> dict[int, TwinDelivery]:
        """The twins by their place in ``deliver``."""
        return {place: each.twin for place, each in enumerate(self.deliver) if each.twin is not None}

    @property
    def files(self) -> dict[int, FilesDelivery]:
        """The files to deliver, one format each, by their place in ``deliver``."""
        return {place: each.files for place, each in enumerate(self.deliver) if each.files is not None}

    @property
    def buckets(self) -> dict[int, BucketDelivery]:
        """What goes to buckets, by its place in ``deliver``."""
        return {place: each.bucket for place, each in enumerate(self.deliver) if each.bucket is not None}

    @property
    def exported(self) -> tuple[FilesDelivery, ...]:
        """What is written as files, one format each: those to deliver, and what only buckets want."""
        wanted = dict.fromkeys(name for bucket in self.buckets.values() for name in bucket.formats)
        delivered = [each.format for each in self.files.values()]
        return (
            *self.files.values(),
            *(FilesDelivery(format=name) for name in wanted if name not in delivered),
        )

    @property
    def containers(self) -> dict[int, ContainerDelivery]:
        """The customer's own containers, by their place in ``deliver``."""
        places = enumerate(self.deliver)
        return {place: each.container for place, each in places if each.container is not None}

    @property
    def scratch(self) -> dict[int, str]:
        """Without a twin: where a database is built for the files alone, by their place in ``deliver``."""
        wanted = {place: each.build_in for place, each in self.files.items()}
        wanted |= {place: each.build_in for place, each in self.buckets.items()}
        named = {place: name for place, name in wanted.items() if name is not None}
        return dict([next(iter(named.items()))]) if named else {}

    @property
    def built(self) -> dict[int, str]:
        """The connections on whose servers a database is built and proven, by their place in ``deliver``."""
        return {**{place: twin.connection for place, twin in self.twins.items()}, **self.scratch}

    @property
    def exporting_delivery(self) -> int | None:
        """The place in ``deliver`` of what the files are written from; None without files."""
        return next(iter(self.built)) if self.exported else None

    @property
    def formats(self) -> tuple[Format, ...]:
        """The formats of what is written as files, in their order."""
        return tuple(each.format for each in self.exported)
