"""The JSON Schema of a workflow, with the masks there are, their parameters, and an example for every key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaValue

from appliance.documents.json_schema import DIALECT, in_markdown
from appliance.workflow.conditions.alternatives import Alternative
from appliance.workflow.document import Workflow
from appliance.workflow.presets.preset import PresetRules

_PARAMETERS = "MaskParameters_"
_ALTERNATIVE = "Alternative"


def workflow_schema(
    masks: Mapping[str, type[BaseModel]], summaries: Mapping[str, str] | None = None
) -> JsonSchemaValue:
    """A draft 2020-12 schema. ``masks`` has the model of each mask's parameters by the mask's name, and
    ``summaries`` a line about it.
    """
    schema = Workflow.model_json_schema(mode="validation")
    definitions = schema.setdefault("$defs", {})
    definitions["MaskSpec"] = _mask_schema(masks, summaries or {}, definitions)
    _allow_null_words(schema)
    return in_markdown({"$schema": DIALECT, **schema, "title": "Workflow"})


def preset_schema(
    masks: Mapping[str, type[BaseModel]], summaries: Mapping[str, str] | None = None
) -> JsonSchemaValue:
    """That of a preset's file."""
    schema = PresetRules.model_json_schema(mode="validation")
    definitions = schema.setdefault("$defs", {})
    definitions["MaskSpec"] = _mask_schema(masks, summaries or {}, definitions)
    return in_markdown({"$schema": DIALECT, **schema, "title": "Preset"})


def _mask_schema(
    masks: Mapping[str, type[BaseModel]], summaries: Mapping[str, str], definitions: JsonSchemaValue
) -> JsonSchemaValue:
    """A mask's name alone, null (the mask of that name), or an object of its name and parameters."""
    forms: list[JsonSchemaValue] = [
        {
            "type": "string",
            "enum": sorted(masks),
            "description": "A mask without parameters.",
            "examples": ["email"],
        },
        {"type": "null", "description": "The mask null, without quotes.", "examples": [None]},
    ]
    for name in sorted(masks):
        form = masks[name].model_json_schema(mode="validation", ref_template="#/$defs/{model}")
        definitions.update(form.pop("$defs", {}))
        constant = {"const": name, "description": "The mask's name.", "examples": [name]}
        form["properties"] = {"mask": constant, **form.get("properties", {})}
        form["required"] = ["mask", *form.get("required", [])]
        form["additionalProperties"] = False
        form["description"] = summaries.get(name, f"The mask {name}.")
        form["title"] = name
        definitions[_PARAMETERS + name] = form
        forms.append({"$ref": f"#/$defs/{_PARAMETERS}{name}"})
    definitions[_ALTERNATIVE] = _alternative_schema(forms)
    return {
        "title": "Mask",
        "description": "How a column is masked: a mask's name, or an object of its name and parameters.",
        "anyOf": [
            *forms,
            {
                "type": "array",
                "minItems": 2,
                "maxItems": 20,
                "items": {"$ref": f"#/$defs/{_ALTERNATIVE}"},
                "description": "Masks with conditions: the first whose `when` is true of the row is applied;"
                " the last has none and is for all other rows.",
                "examples": [[{"when": "role = 'staff'", "mask": "keep"}, "email"]],
            },
        ],
        "examples": ["email", {"mask": "phone", "keep_prefix": 3}],
    }


def _alternative_schema(forms: Sequence[JsonSchemaValue]) -> JsonSchemaValue:
    """One of several masks: any form of a mask, with its condition. What masks take is not said again."""
    fields = Alternative.model_json_schema(mode="validation")["properties"]
    return {
        "title": "Alternative",
        "description": "A mask, or `keep`, for the rows for which `when` is true.",
        "anyOf": [
            *forms[:2],
            {
                "type": "object",
                "properties": {
                    "when": fields["when"],
                    "mask": {
                        "type": ["string", "null"],
                        "description": "A mask's name, or `keep`; its parameters stand beside it.",
                        "examples": ["keep"],
                    },
                    "because": fields["because"],
                },
                "required": ["mask"],
                "description": "A mask with its parameters and its condition.",
            },
        ],
        "examples": [{"when": "role = 'staff'", "mask": "keep"}],
    }


def _allow_null_words(schema: JsonSchemaValue) -> None:
    """``unlisted: null`` without quotes is nothing in YAML, and the word null for us."""
    schema["properties"]["unlisted"]["enum"].append(None)
    schema["properties"]["unlisted"].pop("type", None)
