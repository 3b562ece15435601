"""What a browser would send of a form: the fields of its HTML, filled in as the page shows them."""

from __future__ import annotations

from html.parser import HTMLParser


class FormFields(HTMLParser):
    """Feed it a page; ``fields`` are the (name, value) pairs of its controls."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: list[tuple[str, str]] = []
        self._area: str | None = None
        self._text = ""
        self._choice: str | None = None
        self._options: list[tuple[str, bool]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a control as it begins."""
        given = {name: value or "" for name, value in attrs}
        name, value = given.get("name", ""), given.get("value", "")
        if tag == "input" and name:
            if given.get("type") not in ("radio", "checkbox") or "checked" in given:
                # A browser takes line breaks out of what stands on one line.
                self.fields.append((name, value.replace("\n", "")))
        elif tag == "textarea":
            self._area, self._text = name, ""
        elif tag == "select":
            self._choice, self._options = name, []
        elif tag == "option":
            self._options.append((value, "selected" in given))

    def handle_data(self, data: str) -> None:
        """The text of a textarea."""
        if self._area is not None:
            self._text += data

    def handle_endtag(self, tag: str) -> None:
        """Note a control whose value came between its tags."""
        if tag == "textarea" and self._area is not None:
            self.fields.append((self._area, self._text))
            self._area = None
        elif tag == "select" and self._choice is not None:
            chosen = [value for value, is_selected in self._options if is_selected]
            first = [value for value, _ in self._options[:1]]
            self.fields.append((self._choice, (chosen or first or [""])[-1]))
            self._choice = None
