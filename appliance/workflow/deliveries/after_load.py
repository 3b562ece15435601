"""SQL that a workflow runs in the new twin before anyone sees it: as it is written, and as it is read."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from pydantic import Field, field_validator, model_validator

from appliance.documents.model import StrictModel, wrong
from appliance.errors import WrongRequestError

LARGEST_SQL = 1 << 20
_EXPECTED = 'one of {sql: "…"} and {file: NAME.sql}'


class AfterLoad(StrictModel):
    """One piece of SQL: written here, or in a file beside the workflow."""

    sql: str | None = Field(
        default=None,
        min_length=1,
        max_length=100_000,
        description="Statements, separated by semicolons.",
        examples=["UPDATE shop.tenant SET name = 'Demo GmbH'"],
    )
    file: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="A file of statements, in the folder of the workflow's file or below.",
        examples=["test-logins.sql"],
    )

    @field_validator("file")
    @classmethod
    def _beside(cls, value: str | None) -> str | None:
        if value is None:
            return value
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts or not value.isprintable() or not value.endswith(".sql"):
            raise wrong("is no file beside the workflow", "a name that ends with .sql, as test-logins.sql")
        return value

    @model_validator(mode="after")
    def _one_form(self) -> AfterLoad:
        if (self.sql is None) == (self.file is None):
            raise wrong("is no one piece of SQL", _EXPECTED)
        return self


def sql_texts(pieces: tuple[AfterLoad, ...], folder: Path) -> tuple[str, ...]:
    """Their texts, files read from ``folder``. Raises WrongRequestError for one that cannot be read."""
    return tuple(each.sql if each.sql is not None else _read(folder, each.file or "") for each in pieces)


def _read(folder: Path, name: str) -> str:
    path = folder / name
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise WrongRequestError(
                f"{path} leads out of {folder}.", "after_load reads files beside the workflow only."
            )
        content = path.read_bytes()
    except OSError as error:
        raise WrongRequestError(
            f"The file {path}, which after_load names, cannot be read.",
            error.strerror or type(error).__name__,
            f"Put it there: {path}",
        ) from None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if not text.strip() or "\0" in text or len(content) > LARGEST_SQL:
        raise WrongRequestError(
            f"The file {path}, which after_load names, holds no SQL.",
            "It is empty, larger than 1 MiB, or no text in UTF-8.",
            f"Correct {path}.",
        )
    return text
