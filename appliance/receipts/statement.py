"""A receipt's statement, in-toto Statement v1: the subjects by digest, and a predicate about them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ConfigDict, Field, JsonValue, ValidationError

from appliance.receipts.chain import ReceiptModel, Sha256
from appliance.receipts.predicate import ROTATION_TYPE, RUN_TYPE, RotationPredicate, RunPredicate
from appliance.receipts.removals import ENDING_TYPE, ERASURE_TYPE, EndingPredicate, ErasurePredicate

Predicate = RunPredicate | RotationPredicate | ErasurePredicate | EndingPredicate
PREDICATES: dict[str, type[Predicate]] = {
    RUN_TYPE: RunPredicate,
    ROTATION_TYPE: RotationPredicate,
    ERASURE_TYPE: ErasurePredicate,
    ENDING_TYPE: EndingPredicate,
}
_TYPES = {model: name for name, model in PREDICATES.items()}

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_STATEMENT_TYPE = "https://in-toto.io/Statement/v1"


class UnreadableStatementError(Exception):
    """Signed or not, it is none that this release reads; the text is a sentence."""


class DigestSet(ReceiptModel):
    """One digest."""

    sha256: Sha256


class Subject(ReceiptModel):
    """A thing that the receipt is about: ``twin/staging``, ``files/public.customer.csv.gz``."""

    name: str
    digest: DigestSet


class _Statement(ReceiptModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    type: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: tuple[Subject, ...]
    predicate_type: str = Field(alias="predicateType")
    predicate: dict[str, JsonValue]


@dataclass(frozen=True)
class Statement:
    """What is signed."""

    subjects: tuple[Subject, ...]
    predicate: Predicate

    @property
    def predicate_type(self) -> str:
        """Which layout the predicate has."""
        return _TYPES[type(self.predicate)]

    def payload(self) -> bytes:
        """The bytes that are signed."""
        document = {
            "_type": _STATEMENT_TYPE,
            "subject": [subject.model_dump(mode="json") for subject in self.subjects],
            "predicateType": self.predicate_type,
            "predicate": self.predicate.model_dump(mode="json"),
        }
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def subject(name: str, sha256: str) -> Subject:
    """The subject of that name."""
    return Subject(name=name, digest=DigestSet(sha256=sha256))


def parse_statement(payload: bytes) -> Statement:
    """Read a payload. Raises UnreadableStatementError for one of another kind or a later version."""
    try:
        found = _Statement.model_validate_json(payload)
    except ValidationError:
        raise UnreadableStatementError("It holds no in-toto statement.") from None
    model = PREDICATES.get(found.predicate_type)
    if model is None:
        raise UnreadableStatementError(
            f"Its predicate {_shown(found.predicate_type)} is none that this release knows: a later release"
            " of the appliance has written it, or something else has."
        )
    try:
        predicate = model.model_validate(found.predicate)
    except ValidationError as error:
        raise UnreadableStatementError(
            f"Its predicate does not have the layout that {found.predicate_type} stands for"
            f" ({_places(error.errors(include_input=False))})."
        ) from None
    return Statement(found.subject, predicate)


def _places(details: Sequence[Any]) -> str:
    return ", ".join(".".join(str(part) for part in each["loc"]) for each in details[:3])


def _shown(text: str) -> str:
    return repr(text[:100])
