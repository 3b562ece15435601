"""Whether the masks that a workflow names exist and have the parameters they take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, runtime_checkable

from pydantic import BaseModel, ValidationError

from appliance.documents.document import Document
from appliance.documents.model import WORDED_ERRORS, problems_of
from appliance.documents.problems import KeyPath, Problem, did_you_mean
from appliance.workflow.conditions.alternatives import Alternatives
from appliance.workflow.document import CHOICES, WHEN, MaskSpec


@runtime_checkable
class Nesting(Protocol):
    """Parameters that hold masks themselves, as those of ``json`` do."""

    # ``DEEP``, where it is true, says that masks with parameters like these may stand in it too.

    def nested(self) -> Iterable[tuple[KeyPath, str | MaskSpec]]:
        """Places below the parameters, each with a mask, or with what is wrong there."""


def check_masks(document: Document, models: Mapping[str, type[BaseModel]]) -> list[Problem]:
    """Every unknown mask and every wrong parameter of a document, valid otherwise or not: a workflow's, in
    which presets are resolved, or a preset's.

    ``models`` has the model of each mask's parameters by the mask's name.
    """
    used = document.data.get("use")
    presets = list(enumerate(used)) if isinstance(used, list) else []
    rules: list[tuple[KeyPath, object]] = [
        ((), document.data),
        *((("use", place), each) for place, each in presets),
    ]
    problems: list[Problem] = []
    for path, data in rules:
        masks = data.get("masks") if isinstance(data, dict) else None
        for pattern, written in masks.items() if isinstance(masks, dict) else ():
            try:
                spec = MaskSpec.model_validate(written)
            except ValidationError:
                # What is not a mask at all is for the document's own model to say.
                continue
            problems += _check(document, (*path, "masks", pattern), spec, models, len(problems))
    return problems


def _check(
    document: Document, path: KeyPath, spec: MaskSpec, models: Mapping[str, type[BaseModel]], found: int
) -> list[Problem]:
    if spec.mask == WHEN:
        return _check_alternatives(document, path, spec, models, found)
    model = models.get(spec.mask)
    if model is None:
        close = did_you_mean(spec.mask, models) if found < WORDED_ERRORS else None
        hint = f" (did you mean {close}?)" if close else ""
        what = f"there is no mask `{spec.mask}`{hint}"
        return [document.problem(path, what, f"one of: {', '.join(sorted(models))}")]
    try:
        params = model.model_validate(spec.params)
    except ValidationError as error:
        return problems_of(error, model, document, prefix=path)
    problems: list[Problem] = []
    for place, inner in params.nested() if isinstance(params, Nesting) else ():
        if isinstance(inner, str):
            problems.append(document.problem(path + place, inner))
            continue
        if inner.mask == WHEN:
            problems.append(
                document.problem(path + place, "is a list", "one mask: conditions are a column's")
            )
            continue
        simple = models
        if not getattr(params, "DEEP", False):
            simple = {name: each for name, each in models.items() if not issubclass(each, Nesting)}
        problems += _check(document, path + place, inner, simple, found + len(problems))
    return problems


def _check_alternatives(
    document: Document, path: KeyPath, spec: MaskSpec, models: Mapping[str, type[BaseModel]], found: int
) -> list[Problem]:
    """A list of masks with conditions: the list itself, then each mask in it."""
    try:
        choices = Alternatives.model_validate({CHOICES: spec.params.get(CHOICES)})
    except ValidationError as error:
        return problems_of(error, Alternatives, document, prefix=path)
    problems = [document.problem(path + place, *said) for place, *said in choices.problems()]
    for place, each in enumerate(choices.choices):
        if not each.keeps and each.mask.mask != WHEN:
            problems += _check(document, (*path, place), each.mask, models, found + len(problems))
    return problems
