"""Where exports are fetched from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from appliance.exports.manifest import Manifest


class CutOffError(Exception):
    """The connection broke or the other side was busy: going on from where it ended may help."""


@dataclass(frozen=True)
class FoundExport:
    """An export that can be fetched."""

    run: str
    created_at: datetime
    formats: tuple[str, ...]
    bytes: int


class Origin(Protocol):
    """An appliance, or a bucket."""

    @property
    def name(self) -> str:
        """For a person."""

    def exports(self) -> list[FoundExport]:
        """Those of the workflow, the newest first. Raises our errors, CutOffError."""

    def manifest(self, run: str) -> Manifest:
        """What an export is. Raises our errors, CutOffError."""

    def read(self, run: str, file: str, start: int, sha256: str) -> Iterator[bytes]:
        """A file from a byte on. Raises our errors, CutOffError, also in the middle."""
