"""Several masks for one column, by conditions over its row: the first whose condition holds is applied.

Written as a list, each entry a mask with ``when``, the last without: what happens to all other rows is always
said. ``keep`` may stand in a mask's place. In a ``MaskSpec`` the list is the parameter of the name ``when``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field, ValidationError, model_validator

from appliance.documents.model import StrictModel, wrong
from appliance.documents.problems import KeyPath
from appliance.workflow.conditions.grammar import BeyondGrammarError, parse_condition
from appliance.workflow.conditions.tree import columns_of
from appliance.workflow.document import CHOICES, WHEN, MaskSpec, Workflow

KEEP = "keep"
_EXAMPLE = "[{when: \"role = 'staff'\", mask: keep}, email]"


class Alternative(StrictModel):
    """One of several masks, and the rows that it is for."""

    when: str | None = Field(
        default=None,
        min_length=1,
        max_length=4_000,
        description=(
            "A condition over the row's own columns. Rows for which it is true get this mask, unless an entry"
            " before has taken them. The last entry has none: it is for all other rows."
        ),
        examples=["role = 'staff'"],
    )
    mask: MaskSpec = Field(description="A mask, or `keep`.", examples=["email"])
    because: str | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="Only with `keep`: why these rows are kept, though the column may look personal.",
        examples=["addresses of our own staff"],
    )

    @model_validator(mode="before")
    @classmethod
    def _from_document(cls, value: Any) -> Any:
        if isinstance(value, dict) and "mask" in value:
            params = {key: each for key, each in value.items() if key not in {"when", "because", "mask"}}
            known = {key: value[key] for key in ("when", "because") if key in value}
            inner = value["mask"]
            return {**known, "mask": {"mask": inner, **params} if params else inner}
        return {"mask": value} if value is None or isinstance(value, str) else value

    @property
    def keeps(self) -> bool:
        """The rows are copied as they are."""
        return self.mask.mask == KEEP

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that the condition names; none for a condition that is wrong."""
        try:
            condition = parse_condition(self.when) if self.when is not None else None
        except BeyondGrammarError:
            return ()
        return tuple(dict.fromkeys(columns_of(condition))) if condition is not None else ()


class Alternatives(StrictModel):
    """The list. The last entry is for all rows that no condition has taken."""

    choices: tuple[Alternative, ...] = Field(max_length=20)

    @model_validator(mode="after")
    def _says_something(self) -> Alternatives:
        if len(self.choices) < 2:
            raise wrong("has no two entries", f"a mask, or a list such as {_EXAMPLE}")
        if all(each.keeps for each in self.choices):
            raise wrong("keeps the rows whatever the conditions say", "the column under keep, or a mask here")
        return self

    def problems(self) -> Iterator[tuple[KeyPath, str, str]]:
        """Places in the list, what is wrong there, and what was expected; masks are looked at apart."""
        last = len(self.choices) - 1
        for place, each in enumerate(self.choices):
            if each.when is None and place < last:
                yield (place,), "has no condition, so the entries after it would never apply", "`when`"
            elif each.when is not None and place == last:
                what = "is the last and has a condition, so nothing is said of all other rows"
                yield (place, "when"), what, f"an entry without `when` at the end, as in {_EXAMPLE}"
            elif each.when is not None:
                try:
                    parse_condition(each.when)
                except BeyondGrammarError as beyond:
                    expected = (
                        "columns of the row, literals, comparisons, AND, OR, NOT, IN, LIKE, BETWEEN, IS"
                    )
                    yield (place, "when"), str(beyond), f"{expected} and a few functions"
            if each.because is not None and not each.keeps:
                yield (place, "because"), "says why something is kept that is masked", "`mask: keep`"
            if each.keeps and each.mask.params:
                yield (place,), "keep has no parameters", "`mask: keep` alone"
            if each.mask.mask == WHEN:
                yield (place,), "holds conditions within conditions", "one list, the first that holds wins"


def alternatives_of(mask: MaskSpec) -> tuple[Alternative, ...]:
    """The alternatives of a column that is masked by conditions; none for any other mask, or a wrong list."""
    if mask.mask != WHEN:
        return ()
    try:
        return Alternatives.model_validate({CHOICES: mask.params.get(CHOICES)}).choices
    except ValidationError:
        return ()


def keeps_rows(mask: MaskSpec) -> bool:
    """Whether some rows are copied as they are; so it is of a list that cannot be read."""
    found = alternatives_of(mask)
    return mask.mask == WHEN and (not found or any(each.keeps for each in found))


def keeps_unjudged_rows(mask: MaskSpec) -> bool:
    """Whether some rows are kept, and nothing says why."""
    found = alternatives_of(mask)
    return keeps_rows(mask) and (not found or any(each.keeps and each.because is None for each in found))


def judged_patterns(workflow: Workflow, *, local: bool) -> frozenset[str]:
    """The patterns whose reason for keeping counts: from the cloud, only one for a single column."""
    partly = [(text, mask) for text, mask in workflow.all_masks if keeps_rows(mask)]
    unjudged = {text for text, mask in partly if keeps_unjudged_rows(mask)}
    found = workflow.judged | ({text for text, _ in partly} - unjudged)
    return found if local else frozenset(each for each in found if "*" not in each)


def conditions_read(mask: MaskSpec) -> tuple[str, ...]:
    """The columns by which the rows are divided."""
    return tuple(dict.fromkeys(name for each in alternatives_of(mask) for name in each.reads))


def mask_words(mask: MaskSpec) -> str:
    """A mask for people. Of conditions only that there are some: authors write values into them."""
    names = [each.mask.mask for each in alternatives_of(mask)]
    return f"{', '.join(names[:-1])} or {names[-1]}, by condition" if names else mask.mask
