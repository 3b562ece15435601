"""Both ends of a foreign key must come out alike."""

from __future__ import annotations

from appliance.masking.foreign_keys import End, reference_problem
from appliance.workflow.catalog import ForeignKey, Table
from appliance.workflow.document import MaskSpec
from tests.unit.masking_columns import column, mask, table


def tables(child_type: str = "text", *, not_null: bool = False) -> list[Table]:
    """public.person (email) and public.letter (recipient → person.email)."""
    key = ForeignKey(
        name="letter_recipient",
        columns=("recipient",),
        to_schema="public",
        to_table="person",
        to_columns=("email",),
    )
    person = table(column("email", table="person", unique_alone=True), name="person")
    recipient = column("recipient", child_type, "letter", not_null=not_null)
    return [person, table(recipient, name="letter", foreign_keys=(key,))]


Decisions = tuple[MaskSpec | None, MaskSpec | None]


def decisions(parent: MaskSpec | None, child: MaskSpec | None) -> Decisions:
    """What happens to the two columns."""
    return parent, child


def check_foreign_keys(both: list[Table], decided: Decisions) -> list[str]:
    """Why a letter would no longer find its person."""
    person, letter = (End(each, each.columns[0], mask) for each, mask in zip(both, decided, strict=True))
    why = reference_problem(letter, person)
    return [f"{letter.described} refers to {person.described}: {why}"] if why else []


def test_columns_that_are_both_kept_or_masked_alike_still_meet() -> None:
    assert check_foreign_keys(tables(), decisions(None, None)) == []
    assert check_foreign_keys(tables(), decisions(mask("email"), mask("email"))) == []
    assert check_foreign_keys(tables("character varying(100)"), decisions(mask("hash"), mask("hash"))) == []


def test_a_reference_may_become_null_if_it_may_be_null() -> None:
    assert check_foreign_keys(tables(), decisions(mask("email"), mask("null"))) == []
    found = check_foreign_keys(tables(not_null=True), decisions(mask("email"), mask("null")))
    assert len(found) == 1


def test_columns_masked_differently_are_named_with_what_to_do() -> None:
    assert check_foreign_keys(tables(), decisions(mask("email"), None)) == [
        "public.letter.recipient (kept) refers to public.person.email (masked with email):"
        " mask both alike, or keep both"
    ]
    for parent, child in ((None, mask("email")), (mask("email"), mask("hash"))):
        assert "mask both alike" in check_foreign_keys(tables(), decisions(parent, child))[0]


def test_the_parameters_must_be_the_same() -> None:
    found = check_foreign_keys(tables(), decisions(mask("hash"), mask("hash", domain="other")))
    assert "give the mask the same parameters at both" in found[0]


def test_the_types_must_give_the_same_output() -> None:
    found = check_foreign_keys(tables("character varying(30)"), decisions(mask("email"), mask("email")))
    assert "the types character varying(30) and text differ" in found[0]


def test_a_mask_that_follows_a_subject_or_forgets_the_value_keeps_no_reference() -> None:
    by_row = mask("first_name", subject="email")
    assert "follows a row's subject" in check_foreign_keys(tables(), decisions(by_row, by_row))[0]
    fixed = mask("constant", value="x")
    assert "leaves no reference" in check_foreign_keys(tables(), decisions(fixed, fixed))[0]


def test_texts_that_only_a_collation_takes_for_equal_cannot_be_masked_at_both_ends() -> None:
    person, letter = tables()
    (email,) = person.columns
    for changed in (
        [person.model_copy(update={"columns": (email.model_copy(update={"deterministic": False}),)}), letter],
        [
            person,
            letter.model_copy(
                update={
                    "columns": tuple(
                        each.model_copy(update={"deterministic": False}) for each in letter.columns
                    )
                }
            ),
        ],
    ):
        (found,) = check_foreign_keys(changed, decisions(mask("hash"), mask("hash")))
        assert "its collation is nondeterministic" in found
        assert check_foreign_keys(changed, decisions(None, None)) == []
        assert check_foreign_keys(changed, decisions(mask("hash"), mask("null"))) == []
