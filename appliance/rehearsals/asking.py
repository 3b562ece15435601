"""A rehearsal as it is asked for from elsewhere: files that were read there, or an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from appliance.rehearsals.rehearsing import Script


class SqlText(BaseModel):
    """One file: its name, and its text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    text: str


class RehearsalAsked(BaseModel):
    """What is to be rehearsed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connection: str
    """Of the twin."""
    sql: tuple[SqlText, ...] = ()
    image: str | None = None
    command: tuple[str, ...] = ()
    """Arguments for the image's entry point."""
    down: tuple[SqlText, ...] = ()
    keep: bool = False

    @property
    def directions(self) -> int:
        """The migration, and its way back."""
        return 2 if self.down else 1

    def up_script(self) -> Script | None:
        """The migration's statements; None where it is an image. Raises WrongRequestError."""
        return _script(self.sql)

    def down_script(self) -> Script | None:
        """Those of its way back, if that is to be tried. Raises WrongRequestError."""
        return _script(self.down)


class BranchReady(BaseModel):
    """A branch that an image is to migrate."""

    database: str


class ImageEnded(BaseModel):
    """What became of the image's container there."""

    why: str | None = None
    """Why it failed."""
    stopped: bool = False
    """Its time was over."""
    performed: bool = True
    """Whether it ran at all."""


def _script(texts: tuple[SqlText, ...]) -> Script | None:
    # What only passes it on, as the status service does, has no room for what performs it.
    from appliance.rehearsals.rehearsing import script_of  # noqa: PLC0415

    return script_of([(each.name, each.text) for each in texts]) if texts else None
