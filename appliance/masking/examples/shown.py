"""Examples of a mask as a document writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.masking.lookup import mask_and_params
from appliance.masking.registry import MASKS
from appliance.workflow.document import MaskSpec


def examples_of(name: str, params: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What a mask makes of invented values with just these parameters; none where they are wrong."""
    try:
        mask, checked = mask_and_params(MaskSpec.model_validate({"mask": name, **params}), MASKS)
        return mask.examples(checked)
    except ValueError:
        # Whatever is wrong with it is said where documents are checked.
        return ()
