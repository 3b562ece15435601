"""Which type each column of a table has in a Parquet file, and the SQL that reads it. Pure, but for its SQL.

A type that would change or lose a value of this table gives way to text: numeric with a NaN, a date of
infinity, an array of more than one dimension. What holds is looked at in the snapshot that is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from appliance.postgres.identifiers import quoted

DECIMAL_DIGITS = 38
"""What a decimal of 128 bits holds; DuckDB and Spark read no larger ones."""

COLUMNS = """
WITH RECURSIVE base (number, name, type, modifier, is_list) AS (
  SELECT attnum::int, attname::text, atttypid, atttypmod, false FROM pg_catalog.pg_attribute
  WHERE attrelid = %s::pg_catalog.regclass AND attnum > 0 AND NOT attisdropped
UNION ALL
  SELECT number, name, CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END,
    CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE modifier END, is_list OR t.typtype <> 'd'
  FROM base JOIN pg_catalog.pg_type AS t ON t.oid = type
  WHERE t.typtype = 'd' OR (NOT is_list AND EXISTS (
    SELECT FROM pg_catalog.pg_type AS e WHERE e.oid = t.typelem AND e.typarray = t.oid))
)
SELECT number, name, CASE WHEN t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
    THEN t.typname::text ELSE '' END, t.typtype = 'e', modifier, is_list
FROM base JOIN pg_catalog.pg_type AS t ON t.oid = type
WHERE NOT (t.typtype = 'd' OR (NOT is_list AND EXISTS (
    SELECT FROM pg_catalog.pg_type AS e WHERE e.oid = t.typelem AND e.typarray = t.oid)))
ORDER BY number
"""
"""Every column with its type below all domains, or that of its elements."""

_AS_THEY_ARE = {
    "bool": "bool", "int2": "int16", "int4": "int32", "int8": "int64", "float4": "float32",
    "float8": "float64", "bytea": "binary", "text": "text", "varchar": "text", "bpchar": "text",
}  # fmt: skip
_TIMES = {"date": "date", "timestamp": "timestamp", "timestamptz": "timestamp UTC", "time": "time"}
_READ = {**{name: (name, shown) for name, shown in (_AS_THEY_ARE | _TIMES).items()}, "oid": ("int8", "int64")}
"""What the driver reads, by the column's type: the type that it is cast to, and how it is shown."""
_LAST = {"timestamp": "294247-01-01", "timestamptz": "294247-01-01 00:00:00+00"}
"""From here on, microseconds since 1970 are more than 64 bits hold."""


class Kind(StrEnum):
    """How a column comes to its type in the file."""

    AS_READ = "as_read"
    """The driver's own type for it."""
    TEXT = "text"
    DECIMAL = "decimal"
    """Read as text, made a decimal here."""
    DICTIONARY = "dictionary"


@dataclass(frozen=True)
class SourceColumn:
    """A column as the catalog has it, below all domains."""

    name: str
    type_name: str
    """Of PostgreSQL's own types; empty for any other."""
    is_enum: bool
    modifier: int
    is_list: bool


@dataclass(frozen=True)
class ParquetColumn:
    """A column of the file."""

    name: str
    kind: Kind
    sql: str
    shown: str
    """What docs/files.md calls the type: ``decimal(10,2)``, ``list of int32``."""
    is_list: bool = False
    precision: int = 0
    scale: int = 0


@dataclass(frozen=True)
class Measure:
    """What has to be known of a column's values, as aggregates over the table ``t``."""

    column: int
    what: tuple[str, ...]


def measures(columns: Sequence[SourceColumn]) -> list[Measure]:
    """What to look at before the types are decided; most columns need none."""
    return [Measure(number, what) for number, column in enumerate(columns) if (what := _measured(column))]


def measure_sql(found: Sequence[Measure], source: str) -> str:
    """One query over the table; its row has the results in their order."""
    outputs = [f"({each})::text" for measure in found for each in measure.what]
    return f"SELECT {', '.join(outputs)} FROM {source} AS t"  # noqa: S608 - quoted where it is made


def decide(
    columns: Sequence[SourceColumn], found: Sequence[Measure], values: Sequence[str | None]
) -> tuple[ParquetColumn, ...]:
    """The columns of the file, by what was measured."""
    of_column: dict[int, list[str | None]] = {}
    left = list(values)
    for measure in found:
        of_column[measure.column] = left[: len(measure.what)]
        del left[: len(measure.what)]
    return tuple(_decide(column, of_column.get(number, [])) for number, column in enumerate(columns))


