"""Masks that write other columns of the row, as masked: in which order columns are compiled, and circles."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from appliance.masking.lookup import WrongMaskError, mask_and_params
from appliance.masking.registry import MASKS
from appliance.workflow.conditions.alternatives import alternatives_of
from appliance.workflow.document import MaskSpec


def columns_read(spec: MaskSpec) -> tuple[str, ...]:
    """The columns whose masked values a mask, or one of several, writes; none for one that is wrong."""
    if choices := alternatives_of(spec):
        return tuple(dict.fromkeys(name for each in choices for name in columns_read(each.mask)))
    try:
        mask, params = mask_and_params(spec, MASKS)
        # One inside it may be wrong too.
        return tuple(dict.fromkeys(mask.reads(params)))
    except WrongMaskError:
        return ()


def reading_order(
    reads: Mapping[str, tuple[str, ...]],
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The columns, each after all that it reads, and the circles, whose columns are in no order.

    A circle begins and ends with the same column, each of which reads the next.
    """
    left = dict(reads)
    circles: list[tuple[str, ...]] = []
    while True:
        sorter = TopologicalSorter(
            {name: [each for each in read if each in left] for name, read in left.items()}
        )
        try:
            return tuple(sorter.static_order()), tuple(circles)
        except CycleError as error:
            # graphlib names them from what is read to what reads it.
            circle = tuple(reversed(error.args[1]))
            circles.append(circle)
            left = {name: read for name, read in left.items() if name not in circle}
