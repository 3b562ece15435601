"""What a mask is: a name, parameters, the types it fits, what it promises, and the SQL it becomes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import Field, StringConstraints

from appliance.documents.model import StrictModel
from appliance.masking.bindings import KeyName
from appliance.masking.compiled import Facet, Proof
from appliance.masking.expressions.drawing import Message
from appliance.masking.scope import Scope
from appliance.masking.shape import Kind, Shape, Value
from appliance.workflow.catalog import Column, Table
from appliance.workflow.linked_subjects import NO_SUBJECT

Domain = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]


class Params(StrictModel):
    """A mask's parameters; this one has none."""


class KeyedParams(Params):
    """Parameters of a mask whose output depends on the appliance's key."""

    domain: Domain | None = Field(
        default=None,
        description="Values that the same mask replaces in the same domain get the same output in every table"
        " and every run. Another domain gives other output. By default the mask's name.",
        examples=["billing"],
    )

    def key_of(self, mask: str) -> KeyName:
        """The key of a mask with these parameters."""
        return KeyName(mask, self.domain or mask)


ColumnNames = Annotated[tuple[str, ...], Field(min_length=1, max_length=16)]


class SubjectParams(KeyedParams):
    """Parameters of a mask that may follow a row's subject instead of the value."""

    subject: str | ColumnNames | None = Field(
        default=None,
        description="Column or columns whose value decides the output instead of the masked value itself:"
        " the same subject gets the same output wherever it stands. Or the name of one of the workflow's"
        " `subjects`, whose key decides; `none` where the value itself is to.",
        examples=["customer_id"],
    )

    @property
    def subject_columns(self) -> tuple[str, ...]:
        """The subject's columns; empty if there is none."""
        if self.subject is None or self.subject == NO_SUBJECT:
            return ()
        return (self.subject,) if isinstance(self.subject, str) else self.subject


@dataclass(frozen=True)
class DrawnFrom:
    """What a mask draws from in a column."""

    message: Message
    apart: bool
    """Two rows with different values have different messages."""
    by_value: bool = False
    """The message follows from the value alone."""
    of_subject: bool = False
    """It is a linked subject's: whatever stands in the row the same comes out, by chance even that."""


@dataclass(frozen=True)
class Promises:
    """What a mask promises, for people: a short phrase each, or yes and no."""

    unique: str = "no"
    deterministic: str = "yes: same input, same output, in every table and every run"
    keeps_null: str = "yes"
    length: str = "no"
    format: str = "no"


@dataclass(frozen=True)
class Original:
    """An invented value, as text, and the type of the column that it stands in."""

    text: str
    type: str = "text"


@dataclass(frozen=True)
class Masked:
    """A mask's SQL for one value, and how its success can be proven."""

    sql: str
    """Of the value's type or assignable to it; the compiler adds the cast with its modifier."""
    proof: Proof
    chance: float = 0.0
    output_domain_sql: str | None = None
    leak_sql: str | None = None
    shape_sql: str | None = None
    """See ``Facet``: what every output looks like, where that says more than its type."""
    normal_form_sql: str | None = None
    preserves_distinct: bool = False
    facets: tuple[Facet, ...] = ()
    repeats: bool = False
    """Its values are of a kind that comes again and again, and ``sql`` follows from the value alone."""


def shape_of_output(value: str, masked: Masked) -> str | None:
    """What every output of a mask looks like where a column holds several of them: SQL over ``value``.

    Empty text stays empty.
    """
    if masked.shape_sql is not None or masked.proof != "outside_domain":
        return masked.shape_sql
    text = f'({value}::text COLLATE "C")'
    members = f"SELECT d.member FROM ({masked.output_domain_sql}) AS d (member)"
    return f"({text} = '' OR {text} IN ({members}))"


P = TypeVar("P", bound=Params)


