"""Puts the contract's own models into the OpenAPI document, where a handler reads its body itself."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

_TEMPLATE = "#/components/schemas/{model}"
_bodies: list[type[BaseModel]] = []


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """For ``openapi_extra``: the handler takes this model as its JSON body."""
    _bodies.append(model)
    schema = {"$ref": _TEMPLATE.format(model=model.__name__)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def describe(app: FastAPI) -> dict[str, Any]:
    """The whole document, made once."""
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(
        title="Appliance dashboard",
        version="1",
        description=(
            "The calls under *appliance* are the contract with appliances: a server that answers them alike "
            "can replace this dashboard. Those under *management* do what its pages do, with an API token."
        ),
        routes=app.routes,
        separate_input_output_schemas=False,
    )
    _, definitions = models_json_schema([(model, "validation") for model in _bodies], ref_template=_TEMPLATE)
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(definitions["$defs"])
    components["securitySchemes"] = {
        "appliance": {"type": "http", "scheme": "bearer", "description": "An appliance's own token (apl_…)."},
        "management": {"type": "http", "scheme": "bearer", "description": "An API token (apd_…)."},
    }
    for path, calls in document["paths"].items():
        for call in calls.values():
            kind = (call.get("tags") or [""])[0]
            if kind in components["securitySchemes"] and path != "/v1/enrol":
                call["security"] = [{kind: []}]
    app.openapi_schema = document
    return document
