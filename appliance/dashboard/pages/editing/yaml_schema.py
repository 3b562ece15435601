"""The JSON Schema of a workflow, by which the editor says what can stand at the cursor."""

from __future__ import annotations

import json
from functools import cache

from fastapi import APIRouter, Depends
from starlette.responses import Response

from appliance.dashboard.web.access import visit
from appliance.masking.registry import MASKS, parameter_models
from appliance.workflow.schema import workflow_schema

router = APIRouter()


@router.get("/workflow-schema.json", dependencies=[Depends(visit)])
def schema() -> Response:
    """The schema, which changes with releases only."""
    return Response(_text(), media_type="application/json", headers={"cache-control": "private, max-age=600"})


@cache
def _text() -> bytes:
    summaries = {name: mask.summary for name, mask in MASKS.items()}
    return json.dumps(workflow_schema(parameter_models(), summaries)).encode()
