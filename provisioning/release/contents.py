"""What a bundle says of itself to people and their tools: notes, and a bill of materials (CycloneDX 1.6)."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
import zipfile
from collections.abc import Iterable, Sequence
from email.parser import HeaderParser
from pathlib import Path
from urllib.parse import quote

_NOTES_MAX = 20_000
_NAMESPACE = uuid.UUID("5f0c9b6e-7a43-5d0e-9a51-3a2a6f0d5c11")


def notes_of(changelog: str, version: str) -> str:
    """The changelog's section of a version; of a version that it does not name, what is not released yet."""
    sections = dict(re.findall(r"^## \[?([^\s\]]+)\]?[^\n]*\n(.*?)(?=^## |\Z)", changelog, re.M | re.S))
    return sections.get(version, sections.get("Unreleased", "")).strip()[:_NOTES_MAX]


def size_on_disk(wheels: Iterable[Path], others: Iterable[Path]) -> int:
    """Bytes that an installed release takes: its packages with their bytecode, and the files beside them.

    Bytecode is about as long as what it is made of.
    """
    total = sum(path.stat().st_size for path in others)
    for path in wheels:
        with zipfile.ZipFile(path) as wheel:
            total += sum(each.file_size * (1 + each.filename.endswith(".py")) for each in wheel.infolist())
    return total


def bill_of_materials(version: str, wheels: Sequence[Path], debian: Iterable[tuple[str, str, str]]) -> str:
    """Every Python and Debian package of a release as CycloneDX. The same packages give the same bytes."""
    components = [_of_wheel(path) for path in wheels]
    components += [_of_debian(*package) for package in debian]
    components.sort(key=lambda component: str(component["bom-ref"]))
    body = {
        "metadata": {
            "component": {
                "type": "application",
                "name": "appliance",
                "version": version,
                "bom-ref": "appliance",
            }
        },
        "components": components,
    }
    # Derived, not drawn: a number drawn anew would make two builds of one commit differ.
    serial = uuid.uuid5(_NAMESPACE, json.dumps(body, sort_keys=True))
    head = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "serialNumber": f"urn:uuid:{serial}",
    }
    return json.dumps(head | body, indent=1, sort_keys=True) + "\n"


def _of_wheel(path: Path) -> dict[str, object]:
    with zipfile.ZipFile(path) as wheel:
        name = next(each for each in wheel.namelist() if each.endswith(".dist-info/METADATA"))
        metadata = HeaderParser().parsestr(wheel.read(name).decode("utf-8", "replace"))
    package, version = metadata["Name"], metadata["Version"]
    found: dict[str, object] = {
        "type": "library",
        "name": package,
        "version": version,
        "purl": f"pkg:pypi/{re.sub(r'[-_.]+', '-', package).lower()}@{quote(version)}",
        # One package may come as several wheels, for as many Pythons.
        "bom-ref": path.name,
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}],
    }
    licence = metadata["License-Expression"]
    if licence:
        found["licenses"] = [{"expression": licence}]
    elif (written := (metadata["License"] or "").strip()) and "\n" not in written:
        found["licenses"] = [{"license": {"name": written[:200]}}]
    return found


def _of_debian(name: str, version: str, architecture: str) -> dict[str, object]:
    purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={architecture}"
    return {"type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl}
