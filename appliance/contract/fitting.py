"""Making a model of fields that come from elsewhere: what does not fit is left out, where it can be.

Names of tables, numbers out of a step's result, rows of the outbox that another release wrote: one odd field
must not keep a run's outcome from being reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)
LONGEST_NAME = 260


def fitting(model: type[Model], fields: Mapping[str, Any]) -> Model | None:
    """The model without the parts that do not fit it; None where an essential one does not."""
    data = dict(fields)
    while True:
        try:
            return model.model_validate(data, extra="ignore")
        except ValidationError as error:
            data = _copied(data)
            # From the back, so that an item that goes moves none that is still to go.
            places = sorted({_culprit(each) for each in error.errors()}, key=_order, reverse=True)
            if not all(_without(data, place) for place in places):
                return None


def shown_name(name: str) -> str:
    """The name of a table or column as an event may have it: printable, and not longer than the contract.

    No two names are shown alike: what is not printable is an escape, and a backslash is two.
    """
    doubled = name.replace("\\", "\\\\")
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in doubled)[:LONGEST_NAME]


def _culprit(error: Any) -> tuple[str | int, ...]:
    """Where the part is that has to go: what lacks something goes as a whole."""
    place: tuple[str | int, ...] = error["loc"]
    return place[:-1] if error["type"] == "missing" else place


def _without(data: Any, place: tuple[str | int, ...]) -> bool:
    """Whether the part could be taken out; False for the whole."""
    if not place:
        return False
    for key in place[:-1]:
        data = data[key]
    del data[place[-1]]
    return True


def _copied(data: Any) -> Any:
    """Its dictionaries and lists anew, so that nothing of the caller's is changed."""
    if isinstance(data, dict):
        return {key: _copied(value) for key, value in data.items()}
    return [_copied(each) for each in data] if isinstance(data, list | tuple) else data


def _order(place: tuple[str | int, ...]) -> tuple[str, ...]:
    return tuple(f"{key:09}" if isinstance(key, int) else key for key in place)
