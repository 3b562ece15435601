"""The field types that the contract is made of: each one bounded, so that nothing unplanned fits through."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from appliance.documents.names import CONNECTION_NAME, PROGRAM_VERSION, SHA256, WORKFLOW_ID

SCRUBBED_TEXT_MAX = 1000
_ROOM_FOR_THE_REST = 80
_PRINTABLE = r"[^\x00-\x1f\x7f]"


class WireModel(BaseModel):
    """One object on the wire.

    A key that is not declared cannot be added to one. A reader of one from the other side calls
    ``from_wire``, which drops unknown keys instead: an appliance may be newer than its dashboard, or older.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    @classmethod
    def from_wire(cls, body: bytes | str) -> Self:
        """Read JSON from the other side; raises pydantic.ValidationError. What is not declared is dropped."""
        return cls.model_validate_json(body, extra="ignore")

    def to_wire(self) -> str:
        """The JSON that is sent; keys without a value are left out."""
        return self.model_dump_json(exclude_none=True)


class ScrubbedText(str):
    """Free text that has been through the scrubber: the only free text that may leave an appliance.

    In Python a model takes an instance of this class and no other string, so that text can only get into a
    report through the caller of ``mark``: the scrubber. Read from JSON, any bounded string is taken.
    """

    __slots__ = ()

    @classmethod
    def mark(cls, scrubbed: str) -> ScrubbedText:
        """Vouch for text that the scrubber has just cleaned; cuts it to length, drops control characters."""
        shown = "".join(c if c.isprintable() or c == "\n" else " " for c in scrubbed)
        if len(shown) <= SCRUBBED_TEXT_MAX:
            return cls(shown)
        whole_lines, _, _ = shown[: SCRUBBED_TEXT_MAX - _ROOM_FOR_THE_REST].rpartition("\n")
        if not whole_lines:
            return cls(shown[: SCRUBBED_TEXT_MAX - 1] + "…")
        left = shown[len(whole_lines) + 1 :].count("\n") + 1
        return cls(f"{whole_lines}\n… and {left} more lines, which the appliance itself shows.")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        bounded = core_schema.str_schema(
            max_length=SCRUBBED_TEXT_MAX, pattern=r"^[^\x00-\x09\x0b-\x1f\x7f]*$", strict=True
        )
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_after_validator_function(cls, bounded),
            python_schema=core_schema.is_instance_schema(cls),
            serialization=core_schema.to_string_ser_schema(),
        )


def _in_utc(moment: datetime) -> datetime:
    if not 2000 <= moment.year < 2200:
        raise ValueError("a moment lies between the years 2000 and 2200")
    return moment.astimezone(UTC)


WorkflowId = Annotated[str, Field(pattern=f"^{WORKFLOW_ID}$", max_length=63)]
RunId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)]
ConnectionName = Annotated[str, Field(pattern=f"^{CONNECTION_NAME}$", max_length=63)]
ObjectName = Annotated[str, Field(pattern=rf"^{_PRINTABLE}+$", max_length=260)]
Label = Annotated[str, Field(pattern=rf"^{_PRINTABLE}+$", max_length=80)]
RuleName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]*$", max_length=64)]
VersionName = Annotated[str, Field(pattern=f"^{PROGRAM_VERSION}$", max_length=60)]
SqlState = Annotated[str, Field(pattern=r"^[0-9A-Z]{5}$", max_length=5)]
ExceptionName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*$", max_length=120)]
CodeLocation = Annotated[str, Field(pattern=r"^[A-Za-z0-9_./-]+:[0-9]{1,6}$", max_length=160)]
Digest = Annotated[str, Field(pattern=f"^{SHA256}$", max_length=64)]
Signature = Annotated[str, Field(pattern=r"^[0-9a-f]{128}$", max_length=128)]
PublicKey = Annotated[
    str,
    Field(
        pattern=r"^-----BEGIN PUBLIC KEY-----\n[A-Za-z0-9+/=]{60}\n-----END PUBLIC KEY-----\n$",
        max_length=120,
    ),
]
UpdateWindow = Annotated[str, Field(pattern=r"^[A-Za-z0-9 :,*-]*$", max_length=60)]
Secret = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", min_length=20, max_length=120)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Percent = Annotated[float, Field(ge=0, le=100)]
Seconds = Annotated[float, Field(ge=0, le=10**9)]
Offset = Annotated[float, Field(ge=-(10**10), le=10**10)]
Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Identifier = UUID


def document_digest(document: Mapping[str, Any]) -> str:
    """Names a version of a workflow document on both sides: SHA-256 over its JSON with sorted keys."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
