"""An invented document for some paths, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from appliance.masking.xml.paths import ANY, XmlPath

_ROOT = "document"


@dataclass
class _Element:
    text: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    children: dict[str, _Element] = field(default_factory=dict)

    def written(self, name: str, former: _Element | None = None) -> str:
        """With ``former``, what it was: an element that has lost its elements still has two tags."""
        before = former.children if former else {}
        inside = escape(self.text) + "".join(
            each.written(child, before.get(child)) for child, each in self.children.items()
        )
        shown = "".join(f" {key}={quoteattr(value)}" for key, value in self.attributes.items())
        return f"<{name}{shown}>{inside}</{name}>" if inside or before else f"<{name}{shown}/>"


def example_documents(values: Mapping[XmlPath, tuple[str, str | None]], *, only: bool) -> tuple[str, str]:
    """A document with the first of each two values at its path, and one with the second; None takes the
    element or attribute away. With ``only`` the first has something more, at no path.
    """
    roots = [path.top[0] for path in values if path.top and path.top[0] != ANY]
    root = roots[0] if roots else _ROOT
    before, after = _Element(), _Element()
    for path, (original, masked) in values.items():
        _place(before, path, root, original)
        if masked is not None:
            _place(after, path, root, masked)
        elif not only:
            _above(after, path, root)
    if only:
        before.children[root].children["other"] = _Element("text")
    return _written(before, _Element()), _written(after, before)


def _above(document: _Element, path: XmlPath, root: str) -> None:
    names = _names(path, root)
    _down(document, names if path.attribute is not None else names[:-1])


def _place(document: _Element, path: XmlPath, root: str, value: str) -> None:
    element = _down(document, _names(path, root))
    if path.attribute is None:
        element.text = value
    else:
        element.attributes["any" if path.attribute == ANY else path.attribute] = value


def _down(element: _Element, names: list[str]) -> _Element:
    for name in names:
        element = element.children.setdefault(name, _Element())
    return element


def _names(path: XmlPath, root: str) -> list[str]:
    """The names of an element at a path, in a document whose root is called so."""
    names = [*path.top, *path.anywhere] if path.top else [root, *path.anywhere]
    if path.anywhere == (ANY,) and path.attribute is not None and not path.top:
        return [root]
    return [name if name != ANY else root if place == 0 else "any" for place, name in enumerate(names)]


def _written(document: _Element, former: _Element) -> str:
    return "".join(each.written(name, former.children.get(name)) for name, each in document.children.items())
