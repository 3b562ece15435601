"""The JSON Schema of ``connections.yaml``, by which editors check it."""

from __future__ import annotations

from pydantic.json_schema import JsonSchemaValue

from appliance.connections.buckets import MODELS
from appliance.connections.database import Connection
from appliance.documents.json_schema import document_schema
from appliance.documents.names import CONNECTION_NAME


def connections_schema() -> JsonSchemaValue:
    """The JSON Schema of the file: connections by name, whose texts need no quotes."""
    schema = document_schema(Connection, "Connections")
    models = {"Connection": Connection, **{model.__name__: model for model in MODELS.values()}}
    definitions: JsonSchemaValue = {}
    for title, model in models.items():
        described = document_schema(model, title)
        definitions |= described.get("$defs", {})
        definitions[title] = _one_connection(title, described)
    return {
        "$schema": schema["$schema"],
        "title": "Connections",
        "description": (
            "Databases and buckets by name: their addresses and credentials, known on this appliance only."
        ),
        "type": "object",
        "propertyNames": {"pattern": f"^{CONNECTION_NAME}$"},
        "additionalProperties": {"oneOf": [{"$ref": f"#/$defs/{title}"} for title in models]},
        "$defs": definitions,
    }


def _one_connection(title: str, described: JsonSchemaValue) -> JsonSchemaValue:
    connection = {key: described[key] for key in ("description", "properties", "required", "type")}
    command = connection["properties"]["password_command"]
    command["anyOf"] = [{"type": "string", "minLength": 1}, *command["anyOf"]]
    for each in connection["properties"].values():
        if each.get("type") == "string" and "enum" not in each and "const" not in each:
            each["type"] = ["string", "number", "boolean"]
    return {"title": title, **connection, "additionalProperties": False}
