"""The ``connections.yaml`` that an appliance's workflows need, with ``changeme`` where a person fills in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from appliance.documents.json_schema import INSTALLED, comment

_OPENING = """\
# /etc/appliance/connections.yaml on {name}; mode 0600. It never leaves the appliance.
# Replace every changeme, then: sudo appliance connections check
"""
_READS = "# reads: a role that may SELECT what the workflows copy; a standby will do"
_WRITES = "# is written: a role that owns the twin's databases and has CREATEDB"


def template(name: str, documents: Iterable[Mapping[str, Any]]) -> str:
    """The file's text for an appliance and the workflow documents that are assigned to it."""
    uses: dict[str, set[str]] = {}
    for document in documents:
        uses.setdefault(str(document.get("source", "")), set()).add("read")
        for delivery in document.get("deliver", []):
            for target in delivery.values():
                if isinstance(target, Mapping) and "connection" in target:
                    uses.setdefault(str(target["connection"]), set()).add("write")
    uses.pop("", None)
    parts = [comment(f"{INSTALLED}/connections.json") + _OPENING.format(name=name)]
    if not uses:
        parts.append("# No workflow is assigned to this appliance yet, so no connection is needed.\n")
    for connection in sorted(uses):
        notes = [note for use, note in (("read", _READS), ("write", _WRITES)) if use in uses[connection]]
        parts.append("\n".join([*notes, f"{connection}:", *_lines()]) + "\n")
    return "\n".join(parts)


def _lines() -> list[str]:
    return [
        "  type: postgres",
        "  host: changeme",
        "  port: 5432",
        "  dbname: changeme",
        "  user: changeme",
        "  password: changeme",
        "  sslmode: verify-full",
        "  sslrootcert: changeme  # PEM file of the server's authority, or system",
    ]
