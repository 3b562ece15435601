"""pgstream's transformation rules: ``transformations.table_transformers``, alone or in its configuration.

Transformers as its documentation has them; those of Greenmask and Neosync under their names there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from pydantic import JsonValue

from appliance.importers import anon_functions, greenmask
from appliance.importers.built import always, date_between, letters, one_of
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
_GREENMASK = {
    "greenmask_boolean": "RandomBool",
    "greenmask_uuid": "RandomUuid",
    "greenmask_integer": "RandomInt",
    "greenmask_float": "RandomFloat",
}
_SIMPLE = {
    "greenmask_firstname": "first_name",
    "neosync_firstname": "first_name",
    "neosync_lastname": "last_name",
    "neosync_fullname": "full_name",
    "neosync_email": "email",
    "email": "email",
    "phone_number": "phone",
}


def _ends(params: Params) -> Params:
    return {"min": params.get("min_value"), "max": params.get("max_value")}


def _masking(params: Params) -> Equal:
    return greenmask.equal_of("Masking", params)


def _first_name(params: Params) -> Equal:
    gender = str(params.get("gender", "")).lower()
    known = gender in {"male", "female"}
    return Equal("first_name", {"locale": "en_US", "gender": gender} if known else None)


def _anon(params: Params) -> Equal:
    function = str(params.get("anon_function", "")).partition("(")[0]
    order = (
        "mask_prefix_count",
        "mask",
        "mask_suffix_count",
        "ratio",
        "interval",
        "min",
        "max",
        "range",
        "count",
    )
    arguments: list[JsonValue] = [each for name in order if is_plain(each := params.get(name))]
    if function.removeprefix("anon.") == "partial":
        arguments = [
            None,
            params_number(params, "mask_prefix_count"),
            str(params.get("mask", "*")),
            params_number(params, "mask_suffix_count"),
        ]
    if function.removeprefix("anon.") == "random_in":
        return Equal("choice", {"values": list(re.findall(r"'([^']*)'", str(params.get("range", ""))))})
    if is_plain(locale := params.get("locale")):
        arguments.append(locale)
    return anon_functions.equal_of_function(function, arguments)


def params_number(params: Params, name: str) -> int:
    """A count among parameters; 0 where there is none."""
    return int(number_of(params.get(name)) or 0)


_BUILT: dict[str, Callable[[Params], Equal]] = {
    "greenmask_date": lambda params: date_between(params.get("min_value"), params.get("max_value")),
    "greenmask_utc_timestamp": lambda params: date_between(params.get("min_value"), params.get("max_value")),
    "greenmask_string": lambda params: letters(params.get("max_length")),
    "neosync_string": lambda params: letters(params.get("max_length")),
    "string": lambda params: letters(params.get("max_length")),
    "greenmask_choice": lambda params: one_of(params.get("choices")),
    "greenmask_firstname": _first_name,
    "literal_string": lambda params: always(params.get("literal")),
    "masking": _masking,
    "json": lambda params: greenmask.equal_of("Json", params),
    "pg_anonymizer": _anon,
    "encrypted_aes_siv": lambda _: Equal("hash", note="It cannot be decrypted."),
    "template": lambda _: Equal(why="It runs a template for each value, which no mask does."),
}


def equal_of(name: str, params: Params) -> Equal:
    """What stands for a transformer here; no transformer, or ``noop``, keeps the value."""
    if name in {"", "noop"}:
        return Equal(keep=True)
    if name in _GREENMASK:
        return greenmask.equal_of(_GREENMASK[name], _ends(params))
    if name in _BUILT:
        return _BUILT[name](params)
    return Equal(_SIMPLE.get(name, ""))


def read_pgstream(data: object) -> Imported:
    """The rules of a file. Raises WrongRequestError for a file that is none."""
    found = _transformations(data)
    rules: list[Rule] = []
    notes = []
    if found.get("infer_from_security_labels"):
        notes.append("It also takes rules from the source's security labels: import those with `anon`.")
    for each in list_of(found.get("table_transformers"), "table_transformers"):
        table = mapping_of(each, "a table of table_transformers")
        schema, name = (
            str(table.get("schema") or "public"),
            text_of(table, "table", "a table of table_transformers"),
        )
        columns = mapping_of(
            table.get("column_transformers") or {}, f"column_transformers of {schema}.{name}"
        )
        for column, written in columns.items():
            one = mapping_of(written or {}, f"the transformer of {schema}.{name}.{column}")
            title = str(one.get("name") or "")
            params = mapping_of(one.get("parameters") or {}, f"parameters of {title}")
            rules.append(rule(Place(schema, name, column), title or "noop", equal_of(title, params)))
    return Imported("pgstream", one_a_column(rules), notes=tuple(notes))


def _transformations(data: object) -> Params:
    top = mapping_of(data, "the file")
    for path in (("transformations",), ("modifiers", "transformations")):
        found: object = top
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        if found is not None:
            return mapping_of(found, "transformations")
    raise unreadable("the file has no transformations")
