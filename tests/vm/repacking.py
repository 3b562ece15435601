"""Further releases made of one bundle: another version, and what is to be wrong with it."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from provisioning.release.schemas import schemas_of

PYTHON = "3.13"
"""Of the host that these releases are for. What a bundle holds for others is left out."""
_ELSEWHERE = ("debs/", "requirements-3.11")
_OTHER_PYTHON = "-cp311-cp311-"
_NOTHING: Mapping[str, str] = {}


def variation(
    bundle: Path,
    version: str,
    into: Path,
    *,
    appended: Mapping[str, str] = _NOTHING,
    wheels: Path | None = None,
) -> Path:
    """The same release under another version; ``appended``: code behind that of a module, by its path.

    ``wheels``: packages that take the place of those of their names, with an Airflow among them.
    """
    replaced = {_package(each.name): each for each in sorted(wheels.iterdir())} if wheels else {}
    path = into / bundle.name.replace(_version_of(bundle), version)
    with tarfile.open(bundle) as whole, tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as made:
        first = whole.next()
        manifest = json.loads(_read(whole, first))
        former = manifest["version"]
        kept: dict[str, tuple[bytes, int]] = {}
        for member in whole:
            elsewhere = member.name.startswith(_ELSEWHERE) or _OTHER_PYTHON in member.name
            if member is first or elsewhere:
                continue
            name, data = member.name, _read(whole, member)
            if name.startswith("wheels/") and _package(name) in replaced:
                continue
            if name == f"requirements-{PYTHON}.txt":
                data = _locked(data, replaced)
            elif name == "image/step.tar.gz":
                data = _retagged(data, former, version)
            elif name.startswith("wheels/appliance-"):
                name, data = name.replace(former, version), _rewritten(data, former, version, appended)
            kept[name] = data, member.mode
        kept |= {f"wheels/{path.name}": (path.read_bytes(), 0o644) for path in replaced.values()}
        if wheels:
            manifest["schemas"] = schemas_of(wheels).model_dump()
        for image in ("step_image", "parquet_image"):
            manifest[image]["tag"] = manifest[image]["tag"].replace(former, version)
        files = {name: hashlib.sha256(data).hexdigest() for name, (data, _) in kept.items()}
        manifest |= {"version": version, "pythons": [PYTHON], "debs": [], "files": files}
        _add(made, "manifest.json", json.dumps(manifest).encode(), 0o644)
        for name, (data, mode) in kept.items():
            _add(made, name, data, mode)
    return path


def _package(wheel: str) -> str:
    return wheel.rpartition("/")[2].split("-")[0].lower().replace("_", "-")


def _locked(lock: bytes, replaced: Mapping[str, Path]) -> bytes:
    """The lock file with those packages as they are now."""
    lines = []
    for line in lock.decode().splitlines():
        name, _, version = line.partition("==")
        if wheel := replaced.get(name.split("[")[0].lower().replace("_", "-")):
            version = (
                f"{wheel.name.split('-')[1]} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}"
            )
        lines.append(f"{name}=={version}\n")
    return "".join(lines).encode()


def _version_of(bundle: Path) -> str:
    return bundle.name.split("-")[1]


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo | None) -> bytes:
    opened = archive.extractfile(member) if member else None
    assert opened is not None
    return opened.read()


def _add(archive: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), mode
    archive.addfile(member, io.BytesIO(data))


def _retagged(packed: bytes, former: str, version: str) -> bytes:
    """Docker's archive of the step images, which it loads under the tags that stand in it."""
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed))) as old,
        tarfile.open(fileobj=out, mode="w") as new,
    ):
        for member in old:
            if member.name == "manifest.json":
                _add(new, member.name, _read(old, member).replace(former.encode(), version.encode()), 0o644)
            elif member.name != "repositories":
                new.addfile(member, old.extractfile(member) if member.isreg() else None)
    return gzip.compress(out.getvalue(), compresslevel=1, mtime=0)


def _rewritten(wheel: bytes, former: str, version: str, appended: Mapping[str, str]) -> bytes:
    """The project's own wheel."""
    old_info, info = f"appliance-{former}.dist-info", f"appliance-{version}.dist-info"
    record, out = io.StringIO(), io.BytesIO()
    lines = csv.writer(record, lineterminator="\n")
    spoilt = set(appended)
    with zipfile.ZipFile(io.BytesIO(wheel)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            name, data = member.filename.replace(old_info, info), old.read(member)
            if name == f"{info}/RECORD":
                continue
            if name == "appliance/__init__.py":
                data = data.replace(
                    f'__version__ = "{former}"'.encode(), f'__version__ = "{version}"'.encode()
                )
            elif name == f"{info}/METADATA":
                data = data.replace(f"\nVersion: {former}\n".encode(), f"\nVersion: {version}\n".encode(), 1)
            if name in appended:
                data += f"\n{appended[name]}\n".encode()
                spoilt.remove(name)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            lines.writerow((name, f"sha256={digest}", len(data)))
            new.writestr(zipfile.ZipInfo(name), data)
        lines.writerow((f"{info}/RECORD", "", ""))
        new.writestr(f"{info}/RECORD", record.getvalue())
    assert not spoilt, f"no such module: {spoilt}"
    return out.getvalue()
