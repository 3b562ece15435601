"""``template``: text around other columns of the row, as they are in the twin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, field_validator

from appliance.documents.model import wrong
from appliance.documents.problems import did_you_mean
from appliance.masking.examples.draw import EXAMPLE_SUBJECT
from appliance.masking.expressions.sql_text import literal
from appliance.masking.mask import Mask, Masked, Original, Params, Promises
from appliance.masking.scope import Scope, unless_empty
from appliance.masking.shape import DATES, FLOATS, INTEGERS, TEXT, Kind, Shape, Value, shape_of

Form = Literal["lower", "upper", "initial"]
FORMS: tuple[Form, ...] = ("lower", "upper", "initial")
MOST_COLUMNS = 16
LONGEST = 10_000
"""Characters that are written of one column."""
READABLE: frozenset[Kind] = (
    TEXT | INTEGERS | FLOATS | DATES | frozenset[Kind]({"numeric", "uuid", "boolean", "enum", "inet"})
)
"""What has a short text form."""
_PIECE = re.compile(
    r"\{\{|\}\}|\{(?P<column>[^{}|]+)(?:\|(?P<form>[^{}|]*))?\}|(?P<text>[^{}]+)|(?P<wrong>[{}])"
)


@dataclass(frozen=True)
class Piece:
    """Either text, or a column and the form in which it is written."""

    text: str = ""
    column: str = ""
    form: str | None = None


def pieces(template: str) -> Iterator[Piece]:
    """The pieces of a template in order. Raises ValueError for braces that do not close."""
    for found in _PIECE.finditer(template):
        if found["wrong"]:
            raise ValueError(found.start())
        if found["column"]:
            yield Piece(column=found["column"].strip(), form=found["form"] and found["form"].strip())
        else:
            yield Piece(text=found["text"] or found[0][0])


class TemplateParams(Params):
    """What is written."""

    text: str = Field(
        min_length=1,
        max_length=2_000,
        description="Text with columns of the row in braces, such as"
        " `{first_name|lower}.{last_name}@example.com`: each is written as it is in the twin. Behind a bar"
        " may stand lower, upper or initial (the first letter). `{{` and `}}` are braces.",
        examples=["customer-{id}@example.com"],
    )

    @field_validator("text")
    @classmethod
    def _readable(cls, text: str) -> str:
        if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
            raise wrong("holds a character that PostgreSQL text cannot", "plain text")
        try:
            found = list(pieces(text))
        except ValueError as error:
            raise wrong(
                f"a brace stands alone at character {int(str(error)) + 1}", "a column in braces, or {{ and }}"
            ) from None
        columns = [piece for piece in found if piece.column]
        if not columns:
            raise wrong(
                "names no column", "a column of the row in braces; the mask constant writes a fixed text"
            )
        if len(columns) > MOST_COLUMNS:
            raise wrong(f"names {len(columns)} columns", f"at most {MOST_COLUMNS}")
        for piece in columns:
            if piece.form is not None and piece.form not in FORMS:
                close = did_you_mean(piece.form, FORMS)
                hint = f"; did you mean {close}?" if close else ""
                raise wrong(f"`{piece.form}` is no form{hint}", "lower, upper or initial")
        return text

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """What is written, piece by piece."""
        return tuple(pieces(self.text))


class Template(Mask[TemplateParams]):
    """Says no more of anyone than the columns that it writes."""

    name = "template"
    summary = "Replaces a text with one that is written from other columns of the row, as masked."
    params = TemplateParams
    kinds = TEXT
    proof = "by_chance"
    promises = Promises(
        deterministic="as the masks of the columns that it writes",
        length="what is written, cut to the column's length; of one column at most 10,000 characters",
        format="as the template says; a column that is NULL is written as nothing",
    )
    hides = "the whole value; what it writes is in the row of the twin anyway."
    learnt = "nothing but which rows have a value: the rest stands in the other columns."
    originals = (Original("ann.lee@corp.test"),)

    def compile(self, value: Value, params: TemplateParams, scope: Scope) -> Masked:
        """Needs ``scope.row``."""
        written = [literal(piece.text) if piece.text else _written(piece, scope) for piece in params.pieces]
        sql = f"concat({', '.join(written)})"
        if value.shape.length is not None:
            sql = f"left({sql}, {value.shape.length})"
        masked = f"CASE WHEN {value.sql} IS NOT NULL THEN {unless_empty(value, sql)} END"
        # A column may come out as it was, or be NULL: then what is written is what was there.
        return Masked(masked, "by_chance", chance=1.0)

    def reads(self, params: TemplateParams) -> tuple[str, ...]:
        """The columns in braces."""
        return tuple(dict.fromkeys(piece.column for piece in params.pieces if piece.column))

    def follows_value(self, params: TemplateParams) -> bool:
        """It follows from other columns."""
        return False

    def example(self, original: Original, params: TemplateParams) -> str:
        """Of a row that has 1 in every column."""
        return "".join(piece.text or str(EXAMPLE_SUBJECT) for piece in params.pieces)

    def problems(self, shape: Shape, params: TemplateParams, scope: Scope) -> list[str]:
        """Columns that are not there, or have no short text form; the column itself."""
        found = column_problems("text", self.reads(params), scope)
        fixed = [piece.text for piece in params.pieces if piece.text]
        if scope.encoding not in ("UTF8", "SQL_ASCII") and not "".join(fixed).isascii():
            found.append(
                f"text: the database's encoding {scope.encoding} may not have its letters; use ASCII"
            )
        return found


def column_problems(parameter: str, names: tuple[str, ...], scope: Scope) -> list[str]:
    """Why columns of the row cannot be written into one of them."""
    columns = {column.name: column for column in scope.table.columns}
    found = []
    for name in names:
        if name == scope.column.name:
            found.append(f"{parameter}: `{name}` is the column itself; name others of the row")
        elif name not in columns:
            close = did_you_mean(name, columns)
            hint = f"; did you mean {close}?" if close else ""
            found.append(f"{parameter}: the table has no column `{name}`{hint}")
        elif shape_of(columns[name]).is_array or shape_of(columns[name]).kind not in READABLE:
            found.append(
                f"{parameter}: `{name}` is {columns[name].type}, which has no short text to be written"
            )
    return found


def written(name: str, scope: Scope, longest: int = LONGEST) -> str:
    """A column of the row as the twin has it, as text that is not too long; NULL for NULL."""
    return f"left({scope.in_twin(name).text}, {longest})"


def _written(piece: Piece, scope: Scope) -> str:
    text = written(piece.column, scope)
    if piece.form == "initial":
        return f"left({text}, 1)"
    return f'({piece.form}({text} COLLATE "default") COLLATE "C")' if piece.form else text
