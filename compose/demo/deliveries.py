"""What the run has delivered besides the twin: objects in the bucket, and what the container has counted."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from appliance.exports.container_output import OUT
from appliance.exports.manifest import MANIFEST

from .sample_workflow import ID
from .stack import ROW_COUNT_IMAGE, Stack

CONNECTION = "lake"
EXPORTS = f"/var/lib/appliance/exports/{ID}"
BUCKET = "/buckets/lake"


def trust(stack: Stack) -> None:
    """Say which image is meant by its tag, as the owner of the appliance does."""
    stack.execute("scheduler", "appliance", "images", "trust", ROW_COUNT_IMAGE)


def in_the_bucket(console: Console, stack: Stack, run: dict[str, Any]) -> None:
    """The objects as the bucket's own server keeps them, by the manifest that lies beside them."""
    console.print(Text(f"In the bucket {CONNECTION}", style="bold"))
    [uploaded] = [step["result"] for step in run["steps"] if step["step"] == "upload"]
    folder = f"{BUCKET}/{uploaded['folder']}"
    manifest = json.loads(stack.execute("bucket", "cat", f"{folder}{MANIFEST}"))
    listed = stack.execute("bucket", "find", folder, "-type", "f", "-printf", "%P\t%s\n")
    sizes = {name: int(size) for name, _, size in (line.partition("\t") for line in listed.splitlines())}
    console.print(uploaded["folder"], markup=False)
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 3, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    table.add_column(justify="right")
    for form in manifest["formats"]:
        there = [each for each in form["files"] if sizes.get(each["file"]) == each["bytes"]]
        objects = f"{len(there)} of {len(form['files'])} objects"
        table.add_row(form["format"], objects, f"{sum(each['bytes'] for each in there):,} bytes")
    table.add_row("the manifest, last", "1 object", f"{sizes[MANIFEST]:,} bytes")
    console.print(table)


def counted_by_the_container(console: Console, stack: Stack, run: dict[str, Any]) -> None:
    """What the container wrote to /out, kept as an export of its own."""
    console.print(Text(f"Counted by the container {ROW_COUNT_IMAGE}", style="bold"))
    [handed] = [step["result"] for step in run["steps"] if step["step"] == "container"]
    written = f"{EXPORTS}/{handed['export']}/{OUT}/rows.json"
    rows: dict[str, int] = json.loads(stack.execute("scheduler", "cat", written))
    most = sorted(rows.items(), key=lambda item: -item[1])[:3]
    shown = ", ".join(f"{table} {count:,}" for table, count in most)
    console.print(f"{sum(rows.values()):,} rows in the files of {len(rows)} tables: {shown}, …", markup=False)
