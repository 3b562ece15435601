"""What every connection of ``connections.yaml`` has, to a database as to a bucket."""

from __future__ import annotations

from pathlib import Path

from pydantic import PrivateAttr, field_validator

from appliance.connections.secret_command import program_and_arguments
from appliance.documents.model import StrictModel


class NamedConnection(StrictModel):
    """A connection with the key that it has in its file, and perhaps a program that prints its secret."""

    _name: str = PrivateAttr(default="")
    _file: Path | None = PrivateAttr(default=None)

    @property
    def name(self) -> str:
        """Its key in the file; empty where it was read from none."""
        return self._name

    @property
    def file(self) -> Path | None:
        """The file that it was read from: its owner may say what runs for it."""
        return self._file

    @field_validator("password_command", mode="before", check_fields=False)
    @classmethod
    def _words(cls, value: object) -> object:
        return program_and_arguments(value)
