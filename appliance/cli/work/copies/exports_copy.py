"""Taking an export away, to a folder or as a tar: no file that is not what its manifest says."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tarfile
import zlib
from pathlib import Path
from typing import BinaryIO

from appliance.errors import WorkFailedError, WrongRequestError
from appliance.exports.manifest import MANIFEST, ExportedFile
from appliance.exports.stored import Export, damage_of
from appliance.system.beneath import as_owner_of

_BLOCK = 1 << 20
TEXT_SUFFIXES = (".csv.gz", ".jsonl.gz")


def copy_export(export: Export, into: Path, *, unpack: bool) -> None:
    """Copy all files and the manifest into ``into``, which is made here, for its owner only.

    Raises WrongRequestError where it exists and is not empty, WorkFailedError for a damaged file or a full
    disk; then nothing is left in it.
    """
    try:
        made = not into.exists()
        into.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(into.iterdir()):
            raise WrongRequestError(
                f"The folder {into} is not empty.", "", "Name one that does not exist yet."
            )
    except OSError as error:
        raise _failed(into, error) from None
    try:
        for file in export.manifest.files:
            (into / file.file).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _copy(export, file, into, unpack=unpack)
        with _opened(export, MANIFEST) as source, (into / MANIFEST).open("xb") as out:
            shutil.copyfileobj(source, out)
    except BaseException as error:
        with contextlib.suppress(OSError):
            for path in into.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            if made:
                into.rmdir()
        if isinstance(error, OSError):
            raise _failed(into, error) from None
        raise


def write_tar(export: Export, out: BinaryIO) -> None:
    """A tar of the files and the manifest in a folder of the run's name.

    Raises WorkFailedError for damage.
    """
    if damage := damage_of(export):
        raise _damaged(export, damage)
    names = [*(file.file for file in export.manifest.files), MANIFEST]
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for name in names:
            with _opened(export, name) as file:
                member = archive.gettarinfo(arcname=f"{export.manifest.run}/{name}", fileobj=file)
                member.uid = member.gid = 0
                member.uname = member.gname = ""
                member.mode = 0o600
                archive.addfile(member, file)


def _opened(export: Export, name: str) -> BinaryIO:
    with as_owner_of(export.folder):
        return (export.folder / name).open("rb")


def _copy(export: Export, file: ExportedFile, into: Path, *, unpack: bool) -> None:
    digest = hashlib.sha256()
    unpacker = zlib.decompressobj(31)
    # A Parquet file and an archive are packed within, and unpacked by what reads them.
    unpack = unpack and file.file.endswith(TEXT_SUFFIXES)
    target = into / (file.file.removesuffix(".gz") if unpack else file.file)
    with _opened(export, file.file) as source, target.open("xb") as out:
        target.chmod(0o600)
        while block := source.read(_BLOCK):
            digest.update(block)
            if not unpack:
                out.write(block)
                continue
            while block:
                out.write(_unpacked(export, file, unpacker, block))
                block = unpacker.unconsumed_tail
    if digest.hexdigest() != file.sha256:
        raise _damaged(export, [f"{file.file}: its SHA-256 is not the manifest's"])


def _unpacked(export: Export, file: ExportedFile, unpacker: zlib._Decompress, block: bytes) -> bytes:
    try:
        return unpacker.decompress(block, _BLOCK)
    except zlib.error:
        raise _damaged(export, [f"{file.file}: cannot be unpacked"]) from None


def _damaged(export: Export, damage: list[str]) -> WorkFailedError:
    return WorkFailedError(
        f"The export of {export.manifest.run} is damaged; nothing of it was handed out.",
        "\n".join(damage),
        "Run the workflow again, and delete this export: appliance exports rm " + export.manifest.run,
    )


def _failed(into: Path, error: OSError) -> WorkFailedError:
    return WorkFailedError(
        f"The export could not be copied to {into}.", error.strerror or type(error).__name__, f"df -h {into}"
    )
