"""The page about every field that can ever leave an appliance, made from the models themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from appliance.contract.calls import OUTBOUND
from appliance.contract.fields import SCRUBBED_TEXT_MAX, WireModel

_OPENING = f"""# What leaves an appliance

*Made by `make docs` from the models in `appliance/contract/calls.py`; do not edit.* They are the only
thing the appliance can send.

An appliance opens every connection itself, to its dashboard's address and nowhere else. It sends the three
bodies below, in JSON over TLS. Beside them go its bearer token, the ETag of the workflows it has, and what
any HTTPS request shows (its address, a user agent with its version). Nothing else leaves.

- A field that is not on this page cannot be sent: building a body with an undeclared key is an error.
- Every field has a bound: a pattern, a fixed list of words, or a range.
- Table names leave, because progress and failures are shown by table. A catalog of columns leaves only where
  `policy.yaml` says `share_catalog: names`; a refusal's text names the first of them in any case. Comments,
  defaults and labels of enums have no field. Column values, column contents, SQL,
  host names, user names, passwords and keys do not.
- Files that a workflow delivers stay on the appliance until the operator takes them away; none is sent.
- *Scrubbed text* is the only free text: at most {SCRUBBED_TEXT_MAX} characters, and a body takes it only from
  the scrubber, which removes secrets it knows and anything shaped like personal data or a quoted value.

A dashboard drops any key it does not know, so nothing undeclared is stored there either.
"""

_FORMATS = {"uuid": "UUID", "date-time": "time"}


def what_leaves_page() -> str:
    """The whole page as Markdown."""
    parts = [_OPENING]
    described_already: set[str] = set()
    for model in OUTBOUND:
        schema = model.model_json_schema()
        for name, described in _objects(model, schema):
            if name in described_already:
                continue
            described_already.add(name)
            heading = "##" if name == model.__name__ else "###"
            parts.append(f"{heading} {name}\n\n{described.get('description', '')}\n")
            rows = [
                f"| `{field}` | {_bounds(value, schema)} | {value.get('description', '')} |"
                for field, value in described["properties"].items()
            ]
            parts.append(
                "\n".join(["| field | what it can hold | why it leaves |", "| --- | --- | --- |", *rows])
            )
            parts[-1] += "\n"
    return "\n".join(parts)


def _objects(model: type[WireModel], schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield model.__name__, schema
    for name, definition in schema.get("$defs", {}).items():
        if definition.get("type") == "object":
            yield name, definition


def _bounds(value: dict[str, Any], schema: dict[str, Any]) -> str:
    if options := [option for option in value.get("anyOf", []) if option.get("type") != "null"]:
        return " or ".join(_bounds(option, schema) for option in options) + ", or nothing"
    if links := [_link(option["$ref"]) for option in value.get("oneOf", [value]) if "$ref" in option]:
        return links[0] if len(links) == 1 else "one of " + ", ".join(links)
    if words := value.get("enum", [value["const"]] if "const" in value else []):
        return ("one of " if len(words) > 1 else "") + ", ".join(f"`{word}`" for word in words)
    match value.get("type"):
        case "array":
            shape = f"up to {value['maxItems']} of: {_bounds(value['items'], schema)}"
        case "boolean":
            shape = "true or false"
        case "integer" | "number":
            shape = f"a number from {_number(value['minimum'])} to {_number(value['maximum'])}"
        case _:
            shape = _text_bounds(value)
    return shape


def _number(value: float) -> str:
    return "2^53" if value == 2**53 else f"{value:,.0f}"


def _text_bounds(value: dict[str, Any]) -> str:
    if value.get("format") in _FORMATS:
        return f"a {_FORMATS[value['format']]}"
    if value["maxLength"] == SCRUBBED_TEXT_MAX:
        return f"scrubbed text, up to {SCRUBBED_TEXT_MAX} characters"
    pattern = value["pattern"].replace("|", "\\|")
    return f"up to {value['maxLength']} characters of `{pattern}`"


def _link(reference: str) -> str:
    name = reference.rsplit("/", 1)[1]
    return f"[{name}](#{name.lower()})"
