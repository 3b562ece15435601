"""The workflow document: what to copy from where, masked how, delivered where, and when."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from appliance.documents.model import StrictModel, wrong
from appliance.documents.named_types import ConnectionName, WorkflowId
from appliance.exports.manifest import Format
from appliance.workflow.deliveries.after_load import AfterLoad
from appliance.workflow.deliveries.bucket_delivery import BucketDelivery
from appliance.workflow.deliveries.container_delivery import ContainerDelivery
from appliance.workflow.deliveries.delivery import Delivery, FilesDelivery, TwinDelivery
from appliance.workflow.deliveries.together import check_together
from appliance.workflow.document_types import (
    ColumnPattern,
    DriftSchedule,
    LeftOutThing,
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
from appliance.workflow.mask_spec import CHOICES, WHEN, KeptBecause, MaskSpec, kept_patterns_of
from appliance.workflow.presets.preset import Preset, Used
from appliance.workflow.rehearsal import RehearsalLimits
from appliance.workflow.row_filter import RowFilter
from appliance.workflow.table_selection import TableSelection

__all__ = ["CHOICES", "WHEN", "KeptBecause", "MaskSpec", "Workflow"]


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
    use: tuple[Used, ...] = Field(
        default=(),
        max_length=20,
        description=(
            "Presets: named sets of rules, by name. What the workflow itself says of a column wins, then the"
            " first preset that says something of it; only what is kept by a wildcard gives way to a mask."
        ),
        examples=[["company-pii"]],
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
    def _fits_together(self) -> Workflow:
        check_together(self.deliver, self.source)
        names = [each if isinstance(each, str) else each.name for each in self.use]
        for place, name in enumerate(names):
            if name in names[:place]:
                raise wrong(f"uses the preset {name} twice", "each preset once", ("use", place))
        if self.replaces == self.id:
            raise wrong("replaces itself", "the id of another workflow, or no `replaces`", ("replaces",))
        return self

    @property
    def kept_patterns(self) -> tuple[str, ...]:
        """The patterns of the workflow's own ``keep``, in whichever form they are written."""
        return kept_patterns_of(self.keep)

    @property
    def presets(self) -> tuple[Preset, ...]:
        """The presets that are resolved: their rules are known."""
        return tuple(each for each in self.use if isinstance(each, Preset))

    @property
    def missing_presets(self) -> tuple[str, ...]:
        """The presets of which only the name is known."""
        return tuple(each for each in self.use if isinstance(each, str))

    @property
    def rule_sets(self) -> tuple[Workflow | Preset, ...]:
        """What has rules, in the order in which they win: the workflow itself, then its presets."""
        return (self, *self.presets)

    @property
    def all_masks(self) -> tuple[tuple[str, MaskSpec], ...]:
        """Every pattern with a mask, the workflow's own and those of its presets."""
        return tuple(pair for each in self.rule_sets for pair in each.masks.items())

    @property
    def all_kept(self) -> tuple[ColumnPattern | KeptBecause, ...]:
        """Every entry of ``keep``, the workflow's own and those of its presets."""
        return tuple(entry for each in self.rule_sets for entry in each.keep)

    @property
    def judged(self) -> frozenset[str]:
        """The patterns of ``keep`` that say why."""
        return frozenset(each.column for each in self.all_kept if isinstance(each, KeptBecause))

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
    def kept_formats(self) -> frozenset[Format]:
        """Of the files that a run writes: what stays on the appliance, the rest being for buckets alone."""
        return frozenset(each.format for each in self.files.values())

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
