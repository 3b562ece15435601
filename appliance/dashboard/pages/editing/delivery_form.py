"""The part of the workflow's form that says where a result goes beside the twin, and what runs in it before.

Files, buckets, containers and SQL after loading: lists of mappings as fields, and the fields as these again.
What has no field, and what was not changed, stays as it was in the document.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal, get_args

from starlette.datastructures import FormData

from appliance.dashboard.pages.editing.form_fields import as_text, lines_of, mapping_of, put, text_in, typed
from appliance.documents.document import scalar
from appliance.exports.manifest import Format

FieldKind = Literal["text", "long", "lines", "arguments", "words", "choice", "number", "connection"]
"""``lines`` are trimmed; ``arguments`` are not, and may be empty; ``words`` stand in one line."""
SHOWN = "deliveries"
"""The hidden field of a form that has these parts at all."""


@dataclass(frozen=True)
class DeliveryField:
    """One field: the key that it writes, with a dot where that stands in a mapping of its own."""

    key: str
    label: str
    kind: FieldKind = "text"
    hint: str = ""
    choices: tuple[str, ...] = ()
    usual: str = ""
    """What holds where it is empty."""
    only_for: str = ""
    """The format with which it means something."""
    without_twin: bool = False
    """Whether it means something only where the workflow has no twin."""
    wide: bool = False
    """Whether what stands in it is too long for a column of the form."""


@dataclass(frozen=True)
class Part:
    """One kind of entry: where its list stands, and what it has fields for."""

    name: str
    list_key: str
    title: str
    fields: tuple[DeliveryField, ...]

    @property
    def wrapped(self) -> bool:
        """Whether an entry is ``{files: {…}}`` rather than the mapping itself."""
        return self.list_key == "deliver"


_EXPIRES = DeliveryField("expires_days", "Deleted after (days)", "number", "Empty: as the appliance says.")
_BUILD_IN = DeliveryField(
    "build_in", "Built in", "connection", "A server where the data is built and proven.", without_twin=True
)
PARTS = (
    Part(
        "files",
        "deliver",
        "Files",
        (
            DeliveryField("format", "Format", "choice", choices=get_args(Format)),
            _BUILD_IN,
            DeliveryField("tables.include", "Only these tables", "lines", "schema.table, one a line."),
            DeliveryField("tables.exclude", "Except", "lines"),
            DeliveryField(
                "layout", "Layout", "choice", choices=("file", "folder"), usual="file", only_for="archive"
            ),
            DeliveryField("rows_per_file", "Rows a file", "number", usual="2000000", only_for="parquet"),
            _EXPIRES,
        ),
    ),
    Part(
        "bucket",
        "deliver",
        "Bucket",
        (
            DeliveryField("connection", "Bucket's connection", hint="Of the type s3, gcs or azure."),
            DeliveryField("formats", "Formats", "words", f"Of {', '.join(get_args(Format))}."),
            DeliveryField(
                "prefix",
                "Names begin with",
                hint="{workflow}, {date} and {run} are filled in.",
                usual="{workflow}/",
            ),
            DeliveryField("keep", "How many stay", "number", "Empty: all of them."),
            _BUILD_IN,
        ),
    ),
    Part(
        "container",
        "deliver",
        "Container of your own",
        (
            DeliveryField(
                "image", "Image", hint="With a digest, or a tag that the appliance trusts.", wide=True
            ),
            DeliveryField("reads", "It reads", "choice", choices=("files", "twin"), usual="files"),
            DeliveryField("network", "It reaches", "lines", "none, databases, or HOST:PORT, one a line."),
            DeliveryField("args", "Arguments", "arguments", "One a line."),
            DeliveryField("secrets", "Secrets", "words", "Names of files in the appliance's secrets/."),
            DeliveryField("on_failure", "If it fails", "choice", choices=("fail", "warn"), usual="fail"),
            DeliveryField("memory_mb", "Memory (MiB)", "number", usual="512"),
            DeliveryField("cpus", "CPUs", "number", usual="1"),
            DeliveryField("timeout_min", "Time limit (min)", "number", usual="60"),
            DeliveryField("out_max_mb", "May write (MiB)", "number", usual="1024"),
        ),
    ),
    Part(
        "after_load",
        "after_load",
        "SQL in the new twin, before anybody sees it",
        (
            DeliveryField(
                "file", "File beside the workflow", hint="On the appliance, as test-logins.sql.", wide=True
            ),
            DeliveryField("sql", "or SQL", "long", "If the customer's policy allows SQL from here."),
        ),
    ),
)


@dataclass(frozen=True)
class EntryRow:
    """An entry as it is shown; ``at`` is which of its kind it is in the document, None for a new one."""

    at: int | None
    values: dict[str, str]
    has_twin: bool = False
    only_in_yaml: frozenset[str] = frozenset()
    """The fields that cannot show all of what the document says there, and so must not write it."""

    def shows(self, field: DeliveryField) -> bool:
        """Whether a field is offered: one that means nothing here only where it is filled in."""
        fits = not field.only_for or self.values.get("format") == field.only_for
        fits = fits and not (field.without_twin and self.has_twin)
        return fits or bool(self.values[field.key]) or field.key in self.only_in_yaml


@dataclass
class PartShown:
    """A part with its entries."""

    part: Part
    rows: list[EntryRow]
    has_twin: bool = False

    def add_empty(self) -> None:
        """One more row to fill in."""
        self.rows.append(EntryRow(None, {field.key: "" for field in self.part.fields}, self.has_twin))


def parts_shown(data: dict[str, Any]) -> list[PartShown]:
    """What the form shows of a document, valid or not yet."""
    deliver = data.get("deliver")
    has_twin = any("twin" in mapping_of(each) for each in deliver) if isinstance(deliver, list) else False
    return [
        PartShown(
            part,
            [
                EntryRow(at, _shown(part, entry), has_twin, _only_in_yaml(part, entry))
                for at, (_, entry) in enumerate(_entries(data, part))
            ],
            has_twin,
        )
        for part in PARTS
    ]


def read_parts(form: FormData, data: dict[str, Any]) -> None:
    """Write what the fields say into a document. A form without these parts changes nothing."""
    if text_in(form, SHOWN) != "yes":
        return
    for key in dict.fromkeys(part.list_key for part in PARTS):
        was = data.get(key)
        made = list(was) if isinstance(was, list) else []
        for part in PARTS:
            if part.list_key == key:
                made = _with_rows(form, part, made)
        if isinstance(was, list) or made:
            put(data, key, made)


def _with_rows(form: FormData, part: Part, entries: list[Any]) -> list[Any]:
    """The list in which the entries of one part are as the form has them, each at its place."""
    rows = [text for text in form.getlist(f"d.{part.name}") if isinstance(text, str)]
    given = {text_in(form, f"d.{part.name}.{row}.at") or f"new {row}": row for row in rows}
    made, number = [], 0
    for entry in entries:
        if not _is_of(entry, part):
            made.append(entry)
            continue
        row = given.pop(str(number), None)
        number += 1
        if row is not None:
            made.append(_filled(form, part, row, entry))
    fresh = [_filled(form, part, row, {part.name: {}} if part.wrapped else {}) for row in given.values()]
    return [*made, *(entry for entry in fresh if _content(entry, part))]


def _filled(form: FormData, part: Part, row: str, entry: Any) -> Any:
    """An entry with what stands in the fields of its row; the same one where nothing was changed."""
    content = deepcopy(mapping_of(_content(entry, part)))
    was = _shown(part, content)
    changed = False
    for field in part.fields:
        name = f"d.{part.name}.{row}.{field.key}"
        text = typed(form.get(name)).rstrip() if field.kind == "arguments" else text_in(form, name)
        before = was[field.key].rstrip() if field.kind == "arguments" else was[field.key].strip()
        if name not in form or text == before:
            continue
        changed = True
        _write(content, field, text)
    if not changed:
        return entry
    return {**mapping_of(entry), part.name: content} if part.wrapped else content


def _write(content: dict[str, Any], field: DeliveryField, text: str) -> None:
    holder, _, key = field.key.rpartition(".")
    inside = dict(mapping_of(content.get(holder))) if holder else content
    put(inside, key, _value(field, text))
    if holder:
        put(content, holder, inside)


def _value(field: DeliveryField, text: str) -> Any:
    """What a field says, as the document has it."""
    if field.kind == "lines":
        lines = [line.strip() for line in text.split("\n") if line.strip()]
        return lines[0] if field.key == "network" and len(lines) == 1 else lines
    if field.kind == "arguments":
        return text.split("\n") if text else []
    if field.kind == "words":
        return text.replace(",", " ").split()
    if field.kind == "long":
        return text + "\n" if "\n" in text else text
    return scalar(text) if field.kind == "number" and text else text


def _shown(part: Part, content: Any) -> dict[str, str]:
    return {field.key: _text(field, _found(field, content)) for field in part.fields}


def _text(field: DeliveryField, value: Any) -> str:
    lines = lines_of(value) if isinstance(value, list) else as_text(value)
    return ", ".join(lines.split("\n")) if field.kind == "words" else lines


def _found(field: DeliveryField, content: Any) -> Any:
    holder, _, key = field.key.rpartition(".")
    return mapping_of(mapping_of(content).get(holder) if holder else content).get(key)


def _only_in_yaml(part: Part, content: Any) -> frozenset[str]:
    """The fields of lists and mappings that would not give back what the document says."""
    found = {field: _found(field, content) for field in part.fields}
    lossy = {field.key for field, value in found.items() if not _shows_all(field, value)}
    return frozenset(lossy)


def _shows_all(field: DeliveryField, value: Any) -> bool:
    if not isinstance(value, list):
        return not isinstance(value, dict)
    read = _value(field, _text(field, value))
    read = read if isinstance(read, list) else [read] if read else []
    nested = any(isinstance(each, dict | list) for each in value)
    return not nested and read == [as_text(each) for each in value]


def _entries(data: dict[str, Any], part: Part) -> list[tuple[Any, Any]]:
    entries = data.get(part.list_key)
    found = entries if isinstance(entries, list) else []
    return [(entry, _content(entry, part)) for entry in found if _is_of(entry, part)]


def _is_of(entry: Any, part: Part) -> bool:
    return not part.wrapped or part.name in mapping_of(entry)


def _content(entry: Any, part: Part) -> Any:
    return mapping_of(entry).get(part.name) if part.wrapped else entry
