"""Replibyte's configuration: ``source.transformers``, ``source.skip`` and ``source.only_tables``."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.importers.rules import (
    Equal,
    Imported,
    Place,
    Rule,
    list_of,
    mapping_of,
    one_a_column,
    rule,
    text_of,
    unreadable,
)

Params = Mapping[str, object]


def _redacted(options: Params) -> Equal:
    cover = str(options.get("character") or "*")[:1]
    return Equal("partial", {"keep_first": 3, "keep_last": 0, "cover": cover}, note="The length stays.")


_KNOWN = {
    "random": Equal("format_preserving", note="The length stays, as it does there."),
    "first-name": Equal("first_name"),
    "email": Equal("email"),
    "keep-first-char": Equal("partial", {"keep_first": 1, "keep_last": 0}, note="The length stays."),
    "phone-number": Equal("phone"),
    "credit-card": Equal("card"),
    "card-number": Equal("card"),
    "transient": Equal(keep=True),
    "custom-wasm": Equal(why="It runs a program for each value, which no mask does."),
}


def equal_of(name: str, options: Params) -> Equal:
    """What stands for a transformer here."""
    return _redacted(options) if name == "redacted" else _KNOWN.get(name, Equal())


def read_replibyte(data: object) -> Imported:
    """The rules of a configuration. Raises WrongRequestError for a file that is none."""
    source = mapping_of(mapping_of(data, "the file").get("source"), "source")
    if "transformers" not in source:
        raise unreadable("source has no transformers")
    rules: list[Rule] = []
    notes: list[str] = []
    for each in list_of(source.get("transformers"), "source.transformers"):
        table = mapping_of(each, "a table of source.transformers")
        schema, table_name = _name(table, "a table of source.transformers")
        for written in list_of(table.get("columns"), f"columns of {schema}.{table_name}"):
            one = mapping_of(written, f"a column of {schema}.{table_name}")
            title = text_of(one, "transformer_name", f"a column of {schema}.{table_name}")
            options = mapping_of(one.get("transformer_options") or {}, f"options of {title}")
            column = text_of(one, "name", f"a column of {schema}.{table_name}")
            found = equal_of(title, options)
            if "." in column:
                head, _, path = column.partition(".")
                column, found = head, _nested(path, found)
            rules.append(rule(Place(schema, table_name, column), title, found))
    if "database_subset" in source:
        notes.append("Which share of the rows is copied: write it below `rows:`.")
    for each in list_of(source.get("only_tables"), "source.only_tables"):
        name = _name(mapping_of(each, "a table of only_tables"), "a table of only_tables")[1]
        notes.append(f"Only the table {name} is copied, and what it needs: write it below `tables:`.")
    skip = [mapping_of(each, "a table of skip") for each in list_of(source.get("skip"), "source.skip")]
    skipped = tuple(_name(each, "a table of skip") for each in skip)
    return Imported("replibyte", one_a_column(rules), skipped, tuple(notes))


def _nested(path: str, equal: Equal) -> Equal:
    """A rule for a part of a document in a column."""
    if not equal.mask:
        return equal
    inner = {"mask": equal.mask, **(equal.params or {})}
    return Equal("json", {"paths": {path.replace(".[]", "[*]").replace("[]", "[*]"): inner}}, note=equal.note)


def _name(table: Params, what: str) -> tuple[str, str]:
    return str(table.get("database") or "public"), text_of(table, "table", what)
