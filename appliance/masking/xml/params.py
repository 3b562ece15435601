"""The parameters of the mask ``xml``: paths, and what becomes of what stands there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from appliance.masking.json.params import ENDS, OrAnEnd
from appliance.masking.mask import Params
from appliance.masking.xml.paths import WrongPathError, XmlPath, leads_through, overlap, parse_xml_path
from appliance.workflow.document import MaskSpec


class XmlParams(Params):
    """Which paths, and a mask for each."""

    paths: dict[str, Annotated[MaskSpec, OrAnEnd(ENDS)]] = Field(
        min_length=1,
        max_length=50,
        description="A mask for each path. `/person/name` is an element from the root on, `//email` one"
        " anywhere, `/order/@customer` an attribute; a * stands for every name. Names are compared without"
        " their prefix. Besides a mask, `delete` takes the element or attribute away, and `keep` keeps it"
        " where the others are deleted.",
        examples=[
            {
                "/person/name": "full_name",
                "//email": "email",
                "/person/order/@card": {"mask": "partial", "keep_last": 4},
                "/person/*/serial": "hash",
                "/person/note": "delete",
            }
        ],
    )
    others: Literal["keep", "delete"] = Field(
        default="keep",
        description="What becomes of all elements, attributes and texts that no path leads to. Comments,"
        " processing instructions, the declaration and text outside of elements always go.",
        examples=["delete"],
    )

    def nested(self) -> Iterator[tuple[tuple[str, ...], str | MaskSpec]]:
        """Each path with its mask, or with what is wrong with the path, for the check of a document."""
        wrong = dict(path_problems(self.paths, self.others))
        for path, spec in self.paths.items():
            if path in wrong:
                yield ("paths", path), wrong[path]
            elif spec.mask not in ENDS:
                yield ("paths", path), spec


def path_problems(paths: Mapping[str, MaskSpec], others: str) -> Iterator[tuple[str, str]]:
    """What is wrong with each path or the word at its end."""
    known: dict[str, XmlPath] = {}
    for text, spec in paths.items():
        try:
            path = parse_xml_path(text)
        except WrongPathError as wrong:
            yield text, f"is no path to mask: {wrong}"
            continue
        wrong_end = _wrong_end(path, spec, others, paths)
        if same := next((each for each, other in known.items() if overlap(path, other)), None):
            yield text, f"is no path to mask: `{same}` may lead to the same"
        elif through := _through(path, text, paths):
            yield text, f"is no path to mask: it leads through `{through}`, which is masked as a whole"
        elif wrong_end is not None:
            yield text, wrong_end
        known[text] = path


def _through(path: XmlPath, text: str, paths: Mapping[str, MaskSpec]) -> str | None:
    """A path whose elements are masked or deleted with all in them, and that hides this one."""
    for other, spec in paths.items():
        outer = _parsed(other)
        if outer is None or other == text or spec.mask == "keep":
            continue
        if leads_through(path, outer) or (spec.mask == "delete" and path.attribute and outer == path.element):
            return other
    return None


def _wrong_end(path: XmlPath, spec: MaskSpec, others: str, paths: Mapping[str, MaskSpec]) -> str | None:
    """Why ``delete`` or ``keep`` cannot stand at a path."""
    if spec.mask not in ENDS:
        return None
    if spec.params:
        return f"{spec.mask} has no parameters"
    if spec.mask == "keep" and others == "keep" and not _of_masked(path, paths):
        return (
            "all that no path leads to is kept already; keep says something with `others: delete`, or of an"
            " attribute of an element that is masked"
        )
    return None


def _of_masked(path: XmlPath, paths: Mapping[str, MaskSpec]) -> bool:
    """Whether it is an attribute of elements that another path masks."""
    masked = {_parsed(text) for text, spec in paths.items() if spec.mask not in ENDS}
    return path.attribute is not None and path.element in masked


def _parsed(text: str) -> XmlPath | None:
    try:
        return parse_xml_path(text)
    except WrongPathError:
        return None
