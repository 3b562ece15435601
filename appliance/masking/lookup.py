"""From a mask's name and parameters in a workflow to the mask itself, or to all that is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from appliance.documents.problems import did_you_mean, path_text
from appliance.masking.mask import Mask
from appliance.workflow.document import MaskSpec


class WrongMaskError(ValueError):
    """No such mask, or parameters that it does not take; ``problems`` has a sentence for each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


def mask_and_params(spec: MaskSpec, masks: Mapping[str, Mask[Any]]) -> tuple[Mask[Any], Any]:
    """The mask and its validated parameters. Raises WrongMaskError."""
    mask = masks.get(spec.mask)
    if mask is None:
        close = did_you_mean(spec.mask, masks)
        hint = f"did you mean '{close}'?" if close else f"there are: {', '.join(masks)}"
        raise WrongMaskError([f"there is no mask '{spec.mask}'; {hint}"])
    try:
        return mask, mask.params.model_validate(spec.params)
    except ValidationError as error:
        raise WrongMaskError([_sentence(mask, each) for each in error.errors(include_url=False)]) from None


def _sentence(mask: Mask[Any], details: ErrorDetails) -> str:
    known = list(mask.params.model_fields)
    place = path_text([part for part in details["loc"] if part != "[key]"])
    kind = details["type"]
    if kind == "extra_forbidden":
        close = did_you_mean(place, known)
        hint = f"did you mean '{close}'?" if close else f"it has {', '.join(known) or 'none'}"
        return f"the mask '{mask.name}' has no parameter '{place}'; {hint}"
    if kind == "missing":
        return f"the mask '{mask.name}' needs the parameter '{place}'{_example(mask, place)}"
    context = details.get("ctx", {})
    if kind == "problem":
        message = f"{context['what']}; expected {context['expected']}"
    else:
        message = details["msg"][0].lower() + details["msg"][1:]
    return f"the mask '{mask.name}', {place}: {message}" if place else f"the mask '{mask.name}': {message}"


def _example(mask: Mask[Any], name: str) -> str:
    field = mask.params.model_fields.get(name)
    return f", for example {field.examples[0]!r}" if field is not None and field.examples else ""
