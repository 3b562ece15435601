"""Upload one file, alone in a process: ``python -m bench.upload_once library|ours FILE ACCESS``.

Prints the seconds and the most memory that it had. The manifest's digest is made before, as a run has it.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import obstore

from appliance.buckets.access import BucketAccess, open_store
from appliance.buckets.uploading import upload
from appliance.exports.manifest import ExportedFile, ExportedFormat, Manifest


def main() -> None:
    """One way, once."""
    way, name, access_file = sys.argv[1:]
    file = Path(name)
    access = BucketAccess.model_validate_json(Path(access_file).read_bytes())
    manifest = _manifest(file)
    began = time.monotonic()
    if way == "library":
        obstore.put(open_store(access), f"bench/{file.name}", file)
    else:
        upload(access, file.parent, manifest, "bench/", lambda *_: None)
    seconds = time.monotonic() - began
    print(
        json.dumps(
            {"seconds": seconds, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
        )
    )


def _manifest(file: Path) -> Manifest:
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    only = ExportedFile(file=file.name, bytes=file.stat().st_size, sha256=digest)
    form = ExportedFormat(format="archive", compression="none", tables=(), files=(only,))
    now = datetime.now(UTC)
    return Manifest(workflow="bench", run="bench-1", created_at=now, appliance_version="0", formats=(form,))


if __name__ == "__main__":
    main()
