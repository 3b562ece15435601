"""The patterns of names and versions, for documents, both protocols and the updater.

All are matched against the whole text. Only the standard library is imported: what makes bundles uses this.
"""

from __future__ import annotations

import re

WORKFLOW_ID = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
CONNECTION_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"
"""It becomes a section of a libpq service file, so nothing may need escaping there."""
RELEASE = r"[0-9][0-9A-Za-z.+-]{0,59}"
"""A version of the appliance. It is a folder's name, an image's tag and part of a file's name."""
PROGRAM_VERSION = r"[0-9A-Za-z][0-9A-Za-z.+~_:-]{0,59}"
"""A version of any program, as Debian and Docker write theirs; every release's is one."""
SHA256 = r"[0-9a-f]{64}"
_FINAL_RELEASE = r"[0-9]+(\.[0-9]+)*"
_BUNDLE = re.compile(rf"appliance-(?P<version>{RELEASE})-(x86_64|aarch64)\.tar")


def is_release(version: str) -> bool:
    """Whether a release may be called so."""
    return re.fullmatch(RELEASE, version) is not None


def is_final_release(version: str) -> bool:
    """Whether it is numbers only, without a mark as 1.2.0rc1 or 1.2.0.dev3 have."""
    return re.fullmatch(_FINAL_RELEASE, version) is not None


def release_order(version: str) -> tuple[tuple[int, int, str], ...]:
    """A key to sort releases by: 10 comes after 9, and 1.0rc1 before 1.0."""
    parts = re.findall(r"\d+|[A-Za-z]+", version)
    keys = [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]
    return (*keys, (1, -1, ""))


def is_sha256(text: str) -> bool:
    """Whether it is a SHA-256 in lower-case hexadecimal."""
    return re.fullmatch(SHA256, text) is not None


def bundle_name(version: str, architecture: str = "x86_64") -> str:
    """The file that holds a release for machines of that architecture, as ``uname -m`` has it."""
    return f"appliance-{version}-{architecture}.tar"


def version_in_bundle_name(name: str) -> str | None:
    """The release whose bundle is called so; None for another name."""
    found = _BUNDLE.fullmatch(name)
    return found["version"] if found else None
