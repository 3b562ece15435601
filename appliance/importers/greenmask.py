"""Greenmask's configuration: ``dump.transformation``, a list of tables, each with its transformers.

Names and parameters as its documentation of the standard and advanced transformers has them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from pydantic import JsonValue

from appliance.importers.built import always, date_between, letters, number_between, one_of
from appliance.importers.parameters import days_of, given, percent_of
from appliance.importers.rules import (
    Equal,
    Imported,
    Place,
    Rule,
    is_plain,
    list_of,
    mapping_of,
    number_of,
    one_a_column,
    rule,
    text_of,
    unreadable,
)

Params = Mapping[str, object]

_MASKINGS = {
    "email": Equal("email"),
    "mobile": Equal("phone"),
    "tel": Equal("phone"),
    "credit_card": Equal("card", {"keep_prefix": 6}),
    "url": Equal("url"),
    "name": Equal("partial", {"keep_first": 1, "keep_last": 0}),
    "addr": Equal("partial", {"keep_first": 6, "keep_last": 0}),
    "id": Equal("partial", {"keep_first": 6, "keep_last": 0}),
}
_COVERED = Equal("partial", {"keep_first": 0, "keep_last": 0})
_PROGRAM = Equal(why="It runs a program or a template for each value, which no mask does.")
_ATTRIBUTES = (
    ("firstname", Equal("first_name")),
    ("lastname", Equal("last_name")),
    ("companyname", Equal("company")),
    ("address", Equal("street")),
    ("city", Equal("city")),
    ("postalcode", Equal("postcode")),
    ("state", Equal("region")),
    ("latitude", Equal("position", {"axis": "latitude"})),
    ("longitude", Equal("position", {"axis": "longitude"})),
    ("title", Equal("title")),
)
"""What a template of a transformer for several columns asks for, and what stands for it here."""

_ENGLISH = {"locale": "en_US"}
"""Its names are English ones, and a gender needs a locale here."""

_SIMPLE = {
    "SetNull": "null",
    "Hash": "hash",
    "RandomUuid": "uuid",
    "RandomEmail": "email",
    "RandomMac": "mac",
    "RandomMacAddress": "mac",
    "RandomDomainName": "domain",
    "RandomURL": "url",
    "RandomUsername": "username",
    "RandomIp": "ip",
    "RandomIPv4": "ip",
    "RandomIPv6": "ip",
    "RandomPassword": "random_string",
    "RandomWord": "lorem",
    "RandomSentence": "lorem",
    "RandomParagraph": "lorem",
    "RandomCCNumber": "card",
    "RandomFirstName": "first_name",
    "RandomLastName": "last_name",
    "RandomName": "full_name",
    "RandomPhoneNumber": "phone",
    "RandomTollFreePhoneNumber": "phone",
    "RandomE164PhoneNumber": "phone_number",
    "RandomTitleMale": "title",
    "RandomTitleFemale": "title",
}
_OF_SEVERAL = {"RandomPerson", "RandomCompany", "RealAddress"}


def _noise(params: Params) -> Equal:
    percent = percent_of(params.get("max_ratio", params.get("ratio")))
    ends = given(min=number_of(params.get("min")), max=number_of(params.get("max")))
    return Equal("number_noise", {**given(percent=percent or 10), **ends})


def _date_noise(params: Params) -> Equal:
    interval = params.get("max_ratio", params.get("ratio"))
    note = "The same for all dates of a subject, and never nothing."
    return Equal("date_shift", given(max_days=days_of(interval)), note=note)


def _masking(params: Params) -> Equal:
    return _MASKINGS.get(str(params.get("type", "default")), _COVERED)


def _json(params: Params) -> Equal:
    paths: dict[str, JsonValue] = {}
    for each in list_of(params.get("operations"), "operations of Json"):
        operation = mapping_of(each, "an operation of Json")
        path = json_path(str(operation.get("path", "")))
        value = operation.get("value")
        if path is None:
            return Equal(why="One of its paths cannot be written here.")
        if operation.get("operation") == "delete":
            paths[path] = "delete"
        elif operation.get("operation") == "set" and is_plain(value) and "value_template" not in operation:
            paths[path] = {"mask": "constant", "value": value}
        else:
            return Equal(why="One of its operations is a template.")
    return Equal("json", {"paths": paths}) if paths else Equal(why="It has no operation.")


def _regexp(params: Params) -> Equal:
    replace, pattern = params.get("replace", ""), params.get("regexp")
    if not isinstance(pattern, str) or not isinstance(replace, str) or "{{" in replace:
        return Equal(why="Its pattern is not there, or its replacement is a template.")
    written = re.sub(r"\$(?:\{([1-9])\}|([1-9])(?!\w))", r"\\\1\2", replace.replace("\\", "\\\\"))
    if "$" in written:
        return Equal(why="Its replacement names a group that this one's cannot.")
    return Equal("regexp", {"pattern": pattern, "replace": written}, note="What it does not find stays.")


_BUILT: dict[str, Callable[[Params], Equal]] = {
    "RandomInt": lambda params: number_between(params.get("min"), params.get("max")),
    "RandomFloat": lambda params: number_between(params.get("min"), params.get("max")),
    "RandomNumeric": lambda params: number_between(params.get("min"), params.get("max")),
    "RandomDate": lambda params: date_between(params.get("min"), params.get("max")),
    "NoiseDate": _date_noise,
    "NoiseInt": _noise,
    "NoiseFloat": _noise,
    "NoiseNumeric": _noise,
    "RandomBool": lambda _: Equal("choice", {"values": [True, False]}),
    "RandomChoice": lambda params: one_of(params.get("values")),
    "RandomString": lambda params: letters(params.get("max_length")),
    "Replace": lambda params: always(params.get("value")),
    "Masking": _masking,
    "Json": _json,
    "RandomFirstNameMale": lambda _: Equal("first_name", {**_ENGLISH, "gender": "male"}),
    "RandomFirstNameFemale": lambda _: Equal("first_name", {**_ENGLISH, "gender": "female"}),
    "RandomLatitude": lambda _: Equal("position", {"axis": "latitude"}, note="It moves, within 1 km."),
    "RandomLongitude": lambda _: Equal("position", {"axis": "longitude"}, note="It moves, within 1 km."),
    "Cmd": lambda _: _PROGRAM,
    "Template": lambda _: _PROGRAM,
    "TemplateRecord": lambda _: _PROGRAM,
    "RegexpReplace": _regexp,
    "Dict": lambda _: Equal(why="Its list holds originals, which no workflow does."),
}


def equal_of(name: str, params: Params) -> Equal:
    """What stands for a transformer here."""
    if name in _SIMPLE:
        return Equal(_SIMPLE[name])
    build = _BUILT.get(name)
    return build(params) if build else Equal()


def read_greenmask(data: object) -> Imported:
    """The rules of a configuration. Raises WrongRequestError for a file that is none."""
    dump = mapping_of(mapping_of(data, "the file").get("dump"), "dump")
    rules: list[Rule] = []
    notes: list[str] = []
    for each in list_of(dump.get("transformation"), "dump.transformation"):
        table = mapping_of(each, "a table of dump.transformation")
        schema = str(table.get("schema") or "public")
        name = text_of(table, "name", "a table of dump.transformation")
        if table.get("subset_conds") or table.get("query"):
            notes.append(f"{schema}.{name}: which rows are copied; write it below `rows:`.")
        conditional = bool(table.get("when"))
        for one in list_of(table.get("transformers"), f"transformers of {schema}.{name}"):
            rules += _rules(schema, name, mapping_of(one, "a transformer"), conditional)
    if not rules and not dump.get("transformation"):
        raise unreadable("the file has no dump.transformation")
    options = dump.get("pg_dump_options")
    notes += _not_carried(dump, options)
    return Imported("greenmask", one_a_column(rules), tuple(_excluded(options)), tuple(notes))


def _not_carried(dump: Mapping[str, object], options: object) -> Iterator[str]:
    """What of the whole says which tables are copied, or what refers to what."""
    if isinstance(options, dict):
        for key in ("table", "schema"):
            if options.get(key):
                yield f"Only what its option `{key}` names is copied; write it below `tables:`."
    for each in list_of(dump.get("virtual_references"), "dump.virtual_references"):
        named = mapping_of(each, "a table of virtual_references")
        table = f"{named.get('schema') or 'public'}.{named.get('name')}"
        yield f"{table}: what it refers to without a foreign key; write it below `references:`."


def _rules(schema: str, table: str, transformer: Params, conditional: bool) -> Iterator[Rule]:
    name = text_of(transformer, "name", f"a transformer of {schema}.{table}")
    params = mapping_of(transformer.get("params") or {}, f"params of {name}")
    if equal_of(name, params) is _PROGRAM and "column" not in params and "columns" not in params:
        # It works on rows as a whole.
        yield rule(Place(schema, table, "*"), name, _PROGRAM)
        return
    always = "Its condition is not carried over: the mask holds in every row."
    for column, equal in _columns(name, params):
        found = rule(Place(schema, table, column), name, equal)
        if (conditional or transformer.get("when")) and found.mask is not None:
            found = Rule(found.place, name, found.mask, note=f"{found.note} {always}".strip())
        yield found


def _columns(name: str, params: Params) -> Iterator[tuple[str, Equal]]:
    if name not in _OF_SEVERAL and ("column" in params or "columns" not in params):
        yield text_of(params, "column", f"params of {name}"), equal_of(name, params)
        return
    if name not in _OF_SEVERAL:
        # A program or a template of several columns, each by its name or with more beside it.
        for each in list_of(params.get("columns"), f"columns of {name}"):
            named = each if isinstance(each, str) else text_of(mapping_of(each, name), "name", name)
            yield named, equal_of(name, params)
        return
    for each in list_of(params.get("columns"), f"columns of {name}"):
        column = mapping_of(each, f"a column of {name}")
        asked = re.findall(r"\.(\w+)", str(column.get("template", "")))
        equal = _equal_of_template([word.lower() for word in asked])
        yield text_of(column, "name", f"a column of {name}"), equal


def _equal_of_template(asked: list[str]) -> Equal:
    if {"firstname", "lastname"} <= set(asked):
        return Equal("full_name")
    found = [equal for word, equal in _ATTRIBUTES if word in asked]
    return found[0] if len(found) == 1 else Equal(why="Its template puts several things together.")


def json_path(path: str) -> str | None:
    """A path as ``json`` here takes it, from one with ``#`` for every element and dots between."""
    parts = path.split(".")
    if not path or any(re.search(r"[|@\\*?\[\]()!]", part) or part == "" for part in parts):
        return None
    written = ""
    for part in parts:
        if part == "#":
            written += "[*]"
        elif part.isdigit():
            return None
        else:
            written += f".{part}" if written else part
    return written


def _excluded(options: object) -> Iterator[tuple[str, str]]:
    if not isinstance(options, dict):
        return
    for key in ("exclude-table", "exclude-table-data"):
        found = options.get(key) or []
        for each in found if isinstance(found, list) else [found]:
            schema, dot, table = str(each).replace('"', "").rpartition(".")
            yield (schema if dot else "*", table)
    found = options.get("exclude-schema") or []
    for each in found if isinstance(found, list) else [found]:
        yield (str(each).replace('"', ""), "*")
