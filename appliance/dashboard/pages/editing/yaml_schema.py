"""The JSON Schema of a workflow, by which the editor says what can stand at the cursor."""

from __future__ import annotations

import json
from functools import cache
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic.json_schema import JsonSchemaValue
from starlette.responses import Response

from appliance.dashboard.store import presets
from appliance.dashboard.web.access import Visit, visit
from appliance.masking.registry import MASKS, parameter_models
from appliance.workflow.schema import preset_schema, workflow_schema

router = APIRouter()


Visitor = Annotated[Visit, Depends(visit)]
_FOR_A_WHILE = {"cache-control": "private, max-age=600"}


@router.get("/workflow-schema.json")
def schema(visitor: Visitor) -> Response:
    """The schema, with the presets that there are: what may stand under `use`."""
    with visitor.context.database.read() as session:
        known = [row.name for row in presets.presets(session)]
    found = _schema()
    if known:
        use = {**found["properties"]["use"], "items": {"type": "string", "enum": known}}
        found = {**found, "properties": {**found["properties"], "use": use}}
    return Response(json.dumps(found), media_type="application/json", headers={"cache-control": "no-cache"})


@router.get("/preset-schema.json", dependencies=[Depends(visit)])
def of_presets() -> Response:
    """The schema of a preset, which changes with releases only."""
    text = json.dumps(_preset_schema())
    return Response(text, media_type="application/json", headers=_FOR_A_WHILE)


@cache
def _schema() -> JsonSchemaValue:
    return workflow_schema(parameter_models(), _summaries())


@cache
def _preset_schema() -> JsonSchemaValue:
    return preset_schema(parameter_models(), _summaries())


def _summaries() -> dict[str, str]:
    return {name: mask.summary for name, mask in MASKS.items()}
