"""The part of the workflow's form that says where a result goes beside the twin, and what runs in it before.

Files, buckets, containers and SQL after loading: lists of mappings as fields, and the fields as these again.
What has no field, and what was not changed, stays as it was in the document.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal, get_args

from starlette.datastructures import FormData

from appliance.dashboard.pages.editing.form_fields import as_text, lines_of, mapping_of, put, text_in
from appliance.documents.document import scalar
from appliance.exports.manifest import Format

FieldKind = Literal["text", "long", "lines", "choice", "number", "connection"]
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
PARTS = (
    Part(
        "files",
        "deliver",
        "Files",
        (
            DeliveryField("format", "Format", "choice", choices=get_args(Format)),
            DeliveryField("build_in", "Built in", "connection", "Without a twin: where the data is proven."),
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
            DeliveryField("formats", "Formats", "lines", f"{', '.join(get_args(Format))}; one a line."),
            DeliveryField(
                "prefix",
                "Names begin with",
                hint="{workflow}, {date} and {run} are filled in.",
                usual="{workflow}/",
            ),
            DeliveryField("keep", "How many stay", "number", "Empty: all of them."),
            DeliveryField("build_in", "Built in", "connection", "Without a twin: where the data is proven."),
        ),
    ),
    Part(
        "container",
        "deliver",
        "Container of your own",
        (
            DeliveryField("image", "Image", hint="With a digest, or a tag that the appliance trusts."),
            DeliveryField("reads", "It reads", "choice", choices=("files", "twin"), usual="files"),
            DeliveryField("network", "It reaches", "lines", "none, databases, or HOST:PORT, one a line."),
            DeliveryField("args", "Arguments", "lines", "One a line."),
            DeliveryField("secrets", "Secrets", "lines", "Names of files in the appliance's secrets/."),
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
            DeliveryField("file", "File beside the workflow", hint="On the appliance, as test-logins.sql."),
            DeliveryField("sql", "or SQL", "long", "If the customer's policy allows SQL from here."),
        ),
    ),
)


@dataclass(frozen=True)
class EntryRow:
    """An entry as it is shown; ``at`` is which of its kind it is in the document, None for a new one."""

    at: int | None
    values: dict[str, str]

    def shows(self, field: DeliveryField) -> bool:
        """Whether a field is offered: one for another format only where it is filled in."""
        return (
            not field.only_for or self.values.get("format") == field.only_for or bool(self.values[field.key])
        )


@dataclass
class PartShown:
    """A part with its entries."""

    part: Part
    rows: list[EntryRow]

    def add_empty(self) -> None:
        """One more row to fill in."""
        self.rows.append(EntryRow(None, {field.key: "" for field in self.part.fields}))


def parts_shown(data: dict[str, Any]) -> list[PartShown]:
    """What the form shows of a document, valid or not yet."""
    return [
        PartShown(
            part,
            [EntryRow(at, _shown(part, entry)) for at, (_, entry) in enumerate(_entries(data, part))],
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
        text = text_in(form, name)
        if name not in form or text.splitlines() == was[field.key].strip().splitlines():
            continue
        changed = True
        _write(content, field, text)
    if not changed:
        return entry
    return {**mapping_of(entry), part.name: content} if part.wrapped else content


def _write(content: dict[str, Any], field: DeliveryField, text: str) -> None:
    holder, _, key = field.key.rpartition(".")
    inside = dict(mapping_of(content.get(holder))) if holder else content
    value: Any = scalar(text) if field.kind == "number" and text else text
    if field.kind == "lines":
        value = [line.strip() for line in text.splitlines() if line.strip()]
        if field.key == "network" and len(value) == 1:
            value = value[0]
    put(inside, key, value)
    if holder:
        put(content, holder, inside)


def _shown(part: Part, content: Any) -> dict[str, str]:
    values = {}
    for field in part.fields:
        holder, _, key = field.key.rpartition(".")
        found = mapping_of(mapping_of(content).get(holder) if holder else content).get(key)
        values[field.key] = lines_of(found) if isinstance(found, list) else as_text(found)
    return values


def _entries(data: dict[str, Any], part: Part) -> list[tuple[Any, Any]]:
    entries = data.get(part.list_key)
    found = entries if isinstance(entries, list) else []
    return [(entry, _content(entry, part)) for entry in found if _is_of(entry, part)]


def _is_of(entry: Any, part: Part) -> bool:
    return not part.wrapped or part.name in mapping_of(entry)


def _content(entry: Any, part: Part) -> Any:
    return mapping_of(entry).get(part.name) if part.wrapped else entry
