"""A mask and its options as they are typed on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from appliance.documents import strict_yaml
from appliance.documents.problems import WrongDocumentError, did_you_mean, printable
from appliance.errors import WrongRequestError
from appliance.masking.examples.shown import examples_of
from appliance.masking.lookup import WrongMaskError, mask_and_params
from appliance.masking.mask import Mask
from appliance.masking.registry import MASKS
from appliance.workflow.document import MaskSpec


def wanted_mask(name: str, options: Sequence[str]) -> tuple[Mask[Any], Any]:
    """The mask with these options, and with those that it needs where none is given.

    Raises WrongRequestError.
    """
    mask = MASKS.get(name)
    if mask is None:
        close = did_you_mean(name, MASKS)
        hint = f"Did you mean {close}?" if close else f"There are: {', '.join(MASKS)}."
        raise WrongRequestError(f"There is no mask '{printable(name)}'.", hint, "appliance masks")
    if not options:
        return mask, mask.plain_params()
    given = dict(_option(mask, text) for text in options)
    needed = mask.plain_params().model_dump(exclude_unset=True)
    try:
        wanted = MaskSpec.model_validate({"mask": name, **needed, **given})
        _, params = mask_and_params(wanted, MASKS)
    except (WrongMaskError, ValidationError) as wrong:
        problems = (
            wrong.problems if isinstance(wrong, WrongMaskError) else ["the options are not of its kind"]
        )
        raise WrongRequestError(
            "\n".join(f"{each[0].upper()}{each[1:]}." for each in problems),
            next_step=f"appliance masks {name}",
        ) from None
    if not examples_of(name, wanted.params):
        raise WrongRequestError(
            f"The mask '{name}' makes nothing of its examples with these options.",
            "At a path of a document only masks of text and of numbers have something to do.",
            f"appliance masks {name}",
        )
    return mask, params


def _option(mask: Mask[Any], text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        known = ", ".join(mask.params.model_fields) or "none"
        raise WrongRequestError(
            f"'{printable(text)}' is no option.",
            f"An option is written OPTION=VALUE; the mask '{mask.name}' has: {known}.",
            f"appliance masks {mask.name}",
        )
    try:
        return key, strict_yaml.load(f"value: {value}", "option").data["value"]
    except WrongDocumentError:
        return key, value
