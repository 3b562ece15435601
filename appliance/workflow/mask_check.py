"""Whether the masks that a workflow names exist and have the parameters they take."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ValidationError

from appliance.problems import Problem, did_you_mean
from appliance.strict_document import Document
from appliance.strict_model import WORDED_ERRORS, problems_of
from appliance.workflow.document import MaskSpec


def check_masks(document: Document, models: Mapping[str, type[BaseModel]]) -> list[Problem]:
    """Every unknown mask and every wrong parameter of a workflow's document, valid otherwise or not.

    ``models`` has the model of each mask's parameters by the mask's name.
    """
    masks = document.data.get("masks")
    problems: list[Problem] = []
    for pattern, written in masks.items() if isinstance(masks, dict) else ():
        try:
            spec = MaskSpec.model_validate(written)
        except ValidationError:
            # What is not a mask at all is for the workflow's own model to say.
            continue
        path = ("masks", pattern)
        model = models.get(spec.mask)
        if model is None:
            close = did_you_mean(spec.mask, models) if len(problems) < WORDED_ERRORS else None
            hint = f" (did you mean {close}?)" if close else ""
            what = f"there is no mask `{spec.mask}`{hint}"
            problems.append(document.problem(path, what, f"one of: {', '.join(sorted(models))}"))
            continue
        try:
            model.model_validate(spec.params)
        except ValidationError as error:
            problems += problems_of(error, model, document, prefix=path)
    return problems