class Mask(ABC, Generic[P]):
    """One entry of the catalogue. Instances hold no state."""

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line, without a full stop's worth of detail."""
    params: type[P]
    kinds: ClassVar[frozenset[Kind]]
    """Types it fits; arrays of them are masked element by element."""
    proof: ClassVar[Proof]
    promises: ClassVar[Promises]
    hides: ClassVar[str]
    """What of a value is gone."""
    learnt: ClassVar[str]
    """What an attacker learns from the twin, this code and n pairs of original and output, but no key."""
    originals: ClassVar[tuple[Original, ...]]
    """Invented values that its examples begin with."""
    whole_value: ClassVar[bool] = False
    """The mask replaces an array as a whole, instead of its elements."""
    of_person: ClassVar[bool] = False
    """A person has one of it, in all tables: it draws from the subject of a linked row by itself."""
    of_person_in_lists: ClassVar[bool] = False
    """Also where it stands in a list: a person may have several names there, but one shift of dates."""
    keeps_subjects_apart: ClassVar[bool] = False
    """No two subjects get the same."""
    whole_column: ClassVar[bool] = False
    """What it gives one row depends on the values of all others, so it is a mask of all rows."""

    @abstractmethod
    def compile(self, value: Value, params: P, scope: Scope) -> Masked:
        """The SQL. Called only if ``problems`` found none."""

    def problems(self, shape: Shape, params: P, scope: Scope) -> list[str]:
        """Why these parameters do not go with this column, one sentence each, without its name."""
        return []

    def distinct(self, shape: Shape, params: P) -> bool:
        """Whether distinct values get distinct outputs, so that a unique column stays unique."""
        return False

    def distinct_with(self, key: tuple[str, ...], column: Column, table: Table, params: P) -> bool:
        """Whether a unique key of several columns stays unique though this one of it is masked."""
        return False

    def follows_value(self, params: P) -> bool:
        """Whether the output follows from the value alone, so that a reference finds what it refers to."""
        return not (isinstance(params, SubjectParams) and params.subject_columns)

    def drawn_from(self, params: SubjectParams, own: Message, scope: Scope) -> DrawnFrom:
        """The row's subject, if the rule names one or the mask is of those that draw from it by themselves;
        the columns that the rule names; else ``own``, which is the value itself.
        """
        by_itself = self.of_person and (self.of_person_in_lists or not scope.several)
        link = scope.link(params.subject, by_itself=by_itself)
        if link is not None:
            return DrawnFrom(scope.of_subject(link, own), apart=link.unique, of_subject=True)
        columns = params.subject_columns
        if columns:
            return DrawnFrom(scope.subject(columns), apart=False)
        return DrawnFrom(own, apart=True, by_value=True)

    def reads(self, params: P) -> tuple[str, ...]:
        """Other columns of the row whose values, as they are in the twin, the output has in it."""
        return ()

    @abstractmethod
    def example(self, original: Original, params: P) -> str:
        """What these parameters make of one of ``originals``, as text, under the examples' key."""

    def examples(self, params: P) -> tuple[tuple[str, str], ...]:
        """Originals and what these parameters make of them, for people."""
        return tuple((original.text, self.example(original, params)) for original in self.originals)

    def plain_params(self) -> P:
        """Parameters with nothing set that need not be."""
        fields = self.params.model_fields.items()
        return self.params.model_validate(
            {name: field.examples[0] for name, field in fields if field.is_required() and field.examples}
        )

    def example_params(self) -> dict[str, object]:
        """Parameters for the documentation: every one with its first example."""
        return {name: field.examples[0] for name, field in self.params.model_fields.items() if field.examples}


_TYPES: dict[Kind, str] = {
    "text": "text, varchar, char, citext",
    "double": "double precision",
    "timestamptz": "timestamp with time zone",
}


def fitting_types(mask: Mask[Any]) -> str:
    """The types that a mask fits, as people name them."""
    return (
        "every type" if mask.whole_value else ", ".join(sorted(_TYPES.get(each, each) for each in mask.kinds))
    )


def subject_problems(params: SubjectParams, scope: Scope) -> list[str]:
    """Subject columns that the table does not have."""
    if any(each.name == params.subject for each in scope.links):
        return []
    known = {column.name for column in scope.table.columns}
    subjects = ", ".join(each.name for each in scope.links)
    hint = f" (of the workflow's subjects its rows have {subjects})" if subjects else ""
    return [
        f"subject: the table has no column `{name}`{hint}"
        for name in params.subject_columns
        if name not in known
    ]
