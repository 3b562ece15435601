"""What a column's name and type say of it together: ``email_verified`` as a boolean holds no address."""

from __future__ import annotations

from appliance.masking.shape import DATES, FLOATS, INTEGERS, PLAIN_KINDS, Shape, shape_of
from appliance.masking.suggesting.column_names import NameGuess, guess_by_name
from appliance.masking.suggesting.kinds import PersonalKind
from appliance.workflow.catalog import Column, Table

_FACTS: frozenset[PersonalKind] = frozenset({"health", "special_category", "family", "age"})
"""What a few values can say."""
_NUMBERS: frozenset[PersonalKind] = _FACTS | {
    "phone", "national_id", "tax_id", "record_number", "card", "bank_account", "income", "position",
    "postal_code", "device", "ip_address", "password", "passport", "driving_licence", "birth_date",
}  # fmt: skip
_DATES: frozenset[PersonalKind] = frozenset({"birth_date", "date_about_a_person", "health"})
_BYTES: frozenset[PersonalKind] = frozenset(
    {"photograph", "document", "signature", "biometric", "password", "secret", "health"}
)
_RANDOM: frozenset[PersonalKind] = frozenset({"secret", "device", "password"})
_BY_TYPE: dict[str, NameGuess] = {
    "inet": NameGuess("ip_address", "type inet"),
    "cidr": NameGuess("ip_address", "type cidr"),
    "macaddr": NameGuess("mac_address", "type macaddr"),
    "macaddr8": NameGuess("mac_address", "type macaddr8"),
    "point": NameGuess("position", "type point"),
    "geography": NameGuess("position", "type geography"),
    "geometry": NameGuess("position", "type geometry"),
}


def guess_of(table: Table, column: Column) -> NameGuess | None:
    """The personal kind that name and type stand for; None where they say nothing of a person."""
    if column.from_sequence:
        return None
    by_type = _BY_TYPE.get(column.base_type.rpartition(".")[2].removesuffix("[]"))
    found = guess_by_name(table.all_names[-1][1], column.name)
    if found is not None and can_hold(shape_of(column), found.kind):
        return found
    return by_type


def can_hold(shape: Shape, kind: PersonalKind) -> bool:
    """Whether a column of this type can hold data of a kind."""
    if shape.is_array or shape.kind in {"text", "json", "jsonb", "inet"} | PLAIN_KINDS:
        return True
    if shape.kind in INTEGERS | FLOATS | {"numeric"}:
        return kind in _NUMBERS
    if shape.kind in DATES:
        return kind in _DATES
    if shape.kind == "bytea":
        return kind in _BYTES
    return kind in (_RANDOM if shape.kind == "uuid" else _FACTS)