def select_sql(columns: Sequence[ParquetColumn], source: str) -> str:
    """The query whose rows are written."""
    outputs = ", ".join(f"{each.sql} AS {quoted(each.name)}" for each in columns)
    return f"SELECT {outputs} FROM {source} AS t"  # noqa: S608 - quoted where it is made


def _measured(column: SourceColumn) -> tuple[str, ...]:
    what: list[str] = []
    if column.type_name == "numeric":
        what = [
            "max(pg_catalog.abs({0}))",
            "max(pg_catalog.scale({0}))",
            "max(pg_catalog.min_scale({0}))",
        ]
    elif column.type_name in ("date", "timestamp", "timestamptz"):
        last = _LAST.get(column.type_name, "infinity")
        what = [f"bool_or({{0}} >= '{last}'::{column.type_name} OR {{0}} = '-infinity'::{column.type_name})"]
    elif column.type_name == "time":
        what = ["bool_or({0} = '24:00'::time)"]
    name = f"t.{quoted(column.name)}"
    if not column.is_list:
        return tuple(each.format(name) for each in what)
    elements = f"FROM pg_catalog.unnest({name}) AS e"
    inner = [f"{each.partition('(')[0]}((SELECT {each.format('e')} {elements}))" for each in what]
    return (f"max(pg_catalog.array_ndims({name}))", *inner)


def _decide(column: SourceColumn, values: list[str | None]) -> ParquetColumn:
    if column.is_list:
        dimensions, *values = values
        if dimensions not in (None, "1"):
            return ParquetColumn(column.name, Kind.TEXT, f"t.{quoted(column.name)}::text", "text")
    if column.is_enum and not column.is_list:
        return _column(column, Kind.DICTIONARY, "text", "dictionary of text")
    if column.type_name == "numeric":
        return _number(column, values)
    # A time that the file's type does not reach.
    beyond = column.type_name in _TIMES and values == ["true"]
    if column.type_name not in _READ or beyond:
        return _column(column, Kind.TEXT, "text", "text")
    return _column(column, Kind.AS_READ, *_READ[column.type_name])


def _column(
    column: SourceColumn, kind: Kind, type_name: str, shown: str, digits: tuple[int, int] = (0, 0)
) -> ParquetColumn:
    """With its SQL, cast to one of PostgreSQL's own types: the driver knows no array of a domain."""
    suffix, prefix = ("[]", "list of ") if column.is_list else ("", "")
    value = f"t.{quoted(column.name)}::pg_catalog.{type_name}{suffix}"
    return ParquetColumn(column.name, kind, value, prefix + shown, column.is_list, *digits)


def _number(column: SourceColumn, values: list[str | None]) -> ParquetColumn:
    digits = _digits(column.modifier, values)
    if digits is None:
        return _column(column, Kind.TEXT, "text", "text")
    return _column(column, Kind.DECIMAL, "text", f"decimal({digits[0]},{digits[1]})", digits)


def _digits(modifier: int, values: list[str | None]) -> tuple[int, int] | None:
    """Precision and scale of a decimal that holds every value as it is; None where none does."""
    largest = values[0]
    if largest is not None and not largest.replace(".", "", 1).isdigit():
        # NaN, or infinity.
        return None
    declared = _declared(modifier)
    if declared is not None and declared[0] <= DECIMAL_DIGITS:
        return declared
    whole = len((largest or "").partition(".")[0].lstrip("0"))
    # As many digits as are written; where these are too many, without the zeros at the end.
    scales = [int(each or 0) for each in values[1:]]
    return next(((DECIMAL_DIGITS, each) for each in scales if whole + each <= DECIMAL_DIGITS), None)


def _declared(modifier: int) -> tuple[int, int] | None:
    """Of ``numeric(10,2)``; a scale may be negative or more than the precision, which no decimal's may."""
    if modifier < 4:
        return None
    precision = ((modifier - 4) >> 16) & 0xFFFF
    scale = (((modifier - 4) & 0x7FF) ^ 1024) - 1024
    if scale < 0:
        return precision - scale, 0
    return max(precision, scale), scale
