"""An upload beside what the library does with a file of that size: seconds, and the memory of each.

``python -m bench.uploads --mb 512`` measures this section alone. The server is the S3 server of the tests, on
this machine, so that no network hides what an upload costs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from appliance.buckets.access import access_of
from appliance.connections.file import connections_of
from appliance.documents import strict_yaml
from tests.engine.bucket_server import BucketServer, bucket_server, has_program

WAYS = {"library": "`obstore.put` of the file", "ours": "`upload`: hashed, compared, the manifest last"}
LEAST = 0.7
"""Of the library's speed, which an upload should have."""


def uploads_section(rounds: int, mb: int) -> None:
    """Each round measures both in turn."""
    if not has_program():
        print("No upload was measured: there is no versitygw here (scripts/bucket-server.sh builds it).\n")
        return
    taken: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, bucket_server(Path(folder, "s3")) as server:
        file, access = Path(folder, "archive.dump"), Path(folder, "access.json")
        with file.open("wb") as out:
            for _ in range(mb):
                out.write(os.urandom(2**20))
        access.write_text(_access(server))
        for _ in range(rounds):
            for way in WAYS:
                server.empty()
                command = [sys.executable, "-m", "bench.upload_once", way, str(file), str(access)]
                said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                taken[way].append((said["seconds"], said["peak_mib"]))
    print(f"| upload of {mb} MiB to S3 | seconds (median) | of its speed | peak memory, MiB |")
    print("| --- | --- | --- | --- |")
    median = {way: statistics.median(seconds for seconds, _ in runs) for way, runs in taken.items()}
    for way, name in WAYS.items():
        share = f"{median['library'] / median[way]:.2f} (at least {LEAST})" if way == "ours" else ""
        peak = max(peak for _, peak in taken[way])
        print(f"| {name} | {median[way]:.1f} | {share} | {peak:.0f} |")
    print()


def _access(server: BucketServer) -> str:
    text = json.dumps({"lake": server.connection()})
    connection = connections_of(strict_yaml.load(text, "connections.yaml")).buckets["lake"]
    return access_of("lake", connection).model_dump_json()


def main() -> int:
    """This section alone."""
    parser = argparse.ArgumentParser(prog="bench.uploads", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="medians of so many")
    parser.add_argument("--mb", type=int, default=512, help="the size of the file, in MiB")
    options = parser.parse_args()
    uploads_section(options.rounds, options.mb)
    return 0


if __name__ == "__main__":
    sys.exit(main())
