"""Writes the pages and JSON Schemas that are made from the code: ``python -m docs.pages``.

``--check`` writes nothing, names what is out of date and exits with 1.
"""

from __future__ import annotations

import sys
from pathlib import Path

from appliance.connections.schema import connections_schema
from appliance.documents.json_schema import Kind, document_schema, printed
from appliance.masking.registry import MASKS, parameter_models
from appliance.policy.policy import Policy
from appliance.receipts.predicate import RunPredicate
from appliance.receipts.removals import EndingPredicate, ErasurePredicate
from appliance.settings.settings import Settings
from appliance.subjects.document import Subjects
from appliance.workflow.schema import preset_schema, workflow_schema
from docs.making.command_line import command_line_page
from docs.making.documents import DocumentPage, Schema, document_page
from docs.making.masks import masks_page
from docs.making.what_leaves import what_leaves_page

DOCS = Path(__file__).parent

_WORKFLOW = """
A workflow says what is copied from where, masked how, delivered where, and when. It lies in
`/etc/appliance/workflows/` or comes from a dashboard. Unknown keys are errors, and all errors are reported
at once with their lines: `appliance workflow validate FILE`. [The masks](../masks.md) have a page of their
own, and so has [the twin](../twin.md).
"""
_CONNECTIONS = """
`/etc/appliance/connections.yaml` has the addresses and credentials of databases and buckets. It stays on the
appliance, must be closed to all but its owner (`chmod 600`), and is read afresh for every run. A value that
is still `changeme` is refused with its key path. `appliance connections template WORKFLOW.yaml` writes one
to fill in, and `appliance connections check` tries it. [Buckets](../buckets.md) have a page of their own.
Where libpq's own words are used, they mean what
libpq means by them.
"""
_POLICY = """
`/etc/appliance/policy.yaml` holds the limits that the appliance's owner sets. Nothing from the cloud can
widen them. It is read afresh for every decision. A key that is left out limits nothing local and the cloud
most; `destinations` and `notify` alone allow nothing that they do not name. `appliance policy check WORKFLOW`
asks it beforehand, and a refusal names the key.
"""
_SUBJECTS = """
`/etc/appliance/subjects.yaml` says who a subject is, which rows are about one, and what becomes of them in
the source. It is the customer's own and stays on the appliance. `appliance erasure check` holds it against
the sources. [Erasure](../erasure.md) says what it is for.
"""
_PRESET = """
A preset is a named set of rules that workflows use: `use: [company-pii]`. It lies in
`/etc/appliance/presets/NAME.yaml`, in a folder `presets` beside the workflow's file, or on the dashboard.
[Rules](../rules.md#presets) say which rule wins, and `appliance preset validate` checks the files.
"""
_SETTINGS = """
`/etc/appliance/appliance.yaml` says where things lie and what may be used. Every key may be left out. An
environment variable wins over the file: `APPLIANCE_` and the key in capitals (`APPLIANCE_STATE_DIR`), and
for a key of a section both names (`APPLIANCE_STATUS_PORT`). On a VM the deploy writes this file: set [its
knobs](../install.md#knobs).
"""


def schemas() -> dict[Kind, Schema]:
    """The JSON Schema of each document that people write."""
    summaries = {name: mask.summary for name, mask in MASKS.items()}
    return {
        "workflow": workflow_schema(parameter_models(), summaries),
        "connections": connections_schema(),
        "policy": document_schema(Policy, "Policy"),
        "settings": document_schema(Settings, "Settings"),
        "subjects": document_schema(Subjects, "Subjects"),
        "preset": preset_schema(parameter_models(), summaries),
    }


def pages() -> dict[Path, str]:
    """The text of each file that is made, by its path."""
    found = schemas()
    documents = {
        "workflow": DocumentPage("A workflow", _WORKFLOW, found["workflow"], "appliance workflow schema"),
        "connections": DocumentPage(
            "Connections",
            _CONNECTIONS,
            found["connections"],
            "appliance connections schema",
            example_at="production",
            instead=("password_command",),
        ),
        "policy": DocumentPage("Policy", _POLICY, found["policy"], "appliance policy schema"),
        "subjects": DocumentPage("Subjects", _SUBJECTS, found["subjects"], "appliance erasure schema"),
        "preset": DocumentPage("A preset", _PRESET, found["preset"], "appliance preset schema"),
        "settings": DocumentPage("Settings", _SETTINGS, found["settings"], "appliance settings schema"),
    }
    return {
        DOCS / "masks.md": masks_page(),
        DOCS / "what-leaves.md": what_leaves_page(),
        DOCS / "reference" / "command-line.md": command_line_page(),
        **{DOCS / "reference" / f"{name}.md": document_page(page) for name, page in documents.items()},
        **{DOCS / "schemas" / f"{kind}.json": printed(schema) for kind, schema in found.items()},
        # It is only read, and its reader wants to know what is in it.
        DOCS / "schemas" / "receipt.json": printed(RunPredicate.model_json_schema()),
        DOCS / "schemas" / "receipt-erasure.json": printed(ErasurePredicate.model_json_schema()),
        DOCS / "schemas" / "receipt-copy-ended.json": printed(EndingPredicate.model_json_schema()),
    }


def out_of_date() -> list[str]:
    """The names of those files that do not have the text they should have."""
    return [
        str(path.relative_to(DOCS.parent))
        for path, text in pages().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]


def main() -> int:
    """Write all of them, or with ``--check`` only compare."""
    if "--check" in sys.argv[1:]:
        if stale := out_of_date():
            sys.stderr.write(f"Out of date: {', '.join(stale)}.\nNext: make docs\n")
        return 1 if stale else 0
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
